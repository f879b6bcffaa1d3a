//! `check`: the cluster's nodes and what is wrong with them.

use redistrib_ops::model::{Finding, NodeId, Severity, Slot, SlotSet};
use redistrib_ops::{Endpoint, NodeReport, Report};

use super::{finding, nodes};
use crate::remedy::next_step;

/// The lines of `check`, without those of `info` that come before. The marks and sentences that redis-cli prints are
/// as it prints them; what it does not look for comes at the end.
pub fn check(report: &Report, seed: &Endpoint, search_multiple_owners: bool) -> Vec<String> {
    let mut lines = vec![format!(">>> Performing Cluster Check (using node {seed})")];
    lines.extend(report.nodes.iter().flat_map(nodes::block));
    agreement(report, &mut lines);
    open_slots(report, &mut lines);
    coverage(report, &mut lines);
    multiple_owners(report, search_multiple_owners, &mut lines);
    lines.extend(report.findings.iter().filter(|it| !has_section(it)).map(finding));
    lines
}

/// What to do about warnings and errors, each thing once.
pub fn next_steps(report: &Report) -> Vec<String> {
    let told = report.findings.iter().filter(|finding| finding.severity() > Severity::Notice);
    let mut lines: Vec<String> = Vec::new();
    for step in told.filter_map(next_step) {
        let line = format!("    {step}");
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    if !lines.is_empty() {
        lines.insert(0, ">>> What to do next:".into());
    }
    lines
}

/// Whether redis-cli has a sentence for it, so that it stands in a section of its own.
fn has_section(finding: &Finding) -> bool {
    is_wrong_to_peers(finding) || matches!(finding, Finding::MultipleOwners { .. })
}

/// Whether redis-cli's check finds this wrong.
pub fn is_wrong_to_peers(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::Disagreement { .. }
            | Finding::OpenSlots(_)
            | Finding::Uncovered { .. }
            | Finding::Unserved { .. }
    )
}

fn agreement(report: &Report, lines: &mut Vec<String>) {
    let disputes = findings(report, |it| matches!(it, Finding::Disagreement { .. }));
    if disputes.is_empty() {
        lines.push("[OK] All nodes agree about slots configuration.".into());
    } else {
        lines.push("[ERR] Nodes don't agree about configuration!".into());
        lines.extend(disputes);
    }
}

fn open_slots(report: &Report, lines: &mut Vec<String>) {
    lines.push(">>> Check for open slots...".into());
    let mut open = SlotSet::new();
    for node in &report.nodes {
        for (state, slots) in
            [("migrating", &node.node.migrating), ("importing", &node.node.importing)]
        {
            if !slots.is_empty() {
                let slots = only_slots(slots);
                lines.push(open_at(node, state, &slots));
                open = open.union(&slots);
            }
        }
    }
    if !open.is_empty() {
        lines.push(format!("[WARNING] The following slots are open: {}.", with_commas(&open)));
    }
    lines.extend(findings(report, |it| matches!(it, Finding::OpenSlots(_))));
}

fn only_slots(slots: &[(Slot, NodeId)]) -> SlotSet {
    slots.iter().map(|(slot, _)| *slot).collect()
}

fn open_at(node: &NodeReport, state: &str, slots: &SlotSet) -> String {
    format!("[WARNING] Node {} has slots in {state} state {}.", node.endpoint, with_commas(slots))
}

fn with_commas(slots: &SlotSet) -> String {
    slots.to_string().replace(' ', ",")
}

fn coverage(report: &Report, lines: &mut Vec<String>) {
    lines.push(">>> Check slots coverage...".into());
    if is_covered(report) {
        lines.push("[OK] All 16384 slots covered.".into());
    } else {
        lines.push("[ERR] Not all 16384 slots are covered by nodes.".into());
        lines.push(String::new());
    }
    lines.extend(findings(report, |it| {
        matches!(it, Finding::Uncovered { .. } | Finding::Unserved { .. })
    }));
}

/// Whether each slot has an owner that answers and that the others do not hold for failed, as redis-cli sees it.
pub fn is_covered(report: &Report) -> bool {
    let owns = |id: NodeId| {
        report.masters().any(|master| master.node.id == id && !master.node.slots.is_empty())
    };
    !report.findings.iter().any(|finding| match finding {
        Finding::Uncovered { .. } | Finding::Unserved { .. } => true,
        Finding::Failed { node, .. } => owns(node.id),
        _ => false,
    })
}

fn multiple_owners(report: &Report, asked: bool, lines: &mut Vec<String>) {
    let shared = findings(report, |it| matches!(it, Finding::MultipleOwners { .. }));
    if asked || !shared.is_empty() {
        lines.push(">>> Check for multiple slot owners...".into());
        if shared.is_empty() {
            lines.push("[OK] No multiple owners found.".into());
        }
        lines.extend(shared);
    }
}

fn findings(report: &Report, which: impl Fn(&Finding) -> bool) -> Vec<String> {
    report.findings.iter().filter(|it| which(it)).map(finding).collect()
}
