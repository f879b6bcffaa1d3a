//! The terminal: commands at a prompt, from arguments and from standard input, as redis-cli has them.
//!
//! [`Options`] say what is wanted, [`run`] does it. Replies become text in `format`, which is pure; a
//! `ShellSession` knows the connection and what it has been told; each mode is a file.

mod again;
mod bigkeys;
mod cachetest;
mod everywhere;
mod failure;
mod fleet;
pub mod format;
mod hotkeys;
mod intrinsic;
mod keystats;
mod latency;
mod lines;
mod live;
mod oneshot;
mod options;
mod pipe;
mod printer;
mod prompt;
mod replica;
mod scan;
mod session;
mod spectrum;
mod stat;
mod state;
mod walk;

use std::io;

use anyhow::Result;
use nix::sys::signal::Signal;

pub use fleet::FleetSession;
pub use oneshot::{FromStdin, fill_in};
pub use options::{Mode, Options, OutputOptions, Peer, Protocol, Repeat, Scan};

pub(crate) use failure::explain;
use session::{OutputReader, ShellSession};
use walk::KeyMeasure;

use crate::interrupt::end_by;
use crate::voice;

/// Does what the options ask for; errors are printed. Returns whether all succeeded: no connection is an
/// error always, an error reply only where [`Options::exit_on_error`] says so.
pub fn run(options: &Options) -> bool {
    match run_mode(options) {
        Ok(fine) => fine,
        // Nobody reads any more: head, or a pager that was left. The peers are ended by the signal for that.
        Err(error) if is_broken_pipe(&error) => match voice::peer() {
            Some(_) => end_by(Signal::SIGPIPE),
            None => true,
        },
        Err(error) => {
            ShellSession::new(options, OutputReader::Program).complain(&error);
            false
        }
    }
}

fn run_mode(options: &Options) -> Result<bool> {
    let lenient = !options.exit_on_error;
    match &options.mode {
        Mode::Prompt | Mode::Debug { .. } => prompt::run(options),
        Mode::Command(words) => run_command(options, words).map(|fine| fine || lenient),
        Mode::Eval { file, words } => {
            let words = oneshot::eval_words(file, words)?;
            run_command(options, &words).map(|fine| fine || lenient)
        }
        Mode::Hint(line) => prompt::hint(options, line),
        Mode::HintSuite(file) => prompt::compare_hints(options, file),
        Mode::Everywhere { which, words } => everywhere::run(options, *which, words),
        Mode::Pipe { patience } => pipe::run(options, *patience),
        Mode::Scan(scan) => scan::run(options, scan),
        Mode::BigKeys(scan) => bigkeys::run(options, scan, KeyMeasure::Elements),
        Mode::MemKeys(scan, samples) => bigkeys::run(options, scan, KeyMeasure::Memory(*samples)),
        Mode::KeyStats(scan, samples, top) => {
            let wanted = keystats::StatisticsWanted { samples: *samples, top: *top as usize };
            keystats::run(options, scan, wanted)
        }
        Mode::HotKeys(scan, count) => hotkeys::run(options, scan, *count as usize),
        Mode::Rdb { file, functions_only } => replica::save(options, file, *functions_only),
        Mode::Replica => replica::run(options),
        Mode::Latency { history, interval } => latency::run(options, *history, *interval),
        Mode::LatencyDist { interval } => spectrum::run(options, *interval),
        Mode::IntrinsicLatency { duration } => intrinsic::run(options, *duration),
        Mode::LruTest { keys } => cachetest::run(options, *keys),
        Mode::Stat { interval, rows } => stat::run(options, *interval, *rows),
    }
}

fn run_command(options: &Options, words: &[Vec<u8>]) -> Result<bool> {
    if let Some((first, topic)) = words.split_first()
        && (first.eq_ignore_ascii_case(b"help") || first == b"?")
    {
        return prompt::help(options, topic);
    }
    let mut session = ShellSession::new(options, OutputReader::Program);
    oneshot::run(&mut session, words, options.repeat, options.exit_on_error)
}

/// Whether the reader of standard output has gone.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
