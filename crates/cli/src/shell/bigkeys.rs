//! `--bigkeys`, `--memkeys` and `--hotkeys`: what stands out among the keys, found by looking at all of them.

use std::collections::BTreeMap;
use std::io::Write;
use std::thread;

use anyhow::Result;
use redistrib_ops::resp::{Command, Reply, View};

use super::format::write_quoted;
use super::options::{Options, Scan};
use super::scan::{Cursor, PAUSE_EVERY, nodes, session_with};
use super::session::Session;

/// What a key is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Measure {
    /// The number of elements, or the length of a string.
    Elements,
    /// Bytes of memory; so many elements of a nested value are sampled.
    Memory(Option<u64>),
}

/// How many hot keys are kept.
const HOT_KEYS: usize = 16;

/// The types that servers have, each with the command for its size and what that counts.
const TYPES: [(&str, &str, &str); 6] = [
    ("list", "LLEN", "items"),
    ("hash", "HLEN", "fields"),
    ("string", "STRLEN", "bytes"),
    ("stream", "XLEN", "entries"),
    ("set", "SCARD", "members"),
    ("zset", "ZCARD", "members"),
];

/// What was found of one type.
#[derive(Debug, Default)]
struct Kind {
    keys: u64,
    total: u64,
    biggest: Option<(u64, Vec<u8>)>,
}

/// What was found in all.
#[derive(Debug, Default)]
struct Found {
    sampled: u64,
    name_bytes: u64,
    kinds: BTreeMap<String, Kind>,
}

/// Finds the biggest keys of each type.
pub(super) fn biggest(options: &Options, scan: &Scan, measure: Measure) -> Result<bool> {
    let nodes = nodes(options)?;
    let mut found = Found::default();
    for (position, node) in nodes.iter().enumerate() {
        let mut session = session_with(options, node)?;
        if position == 0 {
            say_what_begins(&session, "biggest keys as well as", "average sizes per key type.")?;
        }
        let total = database_size(&mut session)?;
        let mut cursor = Cursor::new(scan);
        let mut done = 0;
        while let Some(keys) = cursor.next(&mut session)? {
            let names: Vec<Vec<u8>> = keys.elements().filter_map(name).collect();
            found.weigh(&mut session, &names, measure, &percent(done, total))?;
            done += names.len() as u64;
            pause(&cursor, scan);
        }
    }
    let session = Session::new(options, false);
    found.summary(&session, measure)
}

/// Finds the keys that are used most, where the server keeps count (an LFU `maxmemory-policy`).
pub(super) fn hottest(options: &Options, scan: &Scan) -> Result<bool> {
    let mut hot: Vec<(i64, Vec<u8>)> = Vec::new();
    let mut sampled = 0u64;
    for (position, node) in nodes(options)?.iter().enumerate() {
        let mut session = session_with(options, node)?;
        if position == 0 {
            say_what_begins(&session, "hot keys as well as", "average sizes per key type.")?;
        }
        let total = database_size(&mut session)?;
        let mut cursor = Cursor::new(scan);
        let mut done = 0;
        while let Some(keys) = cursor.next(&mut session)? {
            let names: Vec<Vec<u8>> = keys.elements().filter_map(name).collect();
            let asked = names.iter().map(|key| Command::new("OBJECT").arg("FREQ").arg(key));
            for (key, reply) in names.iter().zip(all(&mut session, asked.collect())?) {
                let Some(counter) = counter(&session, key, &reply)? else { continue };
                if hot.len() < HOT_KEYS || hot.last().is_some_and(|(least, _)| counter > *least) {
                    let line = format!(
                        "[{}] Hot key '{}' found so far with counter {counter}",
                        percent(done, total),
                        quoted(key)
                    );
                    session.printer.line(&line)?;
                    hot.push((counter, key.clone()));
                    hot.sort_by_key(|(counter, _)| std::cmp::Reverse(*counter));
                    hot.truncate(HOT_KEYS);
                }
            }
            done += names.len() as u64;
            pause(&cursor, scan);
        }
        sampled += done;
    }
    print_hot(&Session::new(options, false), sampled, &hot)
}

fn print_hot(session: &Session, sampled: u64, hot: &[(i64, Vec<u8>)]) -> Result<bool> {
    session.printer.line("\n-------- summary -------\n")?;
    session.printer.line(&format!("Sampled {sampled} keys in the keyspace!"))?;
    for (counter, key) in hot {
        let key = quoted(key);
        session.printer.line(&format!("hot key found with counter: {counter}\tkeyname: {key}"))?;
    }
    Ok(true)
}

/// How often a key was used; `None` where it is gone. That the server keeps no count ends the walk.
fn counter(session: &Session, key: &[u8], reply: &Reply) -> Result<Option<i64>> {
    let view = reply.view();
    if let Some(text) = view.as_error() {
        anyhow::bail!("Error: {}", String::from_utf8_lossy(text));
    }
    if view.as_int().is_none() {
        let key = quoted(key);
        let text = format!("Warning: OBJECT freq on '{key}' failed (may have been deleted)");
        session.printer.line(&text)?;
    }
    Ok(view.as_int())
}

impl Found {
    /// Asks for type and size of these keys and keeps what is biggest.
    fn weigh(
        &mut self,
        session: &mut Session,
        names: &[Vec<u8>],
        measure: Measure,
        progress: &str,
    ) -> Result<()> {
        let types = names.iter().map(|key| Command::new("TYPE").arg(key)).collect();
        let types = all(session, types)?;
        let mut typed = Vec::new();
        for (key, reply) in names.iter().zip(&types) {
            // A key that has gone meanwhile has no type.
            match reply.view().as_str() {
                Some("none") | None => {}
                Some(kind) => typed.push((key, kind.to_owned())),
            }
        }
        let sizes = typed.iter().filter_map(|(key, kind)| size_command(kind, key, measure));
        let mut sizes = all(session, sizes.collect())?.into_iter();
        for (key, kind) in typed {
            let known = size_command(&kind, key, measure).is_some();
            let reply = if known { sizes.next() } else { None };
            let size = reply.and_then(|reply| reply.view().as_int()).unwrap_or(0);
            self.add(session, &kind, key, u64::try_from(size).unwrap_or(0), measure, progress)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        session: &Session,
        kind: &str,
        key: &[u8],
        size: u64,
        measure: Measure,
        progress: &str,
    ) -> Result<()> {
        self.sampled += 1;
        self.name_bytes += key.len() as u64;
        let found = self.kinds.entry(kind.to_owned()).or_default();
        found.keys += 1;
        found.total += size;
        if found.biggest.as_ref().is_none_or(|(biggest, _)| size > *biggest) {
            found.biggest = Some((size, key.to_vec()));
            let (key, unit) = (quoted(key), unit(kind, measure));
            session.printer.line(&format!(
                "[{progress}] Biggest {kind:<6} found so far '{key}' with {size} {unit}"
            ))?;
        }
        if self.sampled.is_multiple_of(1_000_000) {
            session.printer.line(&format!("[{progress}] Sampled {} keys so far", self.sampled))?;
        }
        Ok(())
    }

    fn summary(&self, session: &Session, measure: Measure) -> Result<bool> {
        let printer = &session.printer;
        printer.line("\n-------- summary -------\n")?;
        printer.line(&format!("Sampled {} keys in the keyspace!", self.sampled))?;
        printer.line(&format!(
            "Total key length in bytes is {} (avg len {:.2})\n",
            self.name_bytes,
            ratio(self.name_bytes, self.sampled)
        ))?;
        for (kind, found) in self.in_order() {
            if let Some((size, key)) = &found.biggest {
                let (key, unit) = (quoted(key), unit(kind, measure));
                printer.line(&format!("Biggest {kind:>6} found '{key}' has {size} {unit}"))?;
            }
        }
        printer.line("")?;
        for (kind, found) in self.in_order() {
            printer.line(&format!(
                "{} {kind}s with {} {} ({:05.2}% of keys, avg size {:.2})",
                found.keys,
                found.total,
                unit(kind, measure),
                100.0 * ratio(found.keys, self.sampled),
                ratio(found.total, found.keys)
            ))?;
        }
        Ok(true)
    }

    /// redis-cli's order of types, those without a key too, then those of modules.
    fn in_order(&self) -> impl Iterator<Item = (&str, &Kind)> {
        const NONE: &Kind = &Kind { keys: 0, total: 0, biggest: None };
        let common = TYPES.iter().map(|(name, ..)| (*name, self.kinds.get(*name).unwrap_or(NONE)));
        let known = |kind: &str| TYPES.iter().any(|(name, ..)| *name == kind);
        let others = self.kinds.iter().filter(move |(kind, _)| !known(kind));
        common.chain(others.map(|(kind, found)| (kind.as_str(), found)))
    }
}

fn size_command(kind: &str, key: &[u8], measure: Measure) -> Option<Command> {
    match measure {
        Measure::Memory(samples) => {
            let usage = Command::new("MEMORY").arg("USAGE").arg(key);
            Some(match samples {
                Some(samples) => usage.arg("SAMPLES").arg(samples),
                None => usage,
            })
        }
        Measure::Elements => {
            let (_, command, _) = TYPES.iter().find(|(name, ..)| *name == kind)?;
            Some(Command::new(*command).arg(key))
        }
    }
}

fn unit(kind: &str, measure: Measure) -> &'static str {
    let known = TYPES.iter().find(|(name, ..)| *name == kind);
    match (measure, known) {
        (Measure::Memory(_), _) => "bytes",
        (Measure::Elements, Some((.., unit))) => unit,
        (Measure::Elements, None) => "?",
    }
}

fn say_what_begins(session: &Session, what: &str, more: &str) -> Result<()> {
    let lines = [
        format!("\n# Scanning the entire keyspace to find {what}"),
        format!("# {more}  You can use -i 0.1 to sleep 0.1 sec"),
        "# per 100 SCAN commands (not usually needed).\n".to_owned(),
    ];
    lines.iter().try_for_each(|line| session.printer.line(line))?;
    Ok(())
}

/// Sends all commands at once; error replies are replies.
fn all(session: &mut Session, commands: Vec<Command>) -> Result<Vec<Reply>> {
    Ok(session.client.connection()?.pipeline(&commands)?)
}

fn database_size(session: &mut Session) -> Result<u64> {
    let reply = session.client.connection()?.call(&Command::new("DBSIZE"))?;
    Ok(reply.view().as_int().and_then(|size| u64::try_from(size).ok()).unwrap_or(0))
}

fn pause(cursor: &Cursor, scan: &Scan) {
    if cursor.steps.is_multiple_of(PAUSE_EVERY) {
        thread::sleep(scan.interval);
    }
}

fn name(view: View<'_>) -> Option<Vec<u8>> {
    view.as_bytes().map(<[u8]>::to_vec)
}

fn percent(done: u64, total: u64) -> String {
    format!("{:05.2}%", (100.0 * ratio(done, total)).min(100.0))
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

fn quoted(key: &[u8]) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_quoted(key, &mut out).and_then(|()| out.flush());
    String::from_utf8_lossy(&out).into_owned()
}
