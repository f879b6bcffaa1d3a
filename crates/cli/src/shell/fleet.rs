//! A session with a sharded fleet.

use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::Result;
use redistrib_ops::Error;
use redistrib_ops::fleet::{Answer, FleetClient};
use redistrib_ops::resp::Reply;
use redistrib_ops::words::split;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::everywhere::print_json;
use super::failure::explain;
use super::format::ReplyForm;
use super::lines::is_sensitive;
use super::options::{OutputOptions, Peer};
use super::printer::Printer;
use crate::escape::Escaped;

const PROMPT: &str = "fleet> ";

/// Commands on a fleet, one after the other.
#[derive(Debug)]
pub struct FleetSession {
    client: FleetClient,
    printer: Printer,
}

impl FleetSession {
    /// A session that prints in this form.
    pub fn new(client: FleetClient, output: &OutputOptions) -> Self {
        Self { client, printer: Printer::new(output) }
    }

    /// Executes a command and prints what it gives; returns whether that was no error.
    ///
    /// # Errors
    /// Those of connections and of writing.
    pub fn execute(&mut self, words: &[Vec<u8>]) -> Result<bool> {
        let answer = self.client.execute(words);
        for warning in self.client.take_warnings() {
            writeln!(io::stderr(), "[WARNING] {}", Escaped(warning))?;
        }
        match answer? {
            Answer::One(reply) => {
                self.printer.reply(words, reply.view())?;
                Ok(reply.view().as_error().is_none())
            }
            Answer::Each(answers) => {
                let mut fine = true;
                for (name, answer) in answers {
                    fine &= answer.as_ref().is_ok_and(|reply| reply.view().as_error().is_none());
                    self.print_of(&name, words, answer.as_ref())?;
                }
                Ok(fine)
            }
        }
    }

    /// Prints one server's own answer.
    fn print_of(
        &self,
        name: &str,
        words: &[Vec<u8>],
        answer: Result<&Reply, &Error>,
    ) -> io::Result<()> {
        if self.printer.form() == ReplyForm::Lossless {
            return print_json(name, answer);
        }
        self.printer.line(&format!("{}:", Escaped(name)))?;
        match answer {
            Ok(reply) => self.printer.reply(words, reply.view()),
            Err(error) => writeln!(io::stderr(), "{}", explain(error, Peer::default())),
        }
    }

    /// Reads commands from the terminal, or from standard input where that is none, until there are no more.
    /// Returns whether all were answered without error, which counts only for lines from a file or pipe.
    ///
    /// # Errors
    /// Those of reading and writing.
    pub fn run(&mut self) -> Result<bool> {
        if io::stdin().is_terminal() { self.interact().map(|()| true) } else { self.read_all() }
    }

    fn read_all(&mut self) -> Result<bool> {
        let (mut input, mut line, mut fine) = (io::stdin().lock(), Vec::new(), true);
        while input.read_until(b'\n', &mut line)? > 0 {
            match self.take(&line)? {
                Some(line_fine) => fine &= line_fine,
                None => break,
            }
            line.clear();
        }
        Ok(fine)
    }

    fn interact(&mut self) -> Result<()> {
        let mut editor = DefaultEditor::new()?;
        loop {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    if !line.trim().is_empty() && !is_sensitive(&line) {
                        editor.add_history_entry(&line)?;
                    }
                    if self.take(line.as_bytes())?.is_none() {
                        return Ok(());
                    }
                }
                // The line is given up, not the session.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Executes a line; `None` ends the session. A connection that fails does not.
    fn take(&mut self, line: &[u8]) -> Result<Option<bool>> {
        let words = match split(line) {
            Ok(words) => words,
            Err(error) => {
                self.printer.line(&error.to_string())?;
                return Ok(Some(false));
            }
        };
        match words.first().map(|word| word.to_ascii_lowercase()).as_deref() {
            None => return Ok(Some(true)),
            Some(b"quit" | b"exit") => return Ok(None),
            Some(_) => {}
        }
        self.execute(&words).map(Some).or_else(|error| {
            match error.downcast_ref::<redistrib_ops::Error>() {
                Some(known) => writeln!(io::stderr(), "{}", explain(known, Peer::default()))?,
                None => return Err(error),
            }
            Ok(Some(false))
        })
    }
}
