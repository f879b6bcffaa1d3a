//! Replies as text: pure functions from a view to a writer.

mod lossless;
mod plain;
mod scalar;
mod terminal;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Write};

use redistrib_ops::resp::View;

pub(crate) use lossless::write_lossless;
pub use plain::Strings;
pub(crate) use plain::{write_csv, write_json, write_raw};
pub(crate) use terminal::write_terminal;
pub(crate) use text::{LineEnds, write_harmless, write_quoted};

/// The form in which replies are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyForm {
    /// For people.
    Terminal,
    /// The values alone.
    Raw,
    /// One line with commas.
    Csv,
    /// redis-cli's JSON.
    Json(Strings),
    /// JSON that distinguishes all RESP3 types.
    Lossless,
}

/// What stands between values in the raw form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimiters {
    /// Between the elements of one reply (`-d`).
    pub elements: Vec<u8>,
    /// After each reply (`-D`).
    pub replies: Vec<u8>,
}

impl Default for Delimiters {
    fn default() -> Self {
        Self { elements: b"\n".to_vec(), replies: b"\n".to_vec() }
    }
}

/// Writes one reply with what ends it.
pub(crate) fn write_reply(
    view: View<'_>,
    form: ReplyForm,
    delimiters: &Delimiters,
    out: &mut dyn Write,
) -> io::Result<()> {
    match form {
        ReplyForm::Terminal => return write_terminal(view, out),
        ReplyForm::Raw => {
            write_raw(view, &delimiters.elements, out)?;
            return out.write_all(&delimiters.replies);
        }
        ReplyForm::Csv => write_csv(view, out)?,
        ReplyForm::Json(strings) => write_json(view, strings, out)?,
        ReplyForm::Lossless => write_lossless(view, out)?,
    }
    out.write_all(b"\n")
}
