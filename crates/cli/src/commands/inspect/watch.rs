//! `check --watch`: looks again and again, and shows what has changed.

use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::model::Finding;
use redistrib_ops::{Cluster, Endpoint, Event, Report, Settings, Stop, inspect};

use super::super::{Outcome, Session};
use crate::args::CheckArgs;
use crate::render::json::{ClusterDocument, is_healthy};
use crate::{interrupt, render};

/// How often it is looked whether the user has had enough.
const LOOK: Duration = Duration::from_millis(50);
/// Fields of findings that say how much, not what.
const AMOUNTS: [&str; 6] = ["seconds", "bytes", "left_bytes", "used", "waited_ms", "apart_ms"];

/// Checks until Ctrl-C, or until nobody reads any more, and ends as the last look does.
pub(super) fn watch(args: &CheckArgs, every: Duration) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let (seed, started, pressed) = (&args.seed.node, Instant::now(), interrupt::quietly()?);
    let mut report = inspect(&mut session.discover(seed)?);
    session.output.lines(render::info(&report));
    session.output.lines(render::check(&report, seed, args.search_multiple_owners));
    session.output.document(&ClusterDocument::new(&report, seed));
    let mut before = facts(&report);
    loop {
        let due = Instant::now() + every;
        while Instant::now() < due {
            if pressed.requested() != Stop::No {
                return Ok(if is_healthy(&report) { Outcome::Done } else { Outcome::Failed });
            }
            thread::sleep(LOOK.min(every));
        }
        // Where nobody answers, everything stays as it was, but for that.
        let now = match look(seed, &report, &session.settings) {
            Ok(new) => {
                report = new;
                facts(&report)
            }
            Err(error) => {
                let text = format!("[ERR] no node of the cluster answers: {error}");
                session.output.document(&Event::Warning { text: text.clone() });
                vec![(String::new(), text)]
            }
        };
        let changes = changes(&before, &now);
        if !changes.is_empty() {
            session.output.line(format_args!(">>> After {} s:", started.elapsed().as_secs()));
            session.output.lines(changes);
            session.output.document(&ClusterDocument::new(&report, seed));
        }
        before = now;
    }
}

/// Asks the seed, or where it does not answer, the others that were known last.
fn look(seed: &Endpoint, last: &Report, settings: &Settings) -> redistrib_ops::Result<Report> {
    let first = Cluster::discover(seed, settings);
    let mut others = last.nodes.iter().map(|node| &node.endpoint).filter(|node| *node != seed);
    let cluster = first.or_else(|error| {
        others.find_map(|node| Cluster::discover(node, settings).ok()).ok_or(error)
    });
    Ok(inspect(&mut cluster?))
}

/// What may change: who is what, and what is wrong. Each has a key by which it is compared with before, and its line.
fn facts(report: &Report) -> Vec<(String, String)> {
    let nodes = report.nodes.iter().map(|node| {
        let role = match node.node.master {
            Some(master) => format!("replicates {master}"),
            None => format!("slots:{} ({} slots) master", node.node.slots, node.node.slots.len()),
        };
        let line = format!("node {} {role}", node.endpoint);
        (line.clone(), line)
    });
    let findings = report.findings.iter().map(|it| (identity(it), render::finding(it)));
    nodes.chain(findings).collect()
}

/// A finding without the amounts that differ at every look.
fn identity(finding: &Finding) -> String {
    let mut fields = serde_json::to_value(finding).unwrap_or_default();
    if let Some(fields) = fields.as_object_mut() {
        fields.retain(|name, _| !AMOUNTS.contains(&name.as_str()));
    }
    fields.to_string()
}

/// What is there no more, and what is new.
fn changes(before: &[(String, String)], now: &[(String, String)]) -> Vec<String> {
    let missing = |these: &[(String, String)], from: &[(String, String)], mark: &str| {
        let is_new = |fact: &&(String, String)| !from.iter().any(|it| it.0 == fact.0);
        let lines = these.iter().filter(is_new).map(|(_, line)| format!("{mark} {line}"));
        lines.collect::<Vec<_>>()
    };
    let mut lines = missing(before, now, "-");
    lines.extend(missing(now, before, "+"));
    lines
}
