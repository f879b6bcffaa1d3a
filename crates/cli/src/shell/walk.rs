//! A walk over all keys that looks at each: what `--bigkeys`, `--memkeys`, `--hotkeys` and `--keystats` share.

use std::io::{self, Write};
use std::thread;

use anyhow::{Result, bail};
use redistrib_ops::resp::{Command, Reply, View};
use redistrib_ops::{Cancel, Error, Stop};

use super::format::{LineEnds, ReplyForm, write_harmless, write_quoted};
use super::options::{Options, Peer, Scan};
use super::printer::Printer;
use super::scan::{Cursor, nodes, session_with};
use super::session::ShellSession;
use crate::interrupt;

/// The pause comes once in so many SCANs.
const PAUSE_EVERY: u64 = 100;

/// What a key is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyMeasure {
    /// The number of elements, or the length of a string.
    Elements,
    /// Bytes of memory; so many elements of a nested value are sampled.
    Memory(Option<u64>),
}

/// The types that servers have, each with the command for its size and what that counts, in the order in which
/// redis-cli lists them.
pub(super) const TYPES: [(&str, &str, &str); 6] = [
    ("list", "LLEN", "items"),
    ("hash", "HLEN", "fields"),
    ("stream", "XLEN", "entries"),
    ("string", "STRLEN", "bytes"),
    ("set", "SCARD", "members"),
    ("zset", "ZCARD", "members"),
];

/// How far a walk has come.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Progress {
    /// How many keys there were to begin with.
    pub(super) total: u64,
    /// How many keys were seen before this step.
    pub(super) seen: u64,
    /// Whether Ctrl-C has ended it before its end.
    pub(super) interrupted: bool,
    /// Where SCAN continues at the server that it was interrupted at, if there is more.
    pub(super) cursor: Option<String>,
}

impl Progress {
    /// As redis-cli has it before what it finds.
    pub(super) fn percent(&self) -> String {
        format!("[{:05.2}%] ", (100.0 * ratio(self.seen, self.total)).min(100.0))
    }
}

/// Shows `see` the keys of all servers that are meant, batch by batch, each with a session to ask about them.
/// `begin` is said before the first. Ctrl-C ends the walk, and how far it has come is the result.
///
/// # Errors
/// No connection, a refusal of the server, and those of `see`.
pub(super) fn walk(
    options: &Options,
    scan: &Scan,
    begin: &str,
    mut see: impl FnMut(&mut ShellSession, &[Vec<u8>], &Progress) -> Result<()>,
) -> Result<Progress> {
    let cancel = interrupt::quietly()?;
    let mut progress = Progress::default();
    let printer = Printer::new(&options.output);
    let nodes = nodes(options)?;
    for (position, node) in nodes.iter().enumerate() {
        let mut session = session_with(options, node)?;
        progress.total += database_size(&mut session)?;
        if position == 0 && printer.form() != ReplyForm::Lossless {
            printer.line(begin)?;
        }
        ask_for_reading(&mut session)?;
        let mut cursor = Cursor::new(scan);
        while let Some(keys) = cursor.next(&mut session)? {
            let names = keys.elements().filter_map(|key| key.as_bytes().map(<[u8]>::to_vec));
            let names: Vec<Vec<u8>> = names.collect();
            see(&mut session, &names, &progress)?;
            progress.seen += names.len() as u64;
            if is_over(&cancel) {
                progress.cursor = cursor.position();
                progress.interrupted = progress.cursor.is_some() || position + 1 < nodes.len();
                return Ok(progress);
            }
            if cursor.steps.is_multiple_of(PAUSE_EVERY) {
                thread::sleep(scan.interval);
            }
        }
    }
    Ok(progress)
}

fn is_over(cancel: &Cancel) -> bool {
    cancel.requested() != Stop::No
}

/// A replica in a cluster answers for its master's keys only after READONLY.
fn ask_for_reading(session: &mut ShellSession) -> Result<()> {
    let reply = session.client.connection()?.request(&Command::new("READONLY"))?;
    match reply.view().as_error() {
        Some(b"ERR This instance has cluster support disabled") | None => Ok(()),
        Some(text) if text.starts_with(b"ERR unknown command") => Ok(()),
        Some(text) => bail!("Error: {}", String::from_utf8_lossy(text)),
    }
}

fn database_size(session: &mut ShellSession) -> Result<u64> {
    let reply = session.client.connection()?.request(&Command::new("DBSIZE"))?;
    if let Some(text) = reply.view().as_error() {
        bail!("Couldn't determine DBSIZE: {}", String::from_utf8_lossy(text));
    }
    match reply.view().as_int().and_then(|size| u64::try_from(size).ok()) {
        Some(size) => Ok(size),
        None => bail!("Non INTEGER response from DBSIZE!"),
    }
}

/// Sends all commands at once; error replies are replies.
///
/// # Errors
/// No connection, or none any more.
pub(super) fn ask_all(
    session: &mut ShellSession,
    commands: &[Command],
) -> Result<Vec<Reply>, Error> {
    session.client.connection()?.pipeline(commands)
}

/// The type of each key; `None` for one that has gone meanwhile.
///
/// # Errors
/// No connection; the server refuses.
pub(super) fn types(session: &mut ShellSession, names: &[Vec<u8>]) -> Result<Vec<Option<String>>> {
    let commands: Vec<Command> = names.iter().map(|key| Command::new("TYPE").arg(key)).collect();
    let replies = ask_all(session, &commands)?;
    let read = |reply: &Reply| match (reply.view().as_error(), reply.view().as_str()) {
        (Some(text), _) => bail!("TYPE returned an error: {}", String::from_utf8_lossy(text)),
        (None, Some("none") | None) => Ok(None),
        (None, Some(kind)) => Ok(Some(kind.to_owned())),
    };
    replies.iter().map(read).collect()
}

/// The size of each key of a known type; 0 where the key has changed meanwhile, which is said, and for types whose
/// elements nobody can count.
///
/// # Errors
/// No connection; the server refuses.
pub(super) fn sizes(
    session: &mut ShellSession,
    names: &[Vec<u8>],
    types: &[Option<String>],
    measure: KeyMeasure,
) -> Result<Vec<u64>> {
    let command = |(key, kind): (&Vec<u8>, &Option<String>)| {
        kind.as_deref().and_then(|kind| size_command(kind, key, measure))
    };
    let asked: Vec<Option<Command>> = names.iter().zip(types).map(command).collect();
    let commands: Vec<Command> = asked.iter().flatten().cloned().collect();
    let mut replies = ask_all(session, &commands)?.into_iter();
    let mut found = Vec::with_capacity(names.len());
    for (key, asked) in names.iter().zip(&asked) {
        let reply = if asked.is_some() { replies.next() } else { None };
        let size = match reply {
            Some(reply) => size(key, reply.view(), measure, asked.as_ref())?,
            None => 0,
        };
        found.push(size);
    }
    Ok(found)
}

fn size(key: &[u8], reply: View<'_>, measure: KeyMeasure, asked: Option<&Command>) -> Result<u64> {
    if let Some(size) = reply.as_int() {
        return Ok(u64::try_from(size).unwrap_or(0));
    }
    let name = match (measure, asked) {
        (KeyMeasure::Elements, Some(command)) => {
            String::from_utf8_lossy(command.name()).into_owned()
        }
        _ => "MEMORY USAGE".to_owned(),
    };
    match reply.as_error() {
        Some(text) if !text.starts_with(b"WRONGTYPE ") => {
            bail!("{name} returned an error: {}", String::from_utf8_lossy(text))
        }
        _ => {
            let mut out = io::stderr().lock();
            write!(out, "Warning:  {name} on '")?;
            write_harmless(key, LineEnds::One, &mut out)?;
            writeln!(out, "' failed (may have changed type)")?;
            Ok(0)
        }
    }
}

fn size_command(kind: &str, key: &[u8], measure: KeyMeasure) -> Option<Command> {
    match measure {
        KeyMeasure::Memory(samples) => {
            let usage = Command::new("MEMORY").arg("USAGE").arg(key);
            Some(match samples {
                Some(samples) => usage.arg("SAMPLES").arg(samples),
                None => usage,
            })
        }
        KeyMeasure::Elements => {
            let (_, command, _) = TYPES.iter().find(|(name, ..)| *name == kind)?;
            Some(Command::new(*command).arg(key))
        }
    }
}

/// What a size of this type counts.
pub(super) fn unit(kind: &str, measure: KeyMeasure) -> &'static str {
    let known = TYPES.iter().find(|(name, ..)| *name == kind);
    match (measure, known) {
        (KeyMeasure::Memory(_), _) => "bytes",
        (KeyMeasure::Elements, Some((.., unit))) => unit,
        (KeyMeasure::Elements, None) => "?",
    }
}

/// What divides the summary from what comes before it.
pub(super) fn summary_line(peer: Peer) -> &'static str {
    match peer {
        Peer::RedisCli => "\n-------- summary -------\n",
        Peer::ValkeyCli => "\n-------- Summary --------\n",
    }
}

/// A part of a whole; 0 of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// A key as the peer shows it.
pub(super) fn shown(key: &[u8], peer: Peer) -> String {
    let quoted = quoted(key);
    match peer {
        Peer::RedisCli => quoted,
        Peer::ValkeyCli => format!("'{quoted}'"),
    }
}

/// A key in quotes, with what is no plain text escaped.
pub(super) fn quoted(key: &[u8]) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_quoted(key, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
