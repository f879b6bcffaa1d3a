//! What is under way, and what has happened.

use std::collections::BTreeMap;

use ratatui::style::Style;
use redistrib_ops::model::NodeId;
use redistrib_ops::model::sample::{LockHolder, NodeState, Sample};

use super::Scene;
use super::paint::Canvas;
use crate::style::Tone;
use crate::top::amount::size;

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    let theme = canvas.theme;
    let now = under_way(sample, scene.history.slots_per_second());
    let title = if now.is_empty() { "nothing is under way" } else { "under way" };
    canvas.text(0, 0, title, theme.head());
    let width = canvas.area.width;
    let room = usize::from(canvas.area.height.saturating_sub(1));
    // Something of what has happened is always seen.
    let mut y = 1;
    for text in now.iter().take(room.saturating_sub(1).max(1)) {
        canvas.cell(2, y, width.saturating_sub(2), text, theme.tone(Tone::Odd));
        y += 1;
    }
    for (at, news) in scene.history.news().take(room.saturating_sub(usize::from(y) - 1)) {
        let style = if news.is_bad() { theme.tone(Tone::Bad) } else { Style::new() };
        canvas.text(0, y, &clock(*at), theme.faint());
        canvas.cell(9, y, width.saturating_sub(9), &news.to_string(), style);
        y += 1;
    }
}

/// The time of day, UTC.
pub(super) fn clock(at_ms: u64) -> String {
    let seconds = at_ms / 1000 % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn under_way(sample: &Sample, slots_per_second: f64) -> Vec<String> {
    let name = |id: NodeId| sample.node(id).map_or_else(|| id.to_string(), |it| it.address.clone());
    let mut told = Vec::new();
    if let Some(LockHolder { verb, host, pid, seconds }) = &sample.holder {
        told.push(format!(
            "{verb}, process {pid} on {host}, has been changing the cluster for {seconds} s"
        ));
    }
    if slots_per_second > 0.0 {
        told.push(format!("{slots_per_second:.1} slots a second change hands"));
    }
    for job in &sample.jobs {
        let (count, from, to) = (job.slots.len(), name(job.from), name(job.to));
        let again = if job.retries > 0 {
            format!(", tried {} times again", job.retries)
        } else {
            String::new()
        };
        told.push(format!(
            "the servers move {count} slots at once: {from} -> {to}, {}{again}",
            job.state
        ));
    }
    for ((from, to), count) in open_pairs(sample) {
        told.push(format!("{count} slots are open: {} -> {}", name(from), name(to)));
    }
    for node in sample.nodes.iter().filter(|it| it.state == NodeState::Syncing) {
        let left = node.figures.sync_left.map(|left| format!(", {} to come", size(left)));
        let left = left.unwrap_or_default();
        told.push(format!("{} is getting all its master's data{left}", node.address));
    }
    told
}

/// From where to where how many slots are open, as one of the two or both say.
fn open_pairs(sample: &Sample) -> BTreeMap<(NodeId, NodeId), usize> {
    let mut slots: BTreeMap<(NodeId, NodeId), std::collections::BTreeSet<_>> = BTreeMap::new();
    for master in sample.masters() {
        let own = master.node.id;
        for (slot, to) in &master.node.migrating {
            slots.entry((own, *to)).or_default().insert(*slot);
        }
        for (slot, from) in &master.node.importing {
            slots.entry((*from, own)).or_default().insert(*slot);
        }
    }
    slots.into_iter().map(|(pair, slots)| (pair, slots.len())).collect()
}
