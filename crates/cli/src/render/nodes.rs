//! The `M:` and `S:` blocks.

use redistrib_ops::model::{Node, SlotSet};
use redistrib_ops::{Endpoint, NodeReport};

/// `[0-5460],[10923]`, as redis-cli writes slots.
pub(super) fn bracketed(slots: &SlotSet) -> String {
    let ranges: Vec<String> = slots.ranges().map(|range| format!("[{range}]")).collect();
    ranges.join(",")
}

/// The block of one node of a cluster, as `check` shows it.
pub(super) fn block(report: &NodeReport) -> Vec<String> {
    let mut lines = head(&report.node, &report.endpoint);
    if report.node.is_master() {
        if report.replicas > 0 {
            lines.push(format!("   {} additional replica(s)", report.replicas));
        }
    } else if let Some(master) = report.node.master {
        lines.push(format!("   replicates {master}"));
    }
    lines
}

fn head(node: &Node, endpoint: &Endpoint) -> Vec<String> {
    let (mark, role) = if node.is_master() { ('M', "master") } else { ('S', "slave") };
    let slots = bracketed(&node.slots);
    vec![
        format!("{mark}: {} {endpoint}", node.id),
        format!(
            "   slots:{} ({} slots) {role}",
            if slots.is_empty() { " " } else { &slots },
            node.slots.len()
        )
        .replace(":  (", ": ("),
    ]
}
