//! `--bigkeys` and `--memkeys`: the biggest key of each type.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::json;

use super::format::ReplyForm;
use super::live::{Live, bar};
use super::options::{Options, Peer, Scan};
use super::printer::Printer;
use super::walk::{
    KeyMeasure, Progress, TYPES, quoted, ratio, shown, sizes, summary_line, types, unit, walk,
};

const BEGIN: &str = "\n# Scanning the entire keyspace to find biggest keys as well as\n\
     # average sizes per key type.  You can use -i 0.1 to sleep 0.1 sec\n\
     # per 100 SCAN commands (not usually needed).\n";

/// What was found of one type.
#[derive(Debug, Default)]
struct TypeSummary {
    keys: u64,
    total: u64,
    /// The size and the name; none while all are of size 0.
    biggest: Option<(u64, Vec<u8>)>,
}

/// What was found in all.
#[derive(Debug)]
struct Summary {
    measure: KeyMeasure,
    peer: Peer,
    sampled: u64,
    name_bytes: u64,
    kinds: BTreeMap<String, TypeSummary>,
}

/// Finds the biggest keys of each type.
pub(super) fn run(options: &Options, scan: &Scan, measure: KeyMeasure) -> Result<bool> {
    let printer = Printer::new(&options.output);
    let mut found =
        Summary { measure, peer: options.peer, sampled: 0, name_bytes: 0, kinds: BTreeMap::new() };
    let mut live = Live::new(&printer, options.peer);
    let is_told = printer.form() != ReplyForm::Lossless && !live.is_on();
    let end = walk(options, scan, BEGIN, |session, names, progress| {
        let types = types(session, names)?;
        let sizes = sizes(session, names, &types, measure)?;
        for ((key, kind), size) in names.iter().zip(types).zip(sizes) {
            let Some(kind) = kind else { continue };
            for line in found.add(kind, key, size, progress) {
                if is_told {
                    printer.line(&line)?;
                }
            }
        }
        Ok(live.show(|| found.live_lines(progress.total))?)
    })?;
    live.end(&bar(found.sampled, end.total), found.in_order().count())?;
    if printer.form() == ReplyForm::Lossless {
        printer.line(&found.document(&end).to_string())?;
    } else {
        found.summary(&end, is_told).iter().try_for_each(|line| printer.line(line))?;
    }
    Ok(true)
}

impl Summary {
    /// Counts a key, and returns what is to be said of it.
    fn add(&mut self, kind: String, key: &[u8], size: u64, progress: &Progress) -> Vec<String> {
        self.sampled += 1;
        self.name_bytes += key.len() as u64;
        let mut said = Vec::new();
        let unit = unit(&kind, self.measure);
        let found = self.kinds.entry(kind.clone()).or_default();
        found.keys += 1;
        found.total += size;
        let percent = progress.percent();
        if size > found.biggest.as_ref().map_or(0, |(biggest, _)| *biggest) {
            found.biggest = Some((size, key.to_vec()));
            let key = shown(key, self.peer);
            said.push(format!("{percent}Biggest {kind:<6} found so far {key} with {size} {unit}"));
        }
        if self.sampled.is_multiple_of(1_000_000) {
            said.push(format!("{percent}Sampled {} keys so far", self.sampled));
        }
        said
    }

    /// How far it is, and what is the biggest so far.
    fn live_lines(&self, total: u64) -> Vec<String> {
        let mut lines = bar(self.sampled, total);
        lines.push(String::new());
        lines.extend(self.in_order().filter_map(|(kind, found)| {
            let (size, key) = found.biggest.as_ref()?;
            let (key, unit) = (shown(key, self.peer), unit(kind, self.measure));
            Some(format!("Biggest {kind:<9} found so far {key} with {size} {unit}"))
        }));
        lines
    }

    /// What was found; how many keys were seen, unless a bar has shown it.
    fn summary(&self, end: &Progress, with_number: bool) -> Vec<String> {
        let mut lines = vec![summary_line(self.peer).to_owned()];
        if with_number {
            let percent = if end.interrupted { end.percent() } else { String::new() };
            lines.push(format!("{percent}Sampled {} keys in the keyspace!", self.sampled));
        }
        lines.push(format!(
            "Total key length in bytes is {} (avg len {:.2})\n",
            self.name_bytes,
            ratio(self.name_bytes, self.sampled)
        ));
        for (kind, found) in self.in_order() {
            if let Some((size, key)) = &found.biggest {
                let (key, unit) = (shown(key, self.peer), unit(kind, self.measure));
                lines.push(format!("Biggest {kind:>6} found {key} has {size} {unit}"));
            }
        }
        lines.push(String::new());
        for (kind, found) in self.in_order() {
            lines.push(format!(
                "{} {kind}s with {} {} ({:05.2}% of keys, avg size {:.2})",
                found.keys,
                found.total,
                unit(kind, self.measure),
                100.0 * ratio(found.keys, self.sampled),
                ratio(found.total, found.keys)
            ));
        }
        lines
    }

    fn document(&self, end: &Progress) -> serde_json::Value {
        let kinds = self.kinds.iter().map(|(kind, found)| {
            let biggest = found.biggest.as_ref();
            json!({
                "type": kind,
                "keys": found.keys,
                "total": found.total,
                "unit": unit(kind, self.measure),
                "biggest": biggest.map(|(size, key)| json!({ "key": quoted(key), "size": size })),
            })
        });
        json!({
            "sampled": self.sampled,
            "key_name_bytes": self.name_bytes,
            "types": kinds.collect::<Vec<_>>(),
            "interrupted": end.interrupted,
        })
    }

    /// redis-cli's order of types, those without a key too, then those of modules.
    fn in_order(&self) -> impl Iterator<Item = (&str, &TypeSummary)> {
        const NONE: &TypeSummary = &TypeSummary { keys: 0, total: 0, biggest: None };
        let common = TYPES.iter().map(|(name, ..)| (*name, self.kinds.get(*name).unwrap_or(NONE)));
        let known = |kind: &str| TYPES.iter().any(|(name, ..)| *name == kind);
        let others = self.kinds.iter().filter(move |(kind, _)| !known(kind));
        common.chain(others.map(|(kind, found)| (kind.as_str(), found)))
    }
}
