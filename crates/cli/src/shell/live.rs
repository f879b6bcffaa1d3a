//! Lines that are written again in their place: how far a walk over all keys is, and what it has found so far.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::format::ReplyForm;
use super::options::Peer;
use super::printer::Printer;
use super::walk::ratio;

/// They are not written more often than this.
const BETWEEN: Duration = Duration::from_millis(300);
/// How many columns the bar has.
const WIDTH: usize = 60;

/// A place for such lines, on a terminal. redis-cli has it from version 8 on, valkey-cli not.
#[derive(Debug)]
pub(super) struct Live {
    is_on: bool,
    written: Instant,
}

impl Live {
    pub(super) fn new(printer: &Printer, peer: Peer) -> Self {
        let is_terminal = io::stdout().is_terminal() || std::env::var_os("FAKETTY").is_some();
        let is_on = is_terminal && peer == Peer::RedisCli && printer.form() != ReplyForm::Lossless;
        Self { is_on, written: Instant::now() }
    }

    /// Whether there is such a place. Elsewhere what is found is printed line by line.
    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Writes these lines if it is time for it, and goes back to the first.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn show(&mut self, lines: impl FnOnce() -> Vec<String>) -> io::Result<()> {
        if !self.is_on || self.written.elapsed() < BETWEEN {
            return Ok(());
        }
        self.written = Instant::now();
        let lines = lines();
        write(&lines, lines.len())
    }

    /// Writes these lines for good and clears so many behind them.
    ///
    /// # Errors
    /// Those of writing.
    pub(super) fn end(&self, lines: &[String], cleared: usize) -> io::Result<()> {
        if !self.is_on {
            return Ok(());
        }
        write(lines, 0)?;
        write(&vec![String::new(); cleared], cleared)
    }
}

/// Writes each line over what stands there, and goes so many lines up.
fn write(lines: &[String], up: usize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in lines {
        writeln!(out, "\x1b[2K\r{line}")?;
    }
    if up > 0 {
        write!(out, "\x1b[{up}A\r")?;
    }
    out.flush()
}

/// How far it is, in green and red, and how many keys have been seen.
pub(super) fn bar(sampled: u64, total: u64) -> Vec<String> {
    // More than all, where keys come in the meantime.
    let part = ratio(sampled, total).min(1.0);
    let done = (part * WIDTH as f64).round() as usize;
    let (done, left) = ("|".repeat(done), "-".repeat(WIDTH - done));
    vec![
        format!("{:6.2}% \x1b[32m{done}\x1b[31m{left}\x1b[39m", part * 100.0),
        format!("Keys sampled: {sampled}"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_of_sixty_columns_however_many_keys_there_are() {
        for (sampled, total, percent, done) in
            [(0, 0, "  0.00%", 0), (1, 3, " 33.33%", 20), (4, 3, "100.00%", 60)]
        {
            let lines = bar(sampled, total);
            let [bar, keys] = &lines[..] else { panic!("{lines:?}") };
            assert!(bar.starts_with(percent), "{bar}");
            assert_eq!(bar.matches('|').count(), done);
            assert_eq!(bar.matches('-').count(), 60 - done);
            assert_eq!(*keys, format!("Keys sampled: {sampled}"));
        }
    }
}
