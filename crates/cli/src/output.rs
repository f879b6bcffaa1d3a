//! Where lines go.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::{Mutex, OnceLock};

use indicatif::MultiProgress;
use serde::Serialize;

use crate::escape::Escaped;
use crate::style::{Style, Tone};
use crate::voice;

/// Prints a line on standard error. As with [`Output`], nothing fails for want of a reader.
pub fn tell_error(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// The first failure to write what was printed, of a full disk, say.
static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Why something that was printed is not on standard output, if so: whoever keeps it has not all of it. A closed pipe is the
/// reader's decision, and is not reported.
pub fn unwritten() -> Option<&'static io::Error> {
    UNWRITTEN.get()
}

/// Prints what is made to be saved: a script, a page. A reader who has enough of it is no failure.
///
/// # Errors
/// Where standard output cannot be written.
pub fn print_bytes(text: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// The style of lines on standard output. Under a peer's name it is the peer's.
fn style() -> Style {
    match voice::peer() {
        Some(_) => Style::of_peers(),
        None => Style::of_stdout(),
    }
}

/// Prints a complaint: on standard error, or, where a peer's words are spoken, on standard output, as it does. With
/// `json` that is for documents alone.
pub(crate) fn complain(text: impl Display, json: bool) {
    let text = voice::in_words(Escaped(text).to_string());
    if json || voice::peer().is_none() {
        tell_error(Style::of_stderr().line(text));
    } else {
        let _ = write!(io::stdout(), "{}", style().whole_line(text));
    }
}

/// Standard output as the user wants it: lines for people, or JSON alone.
///
/// Nothing fails for want of a reader: when standard output is closed, the operation continues in silence. Where it cannot be
/// written for another reason, the operation continues, too, and [`unwritten`] returns the error afterwards.
#[derive(Debug)]
pub struct Output {
    json: bool,
    style: Style,
    /// Bars that have to make room for each line.
    bars: Mutex<Option<MultiProgress>>,
}

impl Output {
    /// Lines, or with `json` nothing but documents and events.
    pub fn new(json: bool) -> Self {
        Self { json, style: style(), bars: Mutex::new(None) }
    }

    /// Whether only JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// How many characters fit into a line, where lines go to a terminal.
    pub fn columns(&self) -> Option<usize> {
        let mut editor = rustyline::DefaultEditor::new().ok()?;
        Some(usize::from(editor.dimensions()?.0)).filter(|columns| *columns > 0)
    }

    /// Prints a line for people. What a terminal would obey in it is escaped.
    pub fn line(&self, text: impl Display) {
        if !self.json {
            self.write(&self.style.whole_line(voice::in_words(Escaped(text).to_string())));
        }
    }

    /// Prints a complaint: on standard error, or where the peer has it in whose words we speak.
    pub fn complain(&self, text: impl Display) {
        complain(text, self.json);
    }

    /// Prints lines for people.
    pub fn lines(&self, lines: impl IntoIterator<Item = String>) {
        lines.into_iter().for_each(|line| self.line(line));
    }

    /// Prints a line for people in the colour of its tone.
    pub fn tinted(&self, text: impl Display, tone: Tone) {
        if !self.json {
            self.write(&format!("{}\n", self.style.tinted(Escaped(text), tone)));
        }
    }

    /// Prints a line for people that ends in a good verdict, which alone is coloured. What is the user's in it keeps its words.
    pub fn well(&self, text: impl Display, verdict: &str) {
        if !self.json {
            let verdict = self.style.tinted(format_args!("{verdict}\n"), Tone::Good);
            self.write(&format!("{}{verdict}", Escaped(text)));
        }
    }

    /// Prints a JSON document, if JSON is wanted.
    pub fn document(&self, document: &impl Serialize) {
        if self.json
            && let Ok(text) = serde_json::to_string(document)
        {
            self.write(&(text + "\n"));
        }
    }

    /// From now on lines are printed above these bars; with none, as they are.
    pub fn set_bars(&self, bars: Option<MultiProgress>) {
        if let Ok(mut slot) = self.bars.lock() {
            *slot = bars;
        }
    }

    fn write(&self, line: &str) {
        let print = || {
            let written = io::stdout().lock().write_all(line.as_bytes());
            if let Err(error) = written
                && error.kind() != io::ErrorKind::BrokenPipe
            {
                let _ = UNWRITTEN.set(error);
            }
        };
        match self.bars.lock() {
            Ok(bars) => match &*bars {
                Some(bars) => bars.suspend(print),
                None => print(),
            },
            Err(_) => print(),
        }
    }
}
