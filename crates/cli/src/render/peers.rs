//! What `check` and `fix` print under a peer's name: what the peer has a sentence for, of the nodes that it sees.

use std::fmt::Display;

use redistrib_ops::model::plan::fix::{Action, Repair};
use redistrib_ops::model::{Finding, Node, NodeId, Slot, SlotSet};
use redistrib_ops::{Endpoint, NodeReport, Report};

use super::check::{agreement_line, coverage_lines, open_slot_lines};
use super::nodes;
use crate::shell::Peer;
use crate::voice;

/// A report without the nodes that do not answer: a peer leaves them out of everything.
pub fn as_seen(report: Report) -> Report {
    let Report { nodes, findings, jobs } = report;
    let mut nodes: Vec<NodeReport> =
        nodes.into_iter().filter(|node| node.failure.is_none()).collect();
    let masters: Vec<Option<NodeId>> = nodes.iter().map(|node| node.node.master).collect();
    for node in &mut nodes {
        node.replicas = masters.iter().filter(|master| **master == Some(node.node.id)).count();
    }
    Report { nodes, findings, jobs }
}

/// Whether a peer's check is content, and ends with exit code 0.
pub fn is_well(report: &Report, search_multiple_owners: bool) -> bool {
    agrees(report)
        && !has_open_slots(report)
        && is_covered(report)
        && (!search_multiple_owners || multiple_owners(report).next().is_none())
}

/// Whether some node has slots on their way.
pub fn has_open_slots(report: &Report) -> bool {
    report.nodes.iter().any(|it| it.node.has_open_slots())
}

/// Whether each slot has an owner that answers.
pub fn is_covered(report: &Report) -> bool {
    uncovered(report).is_empty()
}

/// The lines of a peer's check.
pub fn check(report: &Report, seed: &Endpoint, search_multiple_owners: bool) -> Vec<String> {
    let mut lines = check_open_slots(report, seed);
    lines.extend(check_coverage(report));
    if search_multiple_owners {
        lines.extend(check_owners(report));
    }
    lines
}

/// Its first half, after which a peer's `fix` repairs open slots.
pub fn check_open_slots(report: &Report, seed: &Endpoint) -> Vec<String> {
    let mut lines = vec![format!(">>> Performing Cluster Check (using node {seed})")];
    lines.extend(report.nodes.iter().flat_map(nodes::block));
    lines.push(agreement_line(agrees(report)).into());
    lines.extend(open_slot_lines(report, one_by_one));
    lines
}

/// Its second half, after which a peer's `fix` gives slots an owner.
pub fn check_coverage(report: &Report) -> Vec<String> {
    coverage_lines(is_covered(report))
}

/// What it adds where several owners are looked for.
pub fn check_owners(report: &Report) -> Vec<String> {
    let mut lines = vec![">>> Check for multiple slot owners...".to_owned()];
    for (slot, owners) in multiple_owners(report) {
        lines.push(format!("[WARNING] Slot {slot} has {} owners:", owners.len()));
        lines.extend(owners.iter().map(|owner| format!("    {owner}")));
    }
    if lines.len() == 1 {
        lines.push("[OK] No multiple owners found.".into());
    }
    lines
}

/// A peer's refusal to repair what it has only half in view.
pub fn too_dangerous(what: &str, silent: usize) -> String {
    let (name, masters) = match voice::peer() {
        Some(Peer::ValkeyCli) => ("valkey-cli", "primaries"),
        _ => ("redis-cli", "masters"),
    };
    format!(
        "*** Fixing {what} with {silent} unreachable masters is dangerous: {name} will assume that slots about masters that \
         are not reachable are not covered, and will try to reassign them to the reachable nodes. This can cause data loss \
         and is rarely what you want to do. If you really want to proceed use the --cluster-fix-with-unreachable-{masters} \
         option."
    )
}

/// The repair of open slots as a peer announces it, slot by slot.
pub fn open_slots(report: &Report, repair: &Repair) -> Vec<String> {
    repair.slots.iter().flat_map(|slot| open_slot(report, repair, slot)).collect()
}

fn open_slot(report: &Report, repair: &Repair, slot: Slot) -> Vec<String> {
    let having = |has: &dyn Fn(&Node) -> bool| -> Vec<String> {
        let nodes = report.nodes.iter().filter(|it| it.node.is_master() && has(&it.node));
        nodes.map(|it| it.endpoint.to_string()).collect()
    };
    let is_in = |open: &[(Slot, NodeId)]| open.iter().any(|(it, _)| *it == slot);
    let migrating = having(&|node| is_in(&node.migrating));
    let importing = having(&|node| is_in(&node.importing));
    let owners = having(&|node| node.slots.contains(slot));
    let mut lines = vec![format!(">>> Fixing open slot {slot}")];
    for (state, nodes) in [("migrating", &migrating), ("importing", &importing)] {
        if !nodes.is_empty() {
            lines.push(format!("Set as {state} in: {}", nodes.join(",")));
        }
    }
    let finished = repair.actions.iter().find_map(|action| match action {
        Action::Finish { from, to } => Some((from, to)),
        _ => None,
    });
    match (finished, &migrating[..], &importing[..], &owners[..]) {
        (Some((from, to)), ..) => {
            lines.push(format!(">>> Case 1: Moving slot {slot} from {from} to {to}"));
            lines.push(moving(slot, from, to));
        }
        (None, [], nodes, [owner]) if !nodes.is_empty() => {
            lines.push(format!(">>> Case 2: Moving all the {slot} slot keys to its owner {owner}"));
            for node in nodes.iter().filter(|node| *node != owner) {
                lines.push(moving(slot, node, owner));
                lines.push(format!(">>> Setting {slot} as STABLE in {node}"));
            }
        }
        (None, [node], [], _) => {
            lines.push(format!(">>> Case 4: Closing slot {slot} on {node}"));
        }
        _ => lines.push(format!("*** {repair}")),
    }
    lines
}

/// Behind its colon, redis-cli puts a dot for each key.
fn moving(slot: Slot, from: impl Display, to: impl Display) -> String {
    let end = if voice::peer() == Some(Peer::ValkeyCli) { "" } else { ": " };
    format!("Moving slot {slot} from {from} to {to}{end}")
}

fn agrees(report: &Report) -> bool {
    !report.findings.iter().any(|it| matches!(it, Finding::Disagreement { .. }))
}

fn uncovered(report: &Report) -> SlotSet {
    let owned = report.nodes.iter().fold(SlotSet::new(), |all, it| all.union(&it.node.slots));
    owned.complement()
}

fn multiple_owners(report: &Report) -> impl Iterator<Item = (Slot, Vec<String>)> + '_ {
    let shared = report.findings.iter().filter_map(|finding| match finding {
        Finding::MultipleOwners { slots, owners } => Some((slots, owners)),
        _ => None,
    });
    shared.flat_map(|(slots, owners)| {
        let owners: Vec<String> = owners.iter().map(ToString::to_string).collect();
        slots.iter().map(move |slot| (slot, owners.clone()))
    })
}

/// `5,6,7`: no ranges.
fn one_by_one(slots: &SlotSet) -> String {
    slots.iter().map(|slot| slot.to_string()).collect::<Vec<_>>().join(",")
}
