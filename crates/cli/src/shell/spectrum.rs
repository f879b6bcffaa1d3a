//! `--latency-dist`: how round trips are distributed, a line of colours for each interval.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::resp::Command;
use serde_json::json;

use super::again;
use super::format::ReplyForm;
use super::options::Options;
use super::scan::session_with;

/// How often a PING is sent.
const EVERY: Duration = Duration::from_millis(10);
/// The legend is printed again after so many lines.
const LINES: u32 = 20;

/// Of the 256 of a terminal, from none of the round trips to all.
const COLOURS: [u8; 19] =
    [0, 233, 234, 235, 237, 239, 241, 243, 245, 247, 144, 143, 142, 184, 226, 214, 208, 202, 196];

/// The longest round trip of each group in microseconds, with the letter that stands for it.
const GROUPS: [(u64, char); 30] = [
    (10, '.'),
    (125, '-'),
    (250, '*'),
    (500, '#'),
    (1_000, '1'),
    (2_000, '2'),
    (3_000, '3'),
    (4_000, '4'),
    (5_000, '5'),
    (6_000, '6'),
    (7_000, '7'),
    (8_000, '8'),
    (9_000, '9'),
    (10_000, 'A'),
    (20_000, 'B'),
    (30_000, 'C'),
    (40_000, 'D'),
    (50_000, 'E'),
    (100_000, 'F'),
    (200_000, 'G'),
    (300_000, 'H'),
    (400_000, 'I'),
    (500_000, 'J'),
    (1_000_000, 'K'),
    (2_000_000, 'L'),
    (4_000_000, 'M'),
    (8_000_000, 'N'),
    (16_000_000, 'O'),
    (30_000_000, 'P'),
    (60_000_000, 'Q'),
];
/// Stands for longer ones.
const BEYOND: char = '?';

/// How many round trips are of each group, the last of those beyond.
type Counts = [u64; GROUPS.len() + 1];

/// Measures without end, and shows what an interval has brought.
pub(super) fn run(options: &Options, interval: Duration) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let is_json = session.printer.form() == ReplyForm::Lossless;
    let (mut counts, mut begun, mut lines) = ([0; GROUPS.len() + 1], Instant::now(), 0);
    loop {
        let sent = Instant::now();
        again::request(&mut session, &Command::new("PING"))?;
        counts[group(sent.elapsed())] += 1;
        if begun.elapsed() > interval {
            let text = match (is_json, lines % LINES) {
                (true, _) => document(&counts),
                (false, 0) => legend() + &line(&counts),
                (false, _) => line(&counts),
            };
            let mut out = io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()?;
            lines += 1;
            (counts, begun) = ([0; GROUPS.len() + 1], Instant::now());
        }
        thread::sleep(EVERY);
    }
}

fn group(took: Duration) -> usize {
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    GROUPS.iter().position(|(longest, _)| micros <= *longest).unwrap_or(GROUPS.len())
}

fn letters() -> impl Iterator<Item = char> {
    GROUPS.iter().map(|(_, letter)| *letter).chain([BEYOND])
}

/// The colour of each letter shows which part of all round trips the group has.
fn line(counts: &Counts) -> String {
    let all: u64 = counts.iter().sum();
    let mut text = "\x1b[38;5;0m".to_owned();
    for (letter, count) in letters().zip(counts) {
        let part = *count as f64 / all.max(1) as f64;
        let place = (part * (COLOURS.len() - 1) as f64).ceil() as usize;
        // Writing to memory does not fail.
        let _ = write!(text, "\x1b[48;5;{}m{letter}", COLOURS[place.min(COLOURS.len() - 1)]);
    }
    text + "\x1b[0m"
}

fn legend() -> String {
    let colours = COLOURS.iter().map(|colour| format!("\x1b[48;5;{colour}m "));
    let rule = "---------------------------------------------\n";
    format!(
        "{rule}\
         . - * #          .01 .125 .25 .5 milliseconds\n\
         1,2,3,...,9      from 1 to 9     milliseconds\n\
         A,B,C,D,E        10,20,30,40,50  milliseconds\n\
         F,G,H,I,J        .1,.2,.3,.4,.5       seconds\n\
         K,L,M,N,O,P,Q,?  1,2,4,8,16,30,60,>60 seconds\n\
         From 0 to 100%: {}\x1b[0m\n{rule}",
        colours.collect::<String>()
    )
}

fn document(counts: &Counts) -> String {
    let longest = GROUPS.iter().map(|(longest, _)| Some(*longest)).chain([None]);
    let groups = longest.zip(counts).filter(|(_, count)| **count > 0);
    let groups = groups.map(|(longest, count)| json!({ "microseconds": longest, "count": count }));
    json!({ "groups": groups.collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_of_the_group_that_reaches_as_far() {
        for (micros, letter) in [(0, '.'), (10, '.'), (11, '-'), (1_000, '1'), (1_001, '2')] {
            assert_eq!(letters().nth(group(Duration::from_micros(micros))), Some(letter));
        }
        assert_eq!(letters().nth(group(Duration::from_secs(61))), Some(BEYOND));
    }

    #[test]
    fn colours_tell_parts() {
        let mut counts = [0; GROUPS.len() + 1];
        (counts[0], counts[1]) = (1, 1);
        let line = line(&counts);
        assert!(line.starts_with("\x1b[38;5;0m\x1b[48;5;247m.\x1b[48;5;247m-\x1b[48;5;0m*"));
        assert!(line.ends_with("\x1b[48;5;0m?\x1b[0m"));
    }
}
