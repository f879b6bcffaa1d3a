//! `info`: keys, slots and replicas of each master.

use redistrib_ops::model::Slot;
use redistrib_ops::{NodeReport, Report};

/// The lines of `info`, as redis-trib.rb and redis-cli print them.
pub fn info(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report.masters().map(master).collect();
    let keys = report.keys();
    let masters = report.masters().filter(|master| master.keys.is_some()).count();
    lines.push(format!("[OK] {keys} keys in {masters} masters."));
    lines.push(format!("{:.2} keys per slot on average.", keys as f64 / f64::from(Slot::COUNT)));
    lines
}

fn master(report: &NodeReport) -> String {
    let keys = report.keys.map_or_else(|| "unknown".to_owned(), |keys| keys.to_string());
    format!(
        "{} ({}...) -> {keys} keys | {} slots | {} slaves.",
        report.endpoint,
        report.node.id.short(),
        report.node.slots.len(),
        report.replicas
    )
}
