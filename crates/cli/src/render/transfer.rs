//! `import` and `copy`: what became of the keys.

use std::time::Duration;

use redistrib_ops::transfer::{Left, TransferReport};

use super::bytes;

/// So many keys that were left are named on a terminal; `--json` names more.
const NAMED: usize = 20;

/// What became of the keys, in lines.
pub fn transferred(report: &TransferReport, took: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    left(&report.left, "were not copied", &mut lines);
    left(&report.strays, "are not where their names lead", &mut lines);
    if let Some(failure) = &report.failure {
        lines.push(format!("[ERR] {failure}"));
    }
    if report.interrupted {
        lines.push("[WARNING] Interrupted: run the same command again to copy the rest".into());
    }
    let mark = if report.is_complete() { "[OK]" } else { "[WARNING]" };
    let mut summary = format!("{mark} Copied {} keys ({})", report.copied, bytes(report.bytes));
    for (count, what) in [
        (report.same, "were there already"),
        (report.stayed, "are where they belong"),
        (report.removed, "were removed from the source"),
        (report.vanished, "were gone before they were read"),
        (report.verified, "verified"),
    ] {
        if count > 0 {
            summary += &format!(", {count} {what}");
        }
    }
    lines.push(format!("{summary} in {:.2} s.", took.as_secs_f64()));
    lines
}

fn left(left: &Left, what: &str, lines: &mut Vec<String>) {
    if left.count == 0 {
        return;
    }
    lines.push(format!("[ERR] {} keys {what}:", left.count));
    lines.extend(left.named.iter().take(NAMED).map(|key| format!("  {key}")));
    let more = left.count.saturating_sub(left.named.len().min(NAMED) as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
}
