//! How the whole is: what is wrong with it, in words.

use redistrib_ops::model::counted;
use redistrib_ops::model::sample::{Heavy, NodeState, Sample};
use redistrib_ops::model::{Finding, NodeId, Severity};

use super::paint::{Canvas, lines_of};
use super::{Scene, underway};
use crate::remedy::next_step;
use crate::style::Tone;
use crate::top::amount::{short, size};
use crate::top::history::History;
use crate::top::rows::letter;
use crate::voice;

/// The most lines that one thing that is wrong takes, by its place: the worst may be explained.
fn most_lines(place: usize) -> u16 {
    if place == 0 { 3 } else { 2 }
}

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    let theme = canvas.theme;
    let (word, tone) = verdict(sample);
    let name = format!("redis-trib top {} ", scene.source);
    let is_narrow = canvas.area.width < FEW;
    // How it is comes first where there is little room.
    let mut x = if is_narrow { 0 } else { canvas.text(0, 0, &name, theme.head()) };
    x = canvas.text(x, 0, &word, theme.tone(tone));
    let clock = format!("  {} UTC", underway::clock(sample.at_ms));
    x = canvas.text(x, 0, &clock, theme.faint());
    if scene.view.is_paused {
        canvas.text(x, 0, "  PAUSED", theme.tone(Tone::Odd));
    }
    let height = canvas.area.height;
    let troubles = troubles(scene.history);
    let mut y = 1;
    let is_squeezed = height < self::height(canvas.area.width, scene.history).min(4);
    if !is_squeezed {
        canvas.text(0, y, &totals(sample, canvas.area.width), ratatui::style::Style::new());
        y += 1;
    }
    for (place, (tone, text)) in troubles.iter().enumerate() {
        let left = height.saturating_sub(y);
        if left == 0 {
            // The rest is not passed over in silence.
            let more = troubles.len() - place;
            let more = if is_narrow {
                format!(" … {more} more")
            } else {
                format!(" … and {more} more: see {}", voice::spelt("`redis-trib check`"))
            };
            let x =
                canvas.area.width.saturating_sub(u16::try_from(more.chars().count()).unwrap_or(0));
            canvas.text(x, height.saturating_sub(1), &more, theme.cursor());
            return;
        }
        y += canvas.words(y, left.min(most_lines(place)), text, theme.tone(*tone));
    }
}

/// So few columns are too narrow for whole sentences.
const FEW: u16 = 60;

/// How many lines all of it takes.
pub(super) fn height(width: u16, history: &History) -> u16 {
    let troubles = troubles(history).into_iter().enumerate();
    let lines: u16 =
        troubles.map(|(place, (_, text))| lines_of(&text, width, most_lines(place))).sum();
    lines.saturating_add(2)
}

/// The whole in a word, with how good that is.
fn verdict(sample: &Sample) -> (String, Tone) {
    let count = |severity| sample.findings.iter().filter(|it| it.severity() == severity).count();
    let unasked = sample.nodes.iter().filter(|it| it.state == NodeState::Unasked).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) if unasked > 0 => (
            format!("nothing is wrong so far, {} still to be asked", counted(unasked, "node")),
            Tone::Odd,
        ),
        (0, 0) if !sample.heavy().is_empty() => ("[OK] nothing is broken".into(), Tone::Good),
        (0, 0) => ("[OK] nothing is wrong".into(), Tone::Good),
        (0, warnings) => (format!("[WARNING] {}", counted(warnings, "warning")), Tone::Odd),
        (errors, 0) => (format!("[ERR] {}", counted(errors, "error")), Tone::Bad),
        (errors, warnings) => {
            let (errors, warnings) = (counted(errors, "error"), counted(warnings, "warning"));
            (format!("[ERR] {errors}, {warnings}"), Tone::Bad)
        }
    }
}

/// As much as there is room for.
fn totals(sample: &Sample, width: u16) -> String {
    let masters = sample.masters().count();
    let known = |sum: Option<u64>, text: fn(u64) -> String| sum.map_or_else(|| "?".into(), text);
    let (network_in, network_out) = (sample.sum(|it| it.net_in), sample.sum(|it| it.net_out));
    let parts = [
        counted(masters, "master"),
        counted(sample.nodes.len() - masters, "replica"),
        format!("{:.1}% of slots served", sample.served_percent()),
        counted(known(sample.sum_of_masters(|it| it.keys), short), "key"),
        format!("{} memory", known(sample.sum(|it| it.memory), size)),
        format!("{} ops/s", known(sample.sum(|it| it.ops), short)),
        format!("in {}/s", known(network_in, size)),
        format!("out {}/s", known(network_out, size)),
    ];
    let fitting = (1..=parts.len()).map(|count| parts[..count].join(", "));
    let fitting = fitting.take_while(|line| line.chars().count() <= usize::from(width));
    fitting.last().unwrap_or_else(|| parts[0].clone())
}

/// What is wrong, the worst first, and which shard carries too much.
fn troubles(history: &History) -> Vec<(Tone, String)> {
    let Some(sample) = history.last() else { return Vec::new() };
    let mut found: Vec<&Finding> =
        sample.findings.iter().filter(|it| it.severity() > Severity::Notice).collect();
    found.sort_by_key(|it| std::cmp::Reverse(it.severity()));
    let mut troubles: Vec<(Tone, String)> = found.into_iter().map(of_finding).collect();
    let mut heavy: Vec<Heavy> = sample.heavy();
    while let Some(master) = heavy.first().map(|it| it.master) {
        let (own, others): (Vec<_>, Vec<_>) = heavy.into_iter().partition(|it| it.master == master);
        troubles.push((Tone::Odd, of_heavy(history, sample, master, &own)));
        heavy = others;
    }
    troubles
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
