//! Round trips of PING, measured.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::resp::Command;

use super::format::Form;
use super::options::Options;
use super::scan::session_with;
use super::session::Session;

/// How often a PING is sent.
const EVERY: Duration = Duration::from_millis(10);

/// Whole milliseconds, as redis-cli counts them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Row {
    least: u128,
    most: u128,
    sum: u128,
    count: u64,
}

impl Row {
    fn add(&mut self, took: Duration) {
        let millis = took.as_millis();
        self.least = if self.count == 0 { millis } else { self.least.min(millis) };
        self.most = self.most.max(millis);
        self.sum += millis;
        self.count += 1;
    }

    fn average(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 }
    }

    fn text(&self, form: Form) -> String {
        let (Self { least, most, count, .. }, average) = (self, self.average());
        match form {
            Form::Terminal => {
                format!("min: {least}, max: {most}, avg: {average:.2} ({count} samples)")
            }
            Form::Csv => format!("{least},{most},{average:.2},{count}"),
            Form::Raw => format!("{least} {most} {average:.2} {count}"),
            Form::Json(_) | Form::Lossless => format!(
                "{{\"min\": {least}, \"max\": {most}, \"avg\": {average:.2}, \"count\": {count}}}"
            ),
        }
    }
}

/// Measures without end, on a terminal with the figures so far in one line, which every `history` begins anew.
/// Elsewhere prints one line and ends after `interval`, or prints a line every `history`.
pub(super) fn run(
    options: &Options,
    history: Option<Duration>,
    interval: Duration,
) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let form = session.printer.form();
    let (mut row, mut begun) = (Row::default(), Instant::now());
    loop {
        row.add(ping(&mut session)?);
        let mut out = io::stdout().lock();
        if form == Form::Terminal {
            // "First column" and "erase line" keep the figures in place.
            write!(out, "\x1b[0G\x1b[2K{}", row.text(form))?;
        }
        let took = begun.elapsed();
        if let Some(history) = history
            && took > history
        {
            let text = if form == Form::Terminal { String::new() } else { row.text(form) };
            let range = format!(" -- {:.2} seconds range", took.as_secs_f64());
            let is_for_people = matches!(form, Form::Terminal | Form::Raw);
            writeln!(out, "{text}{}", if is_for_people { &range } else { "" })?;
            (row, begun) = (Row::default(), Instant::now());
        } else if history.is_none() && form != Form::Terminal && took > interval {
            writeln!(out, "{}", row.text(form))?;
            return Ok(true);
        }
        out.flush()?;
        drop(out);
        thread::sleep(EVERY);
    }
}

fn ping(session: &mut Session) -> Result<Duration> {
    let begun = Instant::now();
    session.client.connection()?.request(&Command::new("PING"))?;
    Ok(begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_every_form() {
        let mut row = Row::default();
        [3, 1, 2].into_iter().for_each(|millis| row.add(Duration::from_millis(millis)));
        assert_eq!(row.text(Form::Terminal), "min: 1, max: 3, avg: 2.00 (3 samples)");
        assert_eq!(row.text(Form::Raw), "1 3 2.00 3");
        assert_eq!(row.text(Form::Csv), "1,3,2.00,3");
        let json = row.text(Form::Lossless);
        assert_eq!(json, r#"{"min": 1, "max": 3, "avg": 2.00, "count": 3}"#);
    }
}
