//! What criterion measured, as a table and as `target/bench/codec.json`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::hiredis::{self, Hiredis};
use crate::workloads::Workload;

/// Medians in nanoseconds for one pass over a workload, by workload and contestant.
type Medians = BTreeMap<(String, String), f64>;

/// One line of the table: who takes part in a workload, and by what the times are divided.
pub(crate) struct Row {
    pub(crate) workload: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) units: u64,
    /// Ours first; the others are compared with it.
    pub(crate) ours: Vec<&'static str>,
    pub(crate) rivals: Vec<&'static str>,
    /// What bounds everybody: memchr and memcpy over the same bytes, or the same bytes whole.
    pub(crate) limits: Vec<&'static str>,
}

/// Collects what takes part, and at the end what was measured of it.
pub(crate) struct Report {
    rows: Vec<Row>,
    /// Times of this round that criterion did not take.
    by_hand: Medians,
    /// What was measured in each round.
    rounds: Vec<Medians>,
    /// A rival that is no Rust, in runs that measure all.
    hiredis: Option<Hiredis>,
}

impl Report {
    pub(crate) fn new() -> Report {
        let hiredis = if measures_all() { Hiredis::build() } else { None };
        Report { rows: Vec::new(), by_hand: Medians::new(), rounds: Vec::new(), hiredis }
    }

    pub(crate) fn add(&mut self, row: Row) {
        if self.rounds.is_empty() {
            self.rows.push(row);
        }
    }

    /// Whether it is time for rivals that are too slow for more than one round.
    pub(crate) fn times_slow_rivals(&self) -> bool {
        measures_all() && self.rounds.is_empty()
    }

    /// Times hiredis with these bytes in pieces of this length, if it is there.
    pub(crate) fn time_hiredis(
        &mut self,
        workload: &Workload,
        piece: usize,
        expected: u64,
    ) -> Option<&'static str> {
        let time = self.hiredis.as_ref()?.time(&workload.wire, piece, expected);
        self.note(workload.name, hiredis::NAME, time);
        Some(hiredis::NAME)
    }

    /// Notes a time that criterion did not take.
    pub(crate) fn note(&mut self, workload: &str, contestant: &str, nanoseconds: f64) {
        self.by_hand.insert((workload.into(), contestant.into()), nanoseconds);
    }

    /// Takes in what was measured since the last round.
    pub(crate) fn end_round(&mut self) -> Result<(), Box<dyn Error>> {
        let mut medians = std::mem::take(&mut self.by_hand);
        read_medians(&target().join("criterion"), &mut medians)?;
        self.rounds.push(medians);
        Ok(())
    }

    /// The medians of each contestant's best round.
    fn best(&self) -> Medians {
        let mut best = Medians::new();
        for (key, time) in self.rounds.iter().flatten() {
            let fastest = best.entry(key.clone()).or_insert(*time);
            *fastest = fastest.min(*time);
        }
        best
    }

    /// Writes the file and prints the table; rows that were not measured in full are left out.
    pub(crate) fn write(&self) -> Result<(), Box<dyn Error>> {
        let medians = self.best();
        let rows: Vec<Value> = self.rows.iter().filter_map(|row| row.measured(&medians)).collect();
        let folder = target().join("bench");
        fs::create_dir_all(&folder)?;
        let file = folder.join("codec.json");
        fs::write(&file, serde_json::to_string_pretty(&rows)?)?;
        println!(
            "\nNanoseconds a unit, the median of the best round; the ratio is the fastest rival's over ours.\n"
        );
        rows.iter().for_each(print);
        println!("\nwritten to {}", file.display());
        Ok(())
    }
}

/// Whether this run measures, and is not a test that the benches run.
pub(crate) fn measures() -> bool {
    std::env::args().any(|arg| arg == "--bench")
}

/// Whether it measures all, and not some benches only.
fn measures_all() -> bool {
    measures() && std::env::args().skip(1).all(|arg| arg.starts_with('-'))
}

impl Row {
    fn measured(&self, medians: &Medians) -> Option<Value> {
        let time = |who: &&'static str| {
            let median = medians.get(&(self.workload.to_owned(), (*who).to_owned()))?;
            Some((*who, median / self.units as f64))
        };
        let ours: Vec<_> = self.ours.iter().map(time).collect::<Option<_>>()?;
        let rivals: Vec<_> = self.rivals.iter().map(time).collect::<Option<_>>()?;
        let limits: Vec<_> = self.limits.iter().map(time).collect::<Option<_>>()?;
        let fastest = rivals.iter().map(|(_, time)| *time).min_by(f64::total_cmp)?;
        let ratios: Vec<_> = ours.iter().map(|(who, time)| (*who, fastest / time)).collect();
        Some(json!({
            "workload": self.workload,
            "unit": self.unit,
            "ours_ns": round(ours.first()?.1),
            "rivals": table(&rivals),
            "ratio": round(ratios.first()?.1),
            "ours": table(&ours),
            "ratios": table(&ratios),
            "limits": table(&limits),
        }))
    }
}

fn table(times: &[(&str, f64)]) -> Value {
    times.iter().map(|(who, time)| ((*who).to_owned(), json!(round(*time)))).collect()
}

/// Three figures behind the point are more than the measurement is worth.
fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

fn print(row: &Value) {
    let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
    println!("{}, a {}", text("workload"), text("unit"));
    for (group, ratios) in [("ours", Some("ratios")), ("rivals", None), ("limits", None)] {
        for (who, time) in row[group].as_object().into_iter().flatten() {
            let ratio = ratios.and_then(|ratios| row[ratios][who].as_f64());
            let ratio = ratio.map_or(String::new(), |ratio| format!("{ratio:10.1} x"));
            println!("  {who:24} {:14.2}{ratio}", time.as_f64().unwrap_or_default());
        }
    }
}

/// Reads every `new/estimates.json` below criterion's folder.
fn read_medians(folder: &Path, medians: &mut Medians) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_medians(&path, medians)?;
        }
    }
    if !folder.ends_with("new") {
        return Ok(());
    }
    let read = |name| -> Result<Value, Box<dyn Error>> {
        Ok(serde_json::from_slice(&fs::read(folder.join(name))?)?)
    };
    let (id, estimates) = (read("benchmark.json")?, read("estimates.json")?);
    let name = |key: &str| id[key].as_str().unwrap_or_default().to_owned();
    if let Some(median) = estimates["median"]["point_estimate"].as_f64() {
        medians.insert((name("group_id"), name("function_id")), median);
    }
    Ok(())
}

/// The workspace's target folder.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"), PathBuf::from)
}
