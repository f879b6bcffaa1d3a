//! What people read: lines as redis-trib.rb and redis-cli print them, and a little more.
//!
//! Everything here makes lines out of values. Lines may carry text that servers sent; [`crate::output::Output`]
//! escapes them when it prints.

mod check;
mod create;
mod declared;
mod fix;
mod fleet;
mod info;
pub mod json;
mod list;
mod nodes;
pub mod peers;
mod reshard;
mod size;
mod status;
mod transfer;

pub use check::{check, is_covered, next_steps};
pub use create::create;
pub use declared::plan;
pub use fix::{blocked, fix, is_asked, uncovered};
pub use fleet::fleet_rules;
pub use info::info;
pub use list::list;
pub use reshard::{PlanDetail, reshard};
pub use size::bytes;
pub use status::{Status, healthy, prometheus, table};
pub use transfer::{surveyed, transferred};

use std::collections::HashSet;

use redistrib_ops::Report;
use redistrib_ops::migrate::Migrated;
use redistrib_ops::model::fitness::{Gravity, Obstacle};
use redistrib_ops::model::{Finding, Severity, counted};

use crate::remedy;

/// No column of a table is wider: servers name themselves, and texts cannot be padded to any width (65,535 is the most).
const WIDEST: usize = 1000;

/// The width of a column that holds these texts, in characters.
fn column_width<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> usize {
    texts.map(|text| text.as_ref().chars().count()).max().unwrap_or_default().min(WIDEST)
}

/// What the user should do next, each thing once.
fn to_do(steps: impl Iterator<Item = String>) -> Vec<String> {
    let mut known: HashSet<String> = HashSet::new();
    let steps = steps.filter(|step| known.insert(step.clone()));
    let mut lines: Vec<String> = steps.map(|step| format!("    {step}")).collect();
    if !lines.is_empty() {
        lines.insert(0, ">>> What to do next:".into());
    }
    lines
}

/// What a migration did, in a line.
pub fn migrated(done: &Migrated) -> String {
    let size = if done.bytes > 0 { format!(", {}", bytes(done.bytes)) } else { String::new() };
    let seconds = done.took.as_secs_f64();
    let (slots, keys) = (counted(done.slots, "slot"), counted(done.keys, "key"));
    format!("[OK] Moved {slots} ({keys}{size}) in {seconds:.2} s.")
}

/// A finding as a line with its mark.
pub fn finding(finding: &Finding) -> String {
    let mark = match finding.severity() {
        Severity::Notice => "[INFO]",
        Severity::Warning => "[WARNING]",
        Severity::Error => "[ERR]",
    };
    format!("{mark} {finding}")
}

/// What stands in the way of moves, as a line with its mark.
pub fn obstacle(obstacle: &Obstacle) -> String {
    let mark = match obstacle.weight() {
        Gravity::Passing => "[WARNING]",
        Gravity::Refusal => "[ERR]",
    };
    format!("{mark} {}", remedy::of_obstacle(obstacle))
}

/// The atomic migrations that servers are at, as lines.
pub fn jobs(report: &Report) -> Vec<String> {
    let jobs = report.findings.iter().filter(|it| matches!(it, Finding::AtomicMigration { .. }));
    jobs.map(finding).collect()
}
