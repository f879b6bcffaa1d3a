//! Where replies are written, and how.

use std::io::{self, BufWriter, IsTerminal, Write};

use redistrib_ops::resp::{Elements, Kind, View};

use super::format::{Delimiters, LineEnds, ReplyForm, write_harmless, write_raw, write_reply};
use super::options::OutputOptions;

/// What is said while messages are waited for, in redis-cli's words.
pub(super) const WAITING: &str =
    "Reading messages... (press Ctrl-C to quit or any key to type command)";

/// Writes replies to standard output in the form asked for.
#[derive(Clone, Debug)]
pub(super) struct Printer {
    form: ReplyForm,
    delimiters: Delimiters,
    pushes: bool,
    terminal: bool,
}

impl Printer {
    /// Decides by the options and by what standard output is.
    pub(super) fn new(output: &OutputOptions) -> Self {
        // FAKETTY: redis-cli's own way to have the terminal's form in a pipe.
        let terminal = io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some();
        let default = if terminal { ReplyForm::Terminal } else { ReplyForm::Raw };
        Self {
            form: output.form.unwrap_or(default),
            delimiters: output.delimiters.clone(),
            pushes: output.pushes.unwrap_or(terminal),
            terminal,
        }
    }

    pub(super) fn form(&self) -> ReplyForm {
        self.form
    }

    /// Writes replies in this form from now on.
    pub(super) fn use_form(&mut self, form: ReplyForm) {
        self.form = form;
    }

    /// Writes the reply to the command of these words.
    pub(super) fn reply(&self, words: &[Vec<u8>], view: View<'_>) -> io::Result<()> {
        let mut out = BufWriter::new(io::stdout().lock());
        if self.form == ReplyForm::Lossless || !is_text_report(words) {
            write_reply(view, self.form, &self.delimiters, &mut out)?;
        } else if self.terminal {
            self.report(view, &mut out)?;
        } else {
            write_raw(view, &self.delimiters.elements, &mut out)?;
        }
        out.flush()
    }

    /// What would be written for a message.
    pub(super) fn text(&self, view: View<'_>) -> String {
        let mut text = Vec::new();
        // Nothing can go wrong in memory.
        let _ = write_reply(view, self.form, &self.delimiters, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// A report is text of many lines that is shown as such, and may not drive the terminal either.
    fn report(&self, view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
        let mut text = Vec::new();
        write_raw(view, &self.delimiters.elements, &mut text)?;
        write_harmless(&text, LineEnds::Many, out)
    }

    /// Writes out-of-band data, if that is to be shown.
    pub(super) fn push(&self, view: View<'_>) -> io::Result<()> {
        if !self.pushes {
            return Ok(());
        }
        let Some(keys) = invalidated(view).filter(|_| self.form == ReplyForm::Terminal) else {
            return self.reply(&[], view);
        };
        let mut out = io::stdout().lock();
        out.write_all(b"-> invalidate: ")?;
        for (position, key) in keys.enumerate() {
            out.write_all(if position > 0 { b", '" } else { b"'" })?;
            write_harmless(key.as_bytes().unwrap_or_default(), LineEnds::One, &mut out)?;
            out.write_all(b"'")?;
        }
        out.write_all(b"\n")?;
        out.flush()
    }

    /// Writes a command as a server sends it to its replicas.
    pub(super) fn replicated(&self, view: View<'_>) -> io::Result<()> {
        let form =
            if self.form == ReplyForm::Lossless { ReplyForm::Lossless } else { ReplyForm::Csv };
        let mut out = BufWriter::new(io::stdout().lock());
        write_reply(view, form, &self.delimiters, &mut out)?;
        out.flush()
    }

    /// Writes a line beside the replies: on standard error, where standard output is for documents alone.
    pub(super) fn aside(&self, text: &str) -> io::Result<()> {
        if self.form == ReplyForm::Lossless {
            return writeln!(io::stderr(), "{text}");
        }
        self.line(text)
    }

    /// Says that messages are waited for, in a line that [`Printer::hide_waiting`] takes back, where it does not get
    /// into what a program reads.
    pub(super) fn show_waiting(&self) -> io::Result<()> {
        self.overwrite(&format!("{WAITING}\r"))
    }

    /// Takes back what [`Printer::show_waiting`] has said.
    pub(super) fn hide_waiting(&self) -> io::Result<()> {
        self.overwrite("\x1b[K")
    }

    fn overwrite(&self, text: &str) -> io::Result<()> {
        if !self.terminal || self.form == ReplyForm::Raw {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes a line about the session itself.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

/// The keys that a push reports as changed. One without keys, which a FLUSHALL sends, is like any other push.
fn invalidated(push: View<'_>) -> Option<Elements<'_>> {
    let mut elements = push.elements();
    let keys = (elements.next()?.as_bytes()? == b"invalidate").then(|| elements.next())??;
    (keys.kind() == Kind::Array).then(|| keys.elements())
}

/// Commands whose reply is a report for people: redis-cli prints it unquoted in every form.
fn is_text_report(words: &[Vec<u8>]) -> bool {
    const REPORTS: [(&str, &[&str]); 8] = [
        ("info", &[]),
        ("lolwut", &[]),
        ("debug", &["htstats", "htstats-key", "client-eviction"]),
        ("memory", &["malloc-stats", "doctor"]),
        ("cluster", &["info", "nodes"]),
        ("client", &["list", "info"]),
        ("latency", &["graph", "doctor"]),
        ("proxy", &["info"]),
    ];
    let is = |at: usize, name: &str| {
        words.get(at).is_some_and(|word: &Vec<u8>| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    REPORTS.iter().any(|(name, second)| {
        is(0, name) && (second.is_empty() || second.iter().any(|word| is(1, word)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_known_by_their_first_words() {
        let words = |line: &str| redistrib_ops::words::split(line.as_bytes()).unwrap();
        for line in ["INFO", "info server", "CLIENT LIST", "cluster nodes", "Latency doctor"] {
            assert!(is_text_report(&words(line)), "{line}");
        }
        for line in ["", "CLIENT", "CLIENT ID", "cluster slots", "get info"] {
            assert!(!is_text_report(&words(line)), "{line}");
        }
    }
}
