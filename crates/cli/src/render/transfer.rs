//! `import`, `copy` and `reshard-fleet`: what became of the keys, or would.

use std::time::Duration;

use redistrib_ops::model::{agreeing, counted};
use redistrib_ops::transfer::{Left, Survey, TransferReport};

use super::{bytes, to_do};
use crate::remedy::for_left;

/// So many keys that were left are named on a terminal; `--json` names more.
const NAMED: usize = 20;

/// What became of the keys, in lines.
pub fn transferred(report: &TransferReport, took: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    let were = if report.left.count == 1 { "was not copied" } else { "were not copied" };
    left(&report.left, "[ERR]", were, &mut lines);
    lines.extend(next_steps(&report.left));
    strays(&report.strays, report.braced, &mut lines);
    if let Some(failure) = &report.failure {
        lines.push(format!("[ERR] {failure}"));
    }
    if report.interrupted {
        lines.push("[WARNING] Interrupted: run the same command again to copy the rest".into());
    } else if report.failure.is_some() {
        lines.push(format!(
            "[WARNING] Ended early, after {} of about {} had been found: run the same command again to copy the rest",
            report.seen,
            counted(report.expected, "key")
        ));
    }
    let mark = if report.is_complete() { "[OK]" } else { "[WARNING]" };
    let mut summary =
        format!("{mark} Copied {} ({})", counted(report.copied, "key"), bytes(report.bytes));
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

/// What would become of the keys, in lines; with `replace`, of those that are there already, too.
pub fn surveyed(survey: &Survey, replace: bool) -> Vec<String> {
    let mut lines = Vec::new();
    strays(&survey.strays, survey.braced, &mut lines);
    if survey.homeless > 0 {
        let count = survey.homeless;
        let (keys, belong) = (counted(count, "key"), agreeing(count, "belongs", "belong"));
        lines.push(format!("[ERR] {keys} {belong} to slots that nobody serves"));
    }
    for place in survey.places.iter().filter(|place| place.keys > 0) {
        let there = match place.there {
            0 => String::new(),
            there => format!(", of which {there} have a key of that name there"),
        };
        lines.push(format!("{} would go to {}{there}", counted(place.keys, "key"), place.target));
    }
    let kept = if replace { 0 } else { survey.there() };
    let there = match kept {
        0 => String::new(),
        kept => format!(" {kept} have a key of that name there and are compared,"),
    };
    lines.push(format!(
        "[OK] {} looked at: {} would be copied,{there} {} are where they belong.",
        counted(survey.seen, "key"),
        survey.keys().saturating_sub(kept),
        survey.stayed
    ));
    lines
}

/// What to do about them.
fn next_steps(left: &Left) -> Vec<String> {
    to_do(left.named.iter().filter_map(|key| for_left(&key.reason)))
}

/// What names in a fleet do not show.
fn strays(strays: &Left, braced: u64, lines: &mut Vec<String>) {
    let what = match strays.count {
        1 => "is not where its name leads: written with a hash tag? --tags says where it belongs",
        _ => {
            "are not where their names lead: written with a hash tag? --tags says where they belong"
        }
    };
    left(strays, "[WARNING]", what, lines);
    if braced > 0 {
        lines.push(format!(
            "[WARNING] {braced} keys hold a brace: clients of a fleet take it for a hash tag and look elsewhere"
        ));
    }
}

fn left(left: &Left, mark: &str, what: &str, lines: &mut Vec<String>) {
    if left.count == 0 {
        return;
    }
    lines.push(format!("{mark} {} {what}:", counted(left.count, "key")));
    lines.extend(left.named.iter().take(NAMED).map(|key| format!("  {key}")));
    let more = left.count.saturating_sub(left.named.len().min(NAMED) as u64);
    if more > 0 {
        lines.push(format!("  and {more} more"));
    }
}

#[cfg(test)]
mod tests {
    use redistrib_ops::transfer::{LeftKey, SkipReason};

    use super::*;

    #[test]
    fn what_to_do_about_keys_that_were_left_is_told_once_for_each_reason() {
        let payload = |target: &str| SkipReason::Payload {
            from: "redis 8.6.2".into(),
            target: target.into(),
            to: "redis 6.2.5".into(),
            reply: "ERR DUMP payload version or checksum are wrong".into(),
        };
        let reasons = [
            payload("h:1"),
            payload("h:2"),
            SkipReason::Busy { target: "h:1".into() },
            SkipReason::Unconfirmed,
        ];
        let key = |reason| LeftKey { key: "k".into(), source: "h:9".into(), reason };
        let left = Left { count: 4, named: reasons.map(key).into() };
        let lines =
            transferred(&TransferReport { left, ..Default::default() }, Duration::default());
        let next = lines.iter().position(|line| line == ">>> What to do next:").unwrap();
        let steps: Vec<_> =
            lines[next + 1..].iter().take_while(|it| it.starts_with("    ")).collect();
        assert!(
            matches!(steps[..], [newer, replace]
                if newer.contains("cannot read what redis 8.6.2 has saved") && replace.contains("--replace")),
            "{lines:?}"
        );
    }
}
