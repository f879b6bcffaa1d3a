//! How the whole is: what is wrong with it, in words.

use redistrib_ops::model::sample::{Heavy, Sample};
use redistrib_ops::model::{Finding, NodeId, Severity};

use super::paint::{Canvas, lines_of};
use super::{Scene, underway};
use crate::remedy::next_step;
use crate::style::Tone;
use crate::top::amount::{short, size};
use crate::top::history::History;
use crate::top::rows::letter;

/// The most lines that one thing that is wrong takes, by its place: the worst may be explained.
fn most_lines(place: usize) -> u16 {
    if place == 0 { 3 } else { 2 }
}

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    let theme = canvas.theme;
    let (word, tone) = verdict(sample);
    let mut x = canvas.text(0, 0, "redis-trib top ", theme.head());
    x = canvas.text(x, 0, &format!("{} ", scene.source), theme.head());
    x = canvas.text(x, 0, &word, theme.tone(tone));
    let clock = format!("  {} UTC", underway::clock(sample.at_ms));
    x = canvas.text(x, 0, &clock, theme.faint());
    if scene.view.is_paused {
        canvas.text(x, 0, "  PAUSED", theme.tone(Tone::Odd));
    }
    canvas.text(0, 1, &totals(sample), ratatui::style::Style::new());
    let height = canvas.area.height;
    let troubles = troubles(scene.history);
    let mut y = 2;
    for (told, (tone, text)) in troubles.iter().enumerate() {
        let left = height.saturating_sub(y);
        if left == 0 {
            // The rest is not passed over in silence.
            let more = format!(" … and {} more: see `redis-trib check`", troubles.len() - told);
            let x =
                canvas.area.width.saturating_sub(u16::try_from(more.chars().count()).unwrap_or(0));
            canvas.text(x, height.saturating_sub(1), &more, theme.cursor());
            return;
        }
        y += canvas.words(y, left.min(most_lines(told)), text, theme.tone(*tone));
    }
}

/// How many lines all of it takes.
pub(super) fn height(width: u16, history: &History) -> u16 {
    let told = troubles(history).into_iter().enumerate();
    let lines: u16 = told.map(|(place, (_, text))| lines_of(&text, width, most_lines(place))).sum();
    lines.saturating_add(2)
}

/// The whole in a word, with how good that is.
fn verdict(sample: &Sample) -> (String, Tone) {
    let count = |severity| sample.findings.iter().filter(|it| it.severity() == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) if !sample.heavy().is_empty() => ("[OK] nothing is broken".into(), Tone::Good),
        (0, 0) => ("[OK] nothing is wrong".into(), Tone::Good),
        (0, warnings) => (format!("[WARNING] {warnings} warnings"), Tone::Odd),
        (errors, warnings) => (format!("[ERR] {errors} errors, {warnings} warnings"), Tone::Bad),
    }
}

fn totals(sample: &Sample) -> String {
    let masters = sample.masters().count();
    format!(
        "{masters} masters, {} replicas, {:.1}% of slots served, {} keys, {} memory, {} ops/s, in {}/s, out {}/s",
        sample.nodes.len() - masters,
        sample.served_percent(),
        short(sample.sum_of_masters(|it| it.keys)),
        size(sample.sum(|it| it.memory)),
        short(sample.sum(|it| it.ops)),
        size(sample.sum(|it| it.net_in)),
        size(sample.sum(|it| it.net_out)),
    )
}

/// What is wrong, the worst first, and which shard carries too much.
fn troubles(history: &History) -> Vec<(Tone, String)> {
    let Some(sample) = history.last() else { return Vec::new() };
    let mut found: Vec<&Finding> =
        sample.findings.iter().filter(|it| it.severity() > Severity::Notice).collect();
    found.sort_by_key(|it| std::cmp::Reverse(it.severity()));
    let mut told: Vec<(Tone, String)> = found.into_iter().map(of_finding).collect();
    let mut heavy: Vec<Heavy> = sample.heavy();
    while let Some(master) = heavy.first().map(|it| it.master) {
        let (own, others): (Vec<_>, Vec<_>) = heavy.into_iter().partition(|it| it.master == master);
        told.push((Tone::Odd, of_heavy(history, sample, master, &own)));
        heavy = others;
    }
    told
}

fn of_finding(finding: &Finding) -> (Tone, String) {
    let tone = if finding.severity() == Severity::Error { Tone::Bad } else { Tone::Odd };
    let next = next_step(finding).map(|step| format!(" -> {step}")).unwrap_or_default();
    (tone, format!("{}{next}", crate::render::finding(finding)))
}

fn of_heavy(history: &History, sample: &Sample, master: NodeId, heavy: &[Heavy]) -> String {
    let shard = history.shards().get(&master).map_or('-', |number| letter(*number));
    let address = sample.node(master).map_or("", |node| node.address.as_str());
    let loads: Vec<String> =
        heavy.iter().map(|it| format!("{:.1} times the {}", it.times, it.load.word())).collect();
    format!("[HOT] shard {shard} ({address}) has {} of the others", loads.join(", "))
}
