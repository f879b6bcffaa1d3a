//! `--keystats`: how large keys are, by memory and by elements, as redis-cli 8 has it.

use anyhow::Result;
use hdrhistogram::Histogram;
use serde_json::json;

use super::format::{LineEnds, ReplyForm, write_harmless};
use super::live::{Live, bar};
use super::options::{Options, Peer, Scan};
use super::printer::Printer;
use super::walk::{KeyMeasure, Progress, TYPES, quoted, ratio, sizes, types, unit, walk};
use crate::voice;

const BEGIN: &str = "\n\
     # Scanning the entire keyspace to find the biggest keys and distribution information.\n\
     # Use -i 0.1 to sleep 0.1 sec per 100 SCAN commands (not usually needed).\n\
     # Use --cursor <n> to start the scan at the cursor <n> (usually after a Ctrl-C).\n\
     # Use --top <n> to display <n> top key sizes (default is 10).\n\
     # Ctrl-C to stop the scan.\n";

/// The largest size that is distinguished, in bytes: 1 TiB. Sizes are exact to four digits.
const LARGEST: u64 = 1 << 40;
const DIGITS: u8 = 4;

/// The lengths of names that are counted together, in bytes; longer ones are one more group.
const LENGTHS: [u64; 7] = [1 << 5, 1 << 8, 1 << 16, 1 << 20, 16 << 20, 128 << 20, 512 << 20];

/// How many letters of a type's name stand in the list of the largest keys.
const TYPE_NAME: usize = 9;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatisticsWanted {
    /// How many elements of a nested value are looked at.
    pub(super) samples: Option<u64>,
    /// How many of the largest keys are listed.
    pub(super) top: usize,
}

/// A key and its size.
#[derive(Clone, Debug)]
struct Key {
    size: u64,
    kind: String,
    name: Vec<u8>,
}

/// A sum with its largest part.
#[derive(Debug, Default)]
struct SumAndLargest {
    total: u64,
    largest: Option<(u64, Vec<u8>)>,
}

impl SumAndLargest {
    fn add(&mut self, size: u64, name: &[u8]) {
        self.total += size;
        if size > self.largest.as_ref().map_or(0, |(largest, _)| *largest) {
            self.largest = Some((size, name.to_vec()));
        }
    }
}

/// What was found of one type.
#[derive(Debug, Default)]
struct TypeStatistics {
    name: String,
    keys: u64,
    memory: SumAndLargest,
    elements: SumAndLargest,
}

impl TypeStatistics {
    fn unit(&self) -> &'static str {
        unit(&self.name, KeyMeasure::Elements)
    }

    /// A number of elements; the length of a string is one of bytes.
    fn count(&self, elements: u64) -> String {
        match self.unit() {
            "bytes" => human(elements),
            unit => format!("{elements} {unit}"),
        }
    }
}

/// What was found in all.
struct Statistics {
    sampled: u64,
    bytes: u64,
    /// The largest first.
    top: Vec<Key>,
    kinds: Vec<TypeStatistics>,
    sizes: Histogram<u64>,
    /// How many names are of each of [`LENGTHS`], and beyond.
    lengths: [u64; LENGTHS.len() + 1],
    name_bytes: u64,
    longest_name: u64,
}

/// Finds the largest keys, and how sizes are distributed.
pub(super) fn run(options: &Options, scan: &Scan, wanted: StatisticsWanted) -> Result<bool> {
    let printer = Printer::new(&options.output);
    let mut found = Statistics::new()?;
    let mut live = Live::new(&printer, options.peer);
    let end = walk(options, scan, BEGIN, |session, names, progress| {
        let types = types(session, names)?;
        let memory = sizes(session, names, &types, KeyMeasure::Memory(wanted.samples))?;
        let elements = sizes(session, names, &types, KeyMeasure::Elements)?;
        let measured = memory.into_iter().zip(elements);
        for ((name, kind), (memory, elements)) in names.iter().zip(types).zip(measured) {
            if let Some(kind) = kind {
                found.add(Key { size: memory, kind, name: name.clone() }, elements, wanted.top);
            }
        }
        Ok(live.show(|| {
            let mut lines = bar(found.sampled, progress.total);
            lines.extend(found.largest_lines(wanted.top));
            lines
        })?)
    })?;
    if printer.form() == ReplyForm::Lossless {
        printer.line(&found.document(&end).to_string())?;
        return Ok(true);
    }
    let mut lines = bar(found.sampled, end.total);
    if !live.is_on() {
        let done = ratio(found.sampled, end.total).min(1.0) * 100.0;
        lines[0] = format!("{done:6.2}% keys scanned");
    }
    lines.extend(found.largest_lines(wanted.top));
    lines.extend(found.further_lines(&end));
    match live.is_on() {
        true => live.end(&lines, 0)?,
        false => lines.iter().try_for_each(|line| printer.line(line))?,
    }
    Ok(true)
}

impl Statistics {
    fn new() -> Result<Self> {
        let kind = |(name, ..): &(&str, &str, &str)| TypeStatistics {
            name: (*name).to_owned(),
            ..TypeStatistics::default()
        };
        Ok(Self {
            sampled: 0,
            bytes: 0,
            top: Vec::new(),
            kinds: TYPES.iter().map(kind).collect(),
            sizes: Histogram::new_with_bounds(1, LARGEST, DIGITS)?,
            lengths: [0; LENGTHS.len() + 1],
            name_bytes: 0,
            longest_name: 0,
        })
    }

    fn add(&mut self, key: Key, elements: u64, top: usize) {
        self.sampled += 1;
        self.bytes += key.size;
        self.sizes.saturating_record(key.size);
        let length = key.name.len() as u64;
        let group = LENGTHS.iter().position(|most| length <= *most).unwrap_or(LENGTHS.len());
        self.lengths[group] += 1;
        self.name_bytes += length;
        self.longest_name = self.longest_name.max(length);
        let kind = self.kind(&key.kind);
        kind.keys += 1;
        kind.memory.add(key.size, &key.name);
        kind.elements.add(elements, &key.name);
        let place = self.top.partition_point(|larger| larger.size >= key.size);
        self.top.insert(place, key);
        self.top.truncate(top);
    }

    fn kind(&mut self, name: &str) -> &mut TypeStatistics {
        let known = self.kinds.iter().position(|kind| kind.name == name);
        let place = known.unwrap_or_else(|| {
            self.kinds.push(TypeStatistics { name: name.to_owned(), ..TypeStatistics::default() });
            self.kinds.len() - 1
        });
        &mut self.kinds[place]
    }

    /// How much memory all take, and which take the most.
    fn largest_lines(&self, top: usize) -> Vec<String> {
        let mut lines = vec![
            format!("Keys size:    {}", human(self.bytes)),
            String::new(),
            format!("--- Top {top} key sizes ---"),
        ];
        lines.extend(self.top.iter().enumerate().map(|(place, key)| {
            let kind: String = key.kind.chars().take(TYPE_NAME).collect();
            format!("{:3} {:>8} {kind:<10} {}", place + 1, human(key.size), quoted(&key.name))
        }));
        lines.extend([String::new(), "--- Top size per type ---".to_owned()]);
        lines.extend(self.kinds.iter().filter_map(|kind| {
            let (size, key) = kind.memory.largest.as_ref()?;
            Some(format!("{:<10} {} is {}", kind.name, harmless(key), human(*size)))
        }));
        lines.extend([String::new(), "--- Top length and cardinality per type ---".to_owned()]);
        lines.extend(self.kinds.iter().filter_map(|kind| {
            let (count, key) = kind.elements.largest.as_ref()?;
            Some(format!("{:<10} {} has {}", kind.name, harmless(key), kind.count(*count)))
        }));
        lines
    }

    /// How sizes are distributed.
    fn further_lines(&self, end: &Progress) -> Vec<String> {
        let mut lines = vec![String::new()];
        lines.extend(self.size_lines());
        lines.push(String::new());
        lines.extend(self.length_lines());
        lines.push(String::new());
        lines.extend(self.kind_lines());
        if let Some(cursor) = &end.cursor {
            let name = voice::peer().map_or("redis-trib exec", Peer::name);
            lines.push("\nScan interrupted:".to_owned());
            lines.push(format!(
                "Use '{name} --keystats --cursor {cursor}' to restart from the last cursor."
            ));
        }
        lines
    }

    /// Sizes with the percentage of keys that are not larger, and how many those are.
    fn distribution(&self) -> Vec<(u64, f64, u64)> {
        let (mut rows, mut keys): (Vec<(u64, f64, u64)>, u64) = (Vec::new(), 0);
        for step in self.sizes.iter_quantiles(1) {
            let before = keys;
            keys += step.count_since_last_iteration();
            if keys == before {
                continue;
            }
            let is_last = keys == self.sizes.len();
            let percent = if is_last { 100.0 } else { step.quantile_iterated_to() * 100.0 };
            rows.push((self.sizes.highest_equivalent(step.value_iterated_to()), percent, keys));
        }
        rows
    }

    fn size_lines(&self) -> Vec<String> {
        let mut lines = vec![
            "Key size Percentile Total keys".to_owned(),
            "-------- ---------- -----------".to_owned(),
        ];
        lines.extend(
            self.distribution().into_iter().map(|(size, percent, keys)| {
                format!("{:>8} {percent:9.4}% {keys:11}", human(size))
            }),
        );
        let (mean, deviation) = (self.sizes.mean() as u64, self.sizes.stdev() as u64);
        lines.push(format!(
            "Note: 0.01% size precision, Mean: {}, StdDeviation: {}",
            human(mean),
            human(deviation)
        ));
        lines
    }

    fn length_lines(&self) -> Vec<String> {
        let mut lines = vec![
            "Key name length Percentile Total keys".to_owned(),
            "--------------- ---------- -----------".to_owned(),
        ];
        let mut keys = 0;
        for (most, count) in LENGTHS.iter().zip(&self.lengths).filter(|(_, count)| **count > 0) {
            keys += count;
            let (length, percent) =
                (human(self.longest_name.min(*most)), 100.0 * ratio(keys, self.sampled));
            lines.push(format!("{length:>15} {percent:9.4}% {keys:11}"));
        }
        if keys < self.sampled {
            lines.push(format!("           inf {:9.4}% {:11}", 100.0, self.sampled));
        }
        let average = self.name_bytes.checked_div(self.sampled);
        lines.push(format!(
            "Total key length is {} ({} avg)",
            human(self.name_bytes),
            average.map_or_else(|| "0".to_owned(), human)
        ));
        lines
    }

    fn kind_lines(&self) -> Vec<String> {
        let mut lines = vec![
            "Type        Total keys  Keys % Tot size Avg size  Total length/card Avg ln/card"
                .to_owned(),
            "--------- ------------ ------- -------- -------- ------------------ -----------"
                .to_owned(),
        ];
        lines.extend(self.kinds.iter().filter(|kind| kind.keys > 0).map(|kind| {
            let mean = ratio(kind.elements.total, kind.keys);
            let (total, mean) = match kind.unit() {
                "?" => (" - ".to_owned(), " - ".to_owned()),
                "bytes" => (human(kind.elements.total), human(mean.round() as u64)),
                _ => (kind.count(kind.elements.total), format!("{mean:.2}")),
            };
            format!(
                "{:<10} {:11} {:6.2}% {:>8} {:>8} {total:>18} {mean:>11}",
                kind.name,
                kind.keys,
                100.0 * ratio(kind.keys, self.sampled),
                human(kind.memory.total),
                human(kind.memory.total / kind.keys)
            )
        }));
        lines
    }

    fn document(&self, end: &Progress) -> serde_json::Value {
        let top = self
            .top
            .iter()
            .map(|key| json!({ "key": quoted(&key.name), "type": key.kind, "bytes": key.size }));
        let kinds = self.kinds.iter().filter(|kind| kind.keys > 0).map(|kind| {
            json!({
                "type": kind.name,
                "keys": kind.keys,
                "bytes": kind.memory.total,
                "elements": kind.elements.total,
                "unit": kind.unit(),
            })
        });
        let sizes = self.distribution().into_iter().map(
            |(bytes, percent, keys)| json!({ "bytes": bytes, "percent": percent, "keys": keys }),
        );
        json!({
            "sampled": self.sampled,
            "bytes": self.bytes,
            "key_name_bytes": self.name_bytes,
            "top": top.collect::<Vec<_>>(),
            "types": kinds.collect::<Vec<_>>(),
            "sizes": sizes.collect::<Vec<_>>(),
            "interrupted": end.interrupted,
            "cursor": end.cursor,
        })
    }
}

/// A number of bytes as redis-cli shortens it.
fn human(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["K", "M", "G", "T"];
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let (mut size, mut unit) = (bytes as f64 / 1024.0, 0);
    while size >= 1024.0 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.2}{}", UNITS[unit])
}

fn harmless(key: &[u8]) -> String {
    let mut out = Vec::new();
    // Writing to memory does not fail.
    let _ = write_harmless(key, LineEnds::One, &mut out);
    String::from_utf8_lossy(&out).into_owned()
}
