//! The form for people: numbered lines, aligned, with the type of each value.

use std::io::{self, Write};

use redistrib_ops::resp::View;

use super::scalar::{Many, Shape, shape};
use super::text::{LineEnds, write_harmless, write_quoted};

/// Writes a reply as redis-cli 7 prints it on a terminal, its last line ended. Where that would let
/// control characters through (status, error and verbatim texts) they are escaped here.
///
/// The recursion is as deep as the reply, which the decoder bounds.
pub(crate) fn write_terminal(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    write_value(view, &mut String::new(), out)?;
    out.write_all(b"\n")
}

/// Writes a value whose lines after the first begin with `prefix`, without the last line's end.
fn write_value(view: View<'_>, prefix: &mut String, out: &mut dyn Write) -> io::Result<()> {
    match shape(view) {
        Shape::Status(text) => write_harmless(text, LineEnds::One, out),
        Shape::Error(text) => {
            out.write_all(b"(error) ")?;
            write_harmless(text, LineEnds::One, out)
        }
        Shape::Number(sort, digits) => write!(out, "({sort}) {digits}"),
        Shape::Text(bytes) => write_quoted(&bytes, out),
        Shape::Verbatim(text) => write_harmless(text, LineEnds::Many, out),
        Shape::Nil => out.write_all(b"(nil)"),
        Shape::Boolean(truth) => write!(out, "({truth})"),
        Shape::Many(many) if view.is_empty() => write!(out, "(empty {})", many.noun()),
        Shape::Many(many) => write_many(view, many, prefix, out),
    }
}

fn write_many(
    view: View<'_>,
    many: Many,
    prefix: &mut String,
    out: &mut dyn Write,
) -> io::Result<()> {
    let step = if many == Many::Map { 2 } else { 1 };
    let width = (view.len() / step).to_string().len();
    let outer = prefix.len();
    let mut elements = view.elements();
    let mut number = 0;
    while let Some(element) = elements.next() {
        if number > 0 {
            write!(out, "\n{prefix}")?;
        }
        number += 1;
        write!(out, "{number:>width$}{} ", many.mark())?;
        prefix.extend(std::iter::repeat_n(' ', width + 2));
        write_value(element, prefix, out)?;
        if many == Many::Map {
            out.write_all(b" => ")?;
            if let Some(value) = elements.next() {
                if takes_lines(value) {
                    write!(out, "\n{prefix}")?;
                }
                write_value(value, prefix, out)?;
            }
        }
        prefix.truncate(outer);
    }
    Ok(())
}

/// Whether an aggregate takes more than one line: a map's value that does begins on a line of its own.
fn takes_lines(view: View<'_>) -> bool {
    let mut view = view;
    loop {
        let Shape::Many(many) = shape(view) else { return false };
        let mut elements = view.elements();
        match (many, elements.next(), elements.next(), elements.next()) {
            (_, None, ..) => return false,
            (Many::Map, Some(key), Some(value), None) => {
                if takes_lines(key) {
                    return true;
                }
                view = value;
            }
            (Many::Array | Many::Set | Many::Push, Some(only), None, _) => view = only,
            _ => return true,
        }
    }
}

impl Many {
    fn noun(self) -> &'static str {
        match self {
            Self::Array => "array",
            Self::Map => "hash",
            Self::Set => "set",
            Self::Push => "push",
        }
    }

    fn mark(self) -> char {
        match self {
            Self::Array | Self::Push => ')',
            Self::Map => '#',
            Self::Set => '~',
        }
    }
}
