//! Round trips of PING, measured.

use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::resp::Command;

use super::again;
use super::format::ReplyForm;
use super::options::Options;
use super::scan::session_with;
use super::session::ShellSession;

/// How often a PING is sent.
const EVERY: Duration = Duration::from_millis(10);

/// Round trips of an interval. The least and the most are in whole milliseconds, as redis-cli counts them: by how
/// much its clock has moved on. The average keeps the fractions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct LatencyRow {
    least: u128,
    most: u128,
    sum: Duration,
    count: u32,
}

impl LatencyRow {
    fn add(&mut self, trip: Trip) {
        let millis = trip.end.as_millis() - trip.begin.as_millis();
        self.least = if self.count == 0 { millis } else { self.least.min(millis) };
        self.most = self.most.max(millis);
        self.sum += trip.end - trip.begin;
        self.count += 1;
    }

    /// In milliseconds.
    fn average(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum.as_secs_f64() * 1e3 / f64::from(self.count) }
    }

    fn text(&self, form: ReplyForm) -> String {
        let (Self { least, most, count, .. }, average) = (self, self.average());
        match form {
            ReplyForm::Terminal => {
                format!("min: {least}, max: {most}, avg: {average:.2} ({count} samples)")
            }
            ReplyForm::Csv => format!("{least},{most},{average:.2},{count}"),
            ReplyForm::Raw => format!("{least} {most} {average:.2} {count}"),
            ReplyForm::Json(_) | ReplyForm::Lossless => format!(
                "{{\"min\": {least}, \"max\": {most}, \"avg\": {average:.2}, \"count\": {count}}}"
            ),
        }
    }
}

/// Measures without end, on a terminal with the figures so far in one line, which starts again after every `history`.
/// Elsewhere prints one line and ends after `interval`, or prints a line every `history`.
pub(super) fn run(
    options: &Options,
    history: Option<Duration>,
    interval: Duration,
) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let form = session.printer.form();
    let clock = Instant::now();
    let (mut row, mut begun) = (LatencyRow::default(), clock);
    loop {
        row.add(ping(&mut session, clock)?);
        let mut out = io::stdout().lock();
        if form == ReplyForm::Terminal {
            // "First column" and "erase line" keep the figures in place.
            write!(out, "\x1b[0G\x1b[2K{}", row.text(form))?;
        }
        let took = begun.elapsed();
        if let Some(history) = history
            && took > history
        {
            let text = if form == ReplyForm::Terminal { String::new() } else { row.text(form) };
            let range = format!(" -- {:.2} seconds range", took.as_secs_f64());
            let is_for_people = matches!(form, ReplyForm::Terminal | ReplyForm::Raw);
            writeln!(out, "{text}{}", if is_for_people { &range } else { "" })?;
            (row, begun) = (LatencyRow::default(), Instant::now());
        } else if history.is_none() && form != ReplyForm::Terminal && took > interval {
            writeln!(out, "{}", row.text(form))?;
            return Ok(true);
        }
        out.flush()?;
        drop(out);
        thread::sleep(EVERY);
    }
}

/// When a PING was sent and when it was answered, by a clock that began with the measurement.
#[derive(Clone, Copy, Debug)]
struct Trip {
    begin: Duration,
    end: Duration,
}

fn ping(session: &mut ShellSession, clock: Instant) -> Result<Trip> {
    let begin = clock.elapsed();
    again::request(session, &Command::new("PING"))?;
    Ok(Trip { begin, end: clock.elapsed() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_every_form() {
        let mut row = LatencyRow::default();
        let micros = Duration::from_micros;
        for (begin, end) in [(0, 900), (1_100, 2_050), (2_200, 5_250)] {
            row.add(Trip { begin: micros(begin), end: micros(end) });
        }
        assert_eq!(row.text(ReplyForm::Terminal), "min: 0, max: 3, avg: 1.63 (3 samples)");
        assert_eq!(row.text(ReplyForm::Raw), "0 3 1.63 3");
        assert_eq!(row.text(ReplyForm::Csv), "0,3,1.63,3");
        let json = row.text(ReplyForm::Lossless);
        assert_eq!(json, r#"{"min": 0, "max": 3, "avg": 1.63, "count": 3}"#);
    }
}
