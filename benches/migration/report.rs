//! What is printed and written.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use redistrib_benches::run::Measure;
use redistrib_ops::bench::{HoldUp, Probe};
use redistrib_ops::{Endpoint, Settings};
use serde_json::{Value, json};

use crate::job::{Job, Kind, SLOTS, Setting};
use crate::tool::Tool;

/// PINGs to source and target of a job that is watched.
pub(crate) struct Probes(Vec<Probe>);

impl Probes {
    pub(crate) fn start(setting: &Setting, job: &Job) -> Self {
        let nodes = if job.watched { &[0, 2][..] } else { &[] };
        let origin = Instant::now();
        let probes = nodes.iter().filter_map(|index| {
            let node = Endpoint::tcp("127.0.0.1", setting.stage.port(*index));
            Probe::start(&node, &Settings::default(), origin).ok()
        });
        Self(probes.collect())
    }

    pub(crate) fn finish(self) -> Option<HoldUp> {
        let samples = self.0.into_iter().filter_map(|probe| probe.finish().ok());
        let held: Vec<Duration> = samples.flatten().map(|sample| sample.held).collect();
        (!held.is_empty()).then(|| HoldUp::of(held))
    }
}

/// One run of one tool.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) measure: Measure,
    /// What the servers spent in MIGRATE, of all nodes together.
    pub(crate) migrate: Duration,
    pub(crate) hold_ups: Option<HoldUp>,
}

/// All runs of one job.
#[derive(Debug)]
pub(crate) struct Row {
    job: Job,
    runs: Vec<(Tool, Vec<Run>)>,
}

impl Row {
    pub(crate) fn new(job: &Job) -> Self {
        Self { job: job.clone(), runs: Vec::new() }
    }

    pub(crate) fn add(&mut self, tool: &Tool, run: Run) {
        match self.runs.iter_mut().find(|(known, _)| known.name == tool.name) {
            Some((_, runs)) => runs.push(run),
            None => self.runs.push((tool.clone(), vec![run])),
        }
    }

    /// The first tool's time, against which the others are measured.
    fn reference(&self) -> Option<Duration> {
        self.runs.first().and_then(|(_, runs)| median(runs)).map(|run| run.measure.wall)
    }

    /// One line for each tool.
    pub(crate) fn print(&self) {
        let reference = self.reference();
        for (tool, runs) in &self.runs {
            let Some(run) = median(runs) else { continue };
            let ratio = reference.map_or(1.0, |time| time.as_secs_f64() / seconds(run));
            let asked = match tool.is_ours() {
                true => format!("{:.0}x asked", self.job.asked),
                false => String::new(),
            };
            let hold_up = run.hold_ups.map_or(String::new(), |hold_up| {
                format!(
                    "PING p99.9 {:.1} ms, max {:.1} ms",
                    millis(hold_up.p999),
                    millis(hold_up.max)
                )
            });
            println!(
                "{:<12} {:<46} {:<28} {:>9.3} s {:>7.1}x  {:<10} {:>5.0} % {:>5.1} MiB  {}",
                self.job.name,
                self.job.what,
                tool.name,
                seconds(run),
                ratio,
                asked,
                100.0 * run.migrate.as_secs_f64() / seconds(run),
                run.measure.memory as f64 / 1024.0,
                hold_up,
            );
        }
    }

    fn json(&self) -> Value {
        let reference = self.reference();
        let tools = self.runs.iter().map(|(tool, runs)| {
            let run = median(runs);
            json!({
                "tool": tool.name,
                "seconds": runs.iter().map(seconds).collect::<Vec<_>>(),
                "median_seconds": run.map(seconds),
                "times_as_fast": run.zip(reference).map(|(run, time)| time.as_secs_f64() / seconds(run)),
                "migrate_seconds": run.map(|run| run.migrate.as_secs_f64()),
                "memory_kib": run.map(|run| run.measure.memory),
                "ping": run.and_then(|run| run.hold_ups),
            })
        });
        json!({
            "job": self.job.name,
            "what": self.job.what,
            "keys": self.job.keys,
            "slots": (self.job.kind == Kind::Reshard).then_some(SLOTS),
            "rtt_ms": millis(self.job.rtt),
            "asked": self.job.asked,
            "tools": tools.collect::<Vec<_>>(),
        })
    }
}

/// The run whose time is in the middle.
fn median(runs: &[Run]) -> Option<&Run> {
    let mut sorted: Vec<&Run> = runs.iter().collect();
    sorted.sort_by_key(|run| run.measure.wall);
    sorted.get(sorted.len() / 2).copied()
}

fn seconds(run: &Run) -> f64 {
    run.measure.wall.as_secs_f64()
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The line above the table.
pub(crate) fn print_head() {
    println!("{}", machine());
    println!(
        "{:<12} {:<46} {:<28} {:>11} {:>8}  {:<10} {:>7} {:>9}",
        "job", "", "tool", "time", "ratio", "", "MIGRATE", "memory"
    );
}

/// The processor and the number of its cores that are ours.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown processor", |line| line.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}

/// Writes all figures.
pub(crate) fn write(path: &Path, rows: &[Row]) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let jobs: Vec<Value> = rows.iter().map(Row::json).collect();
    let document = json!({ "machine": machine(), "jobs": jobs });
    fs::write(path, serde_json::to_string_pretty(&document)? + "\n")?;
    println!("written to {}", path.display());
    Ok(())
}
