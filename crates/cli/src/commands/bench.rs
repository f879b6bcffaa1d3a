//! `bench`.

use std::ops::ControlFlow;
use std::time::Duration;

use redistrib_ops::bench::{Bench, BenchReport, HoldUp, HoldUps, Leg, fill};
use redistrib_ops::lab::{LabOptions, TempLab};
use redistrib_ops::model::{Move, counted};
use redistrib_ops::{Cluster, Endpoint, Member};

use super::host::go_on;
use super::{Outcome, Session, moves};
use crate::args::BenchArgs;
use crate::plot;
use crate::prompt::Prompt;
use crate::render;

/// Enough for a source, a target and a bystander.
const LAB_MASTERS: usize = 3;

pub(super) fn bench(args: &BenchArgs) -> anyhow::Result<Outcome> {
    // Before anything moves: the plot comes last.
    args.plot.as_deref().map_or(Ok(()), plot::check)?;
    let session = Session::for_change(&args.change)?;
    match &args.node {
        Some(seed) => on_cluster(args, &session, seed.clone()),
        None => {
            let lab = lab(args, &session)?;
            let seed = lab.endpoints().first().cloned();
            let seed = seed.unwrap_or_else(|| Endpoint::tcp("127.0.0.1", 0));
            let names = (0..args.keys).map(|number| format!("key:{number}").into_bytes());
            fill(&mut session.discover(&seed)?, names, args.size)?;
            // It is nobody's cluster.
            on_cluster(args, &Session { yes: true, ..session }, seed)
        }
    }
}

fn lab(args: &BenchArgs, session: &Session) -> anyhow::Result<TempLab> {
    session.output.line(">>> Starting a lab");
    Ok(TempLab::up(LabOptions {
        nodes: Some(LAB_MASTERS),
        replicas: Some(0),
        server: args.server.clone(),
        ..LabOptions::default()
    })?)
}

fn on_cluster(args: &BenchArgs, session: &Session, seed: Endpoint) -> anyhow::Result<Outcome> {
    let output = &session.output;
    let request = Bench {
        seed,
        slots: usize::from(args.slots),
        from: args.from.clone(),
        to: args.to.clone(),
        migration: args.migration.options(),
    };
    let approves = |step: &Move, cluster: &mut Cluster| {
        let endpoint = |id| cluster.member(id).map(Member::endpoint);
        let (from, to) = (endpoint(step.from)?, endpoint(step.to)?);
        let count = step.slots.len();
        output.line(format_args!(
            ">>> Moving {} from {from} to {to} and back",
            counted(count, "slot")
        ));
        if session.dry_run {
            let outcome = moves::show(session, cluster, std::slice::from_ref(step));
            return Ok(ControlFlow::Break(outcome));
        }
        Ok(go_on(session.may(Prompt::proceeds)?))
    };
    session.carry_out(request, approves, |report| {
        output.lines(table(&report));
        output.document(&report);
        if let Some(path) = &args.plot {
            plot::draw(&report, path)?;
            output.line(format_args!("[OK] Plot written to {}", path.display()));
        }
        Ok(Outcome::Done)
    })
}

fn table(report: &BenchReport) -> Vec<String> {
    let mut lines = vec![leg("There:", &report.there), leg("Back: ", &report.back), String::new()];
    lines.push(format!(
        "{:<18} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "PING, ms", "samples", "p50", "p99", "p99.9", "max"
    ));
    lines.extend(hold_ups("idle", &report.idle));
    lines.extend(hold_ups("there", &report.there.hold_up));
    lines.extend(hold_ups("back", &report.back.hold_up));
    lines
}

fn leg(name: &str, leg: &Leg) -> String {
    let mut text = format!(
        "{name} {}, {} in {:.2} s: {:.0} slots/s, {:.0} keys/s",
        counted(leg.slots, "slot"),
        counted(leg.keys, "key"),
        leg.took.as_secs_f64(),
        leg.slots_per_second,
        leg.keys_per_second
    );
    if leg.bytes > 0 {
        text += &format!(", {}/s", render::bytes(leg.bytes_per_second as u64));
    }
    text
}

fn hold_ups(when: &str, hold_ups: &HoldUps) -> [String; 3] {
    let line = |whose: &str, hold_up: &HoldUp| {
        let ms = |time: Duration| format!("{:>9.2}", time.as_secs_f64() * 1000.0);
        let times = [hold_up.p50, hold_up.p99, hold_up.p999, hold_up.max].map(ms);
        format!("{:<18} {:>8} {}", format!("{when} {whose}"), hold_up.samples, times.join(" "))
    };
    [
        line("source", &hold_ups.source),
        line("target", &hold_ups.target),
        line("bystanders", &hold_ups.bystanders),
    ]
}
