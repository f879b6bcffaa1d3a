//! `--hotkeys`: the keys that are used most, where the server keeps count (an LFU `maxmemory-policy`).

use std::io::{self, Write};

use anyhow::{Result, bail};
use redistrib_ops::resp::{Command, Reply};
use serde_json::json;

use super::format::ReplyForm;
use super::live::{Live, bar};
use super::options::{Options, Scan};
use super::printer::Printer;
use super::walk::{ask_all, quoted, shown, summary_line, walk};

const BEGIN: &str = "\n# Scanning the entire keyspace to find hot keys as well as\n\
     # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
     # per 100 SCAN commands (not usually needed).\n";

/// The keys used most so far, the least of them first; those used equally often in the order they were found in.
#[derive(Debug)]
struct Hottest {
    keys: Vec<(u64, Vec<u8>)>,
    most: usize,
}

impl Hottest {
    fn lines(&self) -> impl Iterator<Item = String> {
        let line = |(uses, key): &(u64, Vec<u8>)| {
            format!("hot key found with counter: {uses}\tkeyname: {}", quoted(key))
        };
        self.keys.iter().rev().map(line)
    }

    /// Takes a key in if it is among them. A key that was never used is not.
    fn add(&mut self, uses: u64, key: &[u8]) -> bool {
        let place = self.keys.iter().take_while(|(others, _)| uses > *others).count();
        let has_room = self.keys.len() < self.most;
        if uses == 0 || (place == 0 && !has_room) {
            return false;
        }
        self.keys.insert(place, (uses, key.to_vec()));
        if !has_room {
            self.keys.remove(0);
        }
        true
    }
}

/// Finds so many of the keys that are used most.
pub(super) fn run(options: &Options, scan: &Scan, most: usize) -> Result<bool> {
    let printer = Printer::new(&options.output);
    let is_json = printer.form() == ReplyForm::Lossless;
    let mut hottest = Hottest { keys: Vec::new(), most };
    let mut live = Live::new(&printer, options.peer);
    let is_told = !is_json && !live.is_on();
    let end = walk(options, scan, BEGIN, |session, names, progress| {
        let asked: Vec<Command> =
            names.iter().map(|key| Command::new("OBJECT").arg("FREQ").arg(key)).collect();
        for (key, reply) in names.iter().zip(ask_all(session, &asked)?) {
            let uses = uses(key, &reply)?;
            if hottest.add(uses, key) && is_told {
                let (percent, key) = (progress.percent(), shown(key, options.peer));
                let text = format!("{percent}Hot key {key} found so far with counter {uses}");
                printer.line(&text)?;
            }
        }
        Ok(live.show(|| {
            let mut lines = bar(progress.seen + names.len() as u64, progress.total);
            lines.push(String::new());
            lines.extend(hottest.lines());
            lines
        })?)
    })?;
    if is_json {
        let keys = hottest
            .keys
            .iter()
            .rev()
            .map(|(uses, key)| json!({ "key": quoted(key), "counter": uses }));
        let keys: Vec<_> = keys.collect();
        let document = json!({ "sampled": end.seen, "hot": keys, "interrupted": end.interrupted });
        printer.line(&document.to_string())?;
        return Ok(true);
    }
    live.end(&bar(end.seen, end.total), most + 1)?;
    printer.line(summary_line(options.peer))?;
    if is_told {
        let percent = if end.interrupted { end.percent() } else { String::new() };
        printer.line(&format!("{percent}Sampled {} keys in the keyspace!", end.seen))?;
    }
    hottest.lines().try_for_each(|line| printer.line(&line))?;
    Ok(true)
}

/// How often a key was used; 0 where it is gone. That the server keeps no count ends the walk.
fn uses(key: &[u8], reply: &Reply) -> Result<u64> {
    let view = reply.view();
    if let Some(text) = view.as_error() {
        bail!("Error: {}", String::from_utf8_lossy(text));
    }
    if view.as_int().is_none() {
        let key = quoted(key);
        let mut out = io::stderr().lock();
        writeln!(out, "Warning: OBJECT freq on '{key}' failed (may have been deleted)")?;
    }
    Ok(view.as_int().and_then(|uses| u64::try_from(uses).ok()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_used_are_kept() {
        let mut hottest = Hottest { keys: Vec::new(), most: 2 };
        let taken = [("a", 1), ("b", 0), ("c", 5), ("d", 1), ("e", 3)]
            .map(|(key, uses)| hottest.add(uses, key.as_bytes()));
        assert_eq!(taken, [true, false, true, false, true]);
        assert_eq!(hottest.keys, [(3, b"e".to_vec()), (5, b"c".to_vec())]);
    }
}
