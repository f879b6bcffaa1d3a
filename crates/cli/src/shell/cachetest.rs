//! `--lru-test`: how often a cache has what it is asked for, where a fifth of the keys get most of the questions.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::resp::Command;
use serde_json::json;

use super::format::{LineEnds, ReplyForm, write_harmless};
use super::options::Options;
use super::scan::session_with;
use super::session::ShellSession;
use super::walk::{ask_all, ratio};

/// A line of figures comes each second.
const CYCLE: Duration = Duration::from_secs(1);
/// How many keys are written, and then read, at a time.
const BURST: usize = 250;
/// With this exponent four fifths of the questions are for one fifth of the keys.
const BIAS: f64 = 6.2;

/// What the questions of a cycle brought.
#[derive(Debug, Default)]
struct Cycle {
    hits: u64,
    misses: u64,
}

/// Writes and reads keys out of so many, without end.
pub(super) fn run(options: &Options, keys: u64) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    loop {
        let (mut cycle, begun) = (Cycle::default(), Instant::now());
        while begun.elapsed() < CYCLE {
            burst(&mut session, keys, &mut cycle)?;
        }
        let is_json = session.printer.form() == ReplyForm::Lossless;
        session.printer.line(&if is_json { cycle.document() } else { cycle.line() })?;
    }
}

fn burst(session: &mut ShellSession, keys: u64, cycle: &mut Cycle) -> Result<()> {
    let value = || std::iter::repeat_with(fastrand::alphabetic).take(5).collect::<String>();
    let set = || Command::new("SET").arg(key(keys)).arg(value());
    let get = || Command::new("GET").arg(key(keys));
    let mut commands: Vec<Command> = std::iter::repeat_with(set).take(BURST).collect();
    commands.extend(std::iter::repeat_with(get).take(BURST));
    for (place, reply) in ask_all(session, &commands)?.iter().enumerate() {
        let view = reply.view();
        if let Some(text) = view.as_error() {
            let mut out = io::stderr().lock();
            write_harmless(text, LineEnds::One, &mut out)?;
            out.write_all(b"\n")?;
        } else if place >= BURST {
            *(if view.is_null() { &mut cycle.misses } else { &mut cycle.hits }) += 1;
        }
    }
    Ok(())
}

impl Cycle {
    fn line(&self) -> String {
        let Self { hits, misses } = self;
        let all = hits + misses;
        let percent = |part: u64| 100.0 * ratio(part, all);
        format!(
            "{all} Gets/sec | Hits: {hits} ({:.2}%) | Misses: {misses} ({:.2}%)",
            percent(*hits),
            percent(*misses)
        )
    }

    fn document(&self) -> String {
        json!({ "gets": self.hits + self.misses, "hits": self.hits, "misses": self.misses })
            .to_string()
    }
}

fn key(keys: u64) -> String {
    format!("lru:{}", number(keys, fastrand::f64()))
}

/// A number from 1 to `most`, by a part of 1 that is drawn evenly: small numbers are drawn more often.
fn number(most: u64, drawn: f64) -> u64 {
    let end = most as f64 + 1.0;
    let power = BIAS + 1.0;
    let place = ((end.powf(power) - 1.0) * drawn + 1.0).powf(1.0 / power);
    (most.saturating_sub(place as u64) + 1).clamp(1, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_questions_are_for_a_fifth_of_the_keys() {
        let drawn = (0..10_000).map(|part| number(1000, f64::from(part) / 10_000.0));
        let (few, all): (Vec<u64>, Vec<u64>) =
            (drawn.clone().filter(|n| *n <= 200).collect(), drawn.collect());
        assert!(all.iter().all(|number| (1..=1000).contains(number)));
        assert!((0.75..0.85).contains(&(few.len() as f64 / all.len() as f64)), "{}", few.len());
    }
}
