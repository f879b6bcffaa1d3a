//! `list`: the tree of masters and replicas.

use redistrib_ops::{NodeReport, Report};

use super::size::bytes;
use super::{column_width, nodes};

/// The lines of `list`: each master with its replicas below it, masters in the order of their slots. The first words
/// of each line are those of redis-trib.py's list.
pub fn list(report: &Report) -> Vec<String> {
    let failed = report.nodes.iter().filter(|node| node.failure.is_some()).count();
    let masters = report.masters().count();
    let mut lines =
        vec![format!("Total {} nodes, {masters} masters, {failed} fail", report.nodes.len())];
    let width = column_width(report.nodes.iter().map(|node| node.endpoint.to_string()));
    let mut ordered: Vec<&NodeReport> = report.masters().collect();
    ordered.sort_by_key(|master| {
        (master.node.slots.iter().next().is_none(), master.node.slots.iter().next(), master.node.id)
    });
    for master in ordered {
        lines.push(row("M ", master, width));
        lines.extend(report.replicas_of(master.node.id).map(|replica| row(" S", replica, width)));
    }
    let known =
        |node: &NodeReport| report.nodes.iter().any(|it| Some(it.node.id) == node.node.master);
    let orphans = report.nodes.iter().filter(|node| !node.node.is_master() && !known(node));
    lines.extend(orphans.map(|orphan| row(" S", orphan, width) + " without a master"));
    lines.extend(super::jobs(report));
    lines
}

fn row(mark: &str, report: &NodeReport, width: usize) -> String {
    let node = &report.node;
    let address = report.endpoint.to_string();
    let mut row = format!("{mark} {address:<width$} {} {:<7}", node.id, role(report));
    if node.is_master() {
        row += &format!(" {:>5} slots", node.slots.len());
    }
    match &report.failure {
        Some(failure) => row += &format!(" unreachable: {failure}"),
        None => {
            let keys = report.keys.map_or_else(|| "?".to_owned(), |keys| keys.to_string());
            let memory = report.memory.map_or_else(|| "?".to_owned(), bytes);
            row += &format!(" {keys:>9} keys {memory:>10}");
        }
    }
    if !node.slots.is_empty() {
        row += &format!("  {}", nodes::bracketed(&node.slots));
    }
    if node.has_open_slots() {
        row += " [migrating]";
    }
    row
}

fn role(report: &NodeReport) -> &'static str {
    if report.node.is_master() { "master" } else { "slave" }
}
