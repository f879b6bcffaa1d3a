//! The steps to a declared cluster.

use std::time::Duration;

use redistrib_ops::model::counted;
use redistrib_ops::model::declare::{Change, Cost, Lowered, Plan, PlanStep};

use super::bytes;

/// The plan in lines.
pub fn plan(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> =
        plan.notes.iter().map(|note| format!("[WARNING] {note}")).collect();
    match plan.steps.len() {
        0 => lines.push("[OK] Nothing to do: the cluster is as declared.".into()),
        1 => lines.push(">>> One step makes the cluster what is declared:".into()),
        count => lines.push(format!(">>> {count} steps make the cluster what is declared:")),
    }
    for (place, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{:3}. {}", place + 1, step.change));
        lines.extend(step.change.details().into_iter().map(|line| format!("       {line}")));
        lines.extend(step.cost.map(|cost| format!("       {}", of_step(&step.change, &cost))));
        lines.extend(lowered(step));
    }
    lines.extend(totals(plan));
    lines
}

fn lowered(step: &PlanStep) -> Option<String> {
    let each = |it: &Lowered| format!("{} has {}", it.master, counted(it.replicas, "replica"));
    let lowered: Vec<String> = step.lowers.iter().map(each).collect();
    (!lowered.is_empty())
        .then(|| format!("       fewer than declared from then on: {}", lowered.join(", ")))
}

fn of_step(change: &Change, cost: &Cost) -> String {
    match change {
        Change::MoveSlots { .. } => format!("{} go over; {}", amount(cost), time(cost)),
        _ => format!("copies {}", amount(cost)),
    }
}

fn totals(plan: &Plan) -> Option<String> {
    let (moved, copied) = (plan.moved(), plan.copied());
    let moves = (moved.slots > 0).then(|| {
        format!("{} with {} move, {}", counted(moved.slots, "slot"), amount(&moved), time(&moved))
    });
    let copies = (copied.keys > 0).then(|| format!("replicas copy {}", amount(&copied)));
    let all: Vec<String> = moves.into_iter().chain(copies).collect();
    (plan.steps.len() > 1 && !all.is_empty()).then(|| format!("In all: {}.", all.join("; ")))
}

fn amount(cost: &Cost) -> String {
    let size = match cost.bytes {
        Some(0) if cost.keys == 0 => String::new(),
        Some(size) => format!(" of about {}", bytes(size)),
        None => " of an unknown size".into(),
    };
    format!("{}{size}", counted(cost.keys, "key"))
}

fn time(cost: &Cost) -> String {
    match cost.millis {
        Some(millis @ 0..1000) => format!("about {} ms in MIGRATE alone", millis.max(1)),
        Some(millis) => {
            format!("about {:.1} s in MIGRATE alone", Duration::from_millis(millis).as_secs_f64())
        }
        None if cost.keys == 0 => "no key to wait for".into(),
        None => "the time is unknown, as these servers have moved no keys yet".into(),
    }
}
