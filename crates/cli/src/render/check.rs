//! `check`: the cluster's nodes and what is wrong with them.

use redistrib_ops::model::{Finding, NodeId, Severity, SlotSet};
use redistrib_ops::{Endpoint, NodeReport, Report};

use super::{finding, nodes, to_do};
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

/// What to do about warnings and errors.
pub fn next_steps(report: &Report) -> Vec<String> {
    let grave = report.findings.iter().filter(|finding| finding.severity() > Severity::Notice);
    to_do(grave.filter_map(next_step))
}

/// Whether redis-cli has a sentence for it, so that it stands in a section of its own.
fn has_section(finding: &Finding) -> bool {
    matches!(
        finding,
        Finding::Disagreement { .. }
            | Finding::OpenSlots(_)
            | Finding::Uncovered { .. }
            | Finding::Unserved { .. }
            | Finding::MultipleOwners { .. }
    )
}

fn agreement(report: &Report, lines: &mut Vec<String>) {
    let disputes = findings(report, |it| matches!(it, Finding::Disagreement { .. }));
    lines.push(agreement_line(disputes.is_empty()).into());
    lines.extend(disputes);
}

/// What redis-cli says of whether all nodes agree.
pub(super) fn agreement_line(agree: bool) -> &'static str {
    match agree {
        true => "[OK] All nodes agree about slots configuration.",
        false => "[ERR] Nodes don't agree about configuration!",
    }
}

fn open_slots(report: &Report, lines: &mut Vec<String>) {
    lines.extend(open_slot_lines(report, |slots| slots.to_string().replace(' ', ",")));
    lines.extend(findings(report, |it| matches!(it, Finding::OpenSlots(_))));
}

/// What redis-cli says of open slots, which `listed` writes.
pub(super) fn open_slot_lines(report: &Report, listed: fn(&SlotSet) -> String) -> Vec<String> {
    let mut lines = vec![">>> Check for open slots...".to_owned()];
    let mut open = SlotSet::new();
    for NodeReport { node, endpoint, .. } in &report.nodes {
        for (state, slots) in [("migrating", &node.migrating), ("importing", &node.importing)] {
            let slots: SlotSet = slots.iter().map(|(slot, _)| *slot).collect();
            if !slots.is_empty() {
                let listed = listed(&slots);
                lines.push(format!(
                    "[WARNING] Node {endpoint} has slots in {state} state {listed}."
                ));
            }
            open = open.union(&slots);
        }
    }
    if !open.is_empty() {
        lines.push(format!("[WARNING] The following slots are open: {}.", listed(&open)));
    }
    lines
}

fn coverage(report: &Report, lines: &mut Vec<String>) {
    lines.extend(coverage_lines(is_covered(report)));
    lines.extend(findings(report, |it| {
        matches!(it, Finding::Uncovered { .. } | Finding::Unserved { .. })
    }));
}

/// What redis-cli says of whether each slot has an owner.
pub(super) fn coverage_lines(are_covered: bool) -> Vec<String> {
    let verdict: &[&str] = match are_covered {
        true => &["[OK] All 16384 slots covered."],
        false => &["[ERR] Not all 16384 slots are covered by nodes.", ""],
    };
    [">>> Check slots coverage..."].iter().chain(verdict).map(ToString::to_string).collect()
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
