//! What is under way, and what has happened.

use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::style::Style;
use redistrib_ops::model::sample::{Decline, LockHolder, NodeSample, NodeState, Sample};
use redistrib_ops::model::{NodeId, SlotJob, counted};

use super::Scene;
use super::paint::Canvas;
use crate::style::Tone;
use crate::top::amount::{short, size};
use crate::top::history::{Course, History, Route};

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    let theme = canvas.theme;
    let now = under_way(sample, scene.history);
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

fn under_way(sample: &Sample, history: &History) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(LockHolder { verb, host, pid, seconds }) = &sample.holder {
        lines.push(format!(
            "{verb}, process {pid} on {host}, has been changing the cluster for {seconds} s"
        ));
    }
    lines.extend(pairs(sample, history));
    lines.extend(sample.jobs.iter().map(|job| of_job(job, sample, history)));
    lines.extend(sample.masters().filter_map(|master| failover(master, sample)));
    let syncing = sample.nodes.iter().filter(|it| it.state == NodeState::Syncing);
    lines.extend(syncing.map(|node| {
        let mut parts = vec![format!("{} is getting all its master's data", node.address)];
        parts.extend(node.figures.sync_left.map(|left| format!("{} to come", size(left))));
        let decline = history.decline(Course::Sync(node.node.id));
        parts.extend(decline.into_iter().flat_map(|it| pace(it, size)));
        parts.join(", ")
    }));
    lines
}

fn name(sample: &Sample, id: NodeId) -> String {
    sample.node(id).map_or_else(|| id.to_string(), |it| it.address.clone())
}

/// The pairs of masters between which slots are open, or have gone over lately, whoever moves them.
fn pairs(sample: &Sample, history: &History) -> Vec<String> {
    let mut pairs: BTreeMap<Route, Vec<String>> = BTreeMap::new();
    for (route, speed) in history.speeds() {
        pairs.insert(route.clone(), vec![format!("{speed:.1} slots/s")]);
    }
    for passage in sample.passages() {
        let route = (name(sample, passage.from), name(sample, passage.to));
        let parts = pairs.entry(route).or_default();
        parts.push(format!("{} open", passage.slots));
        let keys = passage.keys.filter(|keys| *keys > 0);
        parts.extend(keys.map(|keys| counted(short(keys), "key")));
        let decline = history.decline(Course::Slots(passage.from, passage.to));
        parts.extend(decline.into_iter().flat_map(|it| pace(it, short)));
    }
    let line = |((from, to), mut parts): (Route, Vec<String>)| {
        let source = sample.masters().find(|it| it.address == from);
        parts.extend(source.and_then(|it| hold_up(history, it.node.id)));
        format!("{from} -> {to}: {}", parts.join(", "))
    };
    pairs.into_iter().map(line).collect()
}

/// How fast something becomes less, and how long that will take.
fn pace(decline: &Decline, show: fn(u64) -> String) -> impl Iterator<Item = String> {
    let speed = decline
        .per_second()
        .filter(|it| *it >= 1.0)
        .map(|it| format!("{}/s", show(it.round() as u64)));
    let left = decline.time_left().map(|left| format!("{} to go", span(left)));
    speed.into_iter().chain(left)
}

/// How long a master stands still for MIGRATE.
fn hold_up(history: &History, from: NodeId) -> Option<String> {
    let series = history.series(from)?;
    let (each, part) = series.migrate_us.zip(series.migrating)?;
    let (each, part) = (each as f64 / 1000.0, part as f64 / 10.0);
    Some(format!("held up {each:.1} ms a MIGRATE, {part:.1}% of its time"))
}

fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => "1 s".into(),
        seconds @ 1..=99 => format!("{seconds} s"),
        seconds @ 100..=5999 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3600),
    }
}

/// A migration that the servers carry out by themselves. The speed is that of the server that counts its bytes.
fn of_job(job: &SlotJob, sample: &Sample, history: &History) -> String {
    let (from, to) = (name(sample, job.from), name(sample, job.to));
    let mut line = format!(
        "the servers move {} at once: {from} -> {to}, {}",
        counted(job.slots.len(), "slot"),
        job.state
    );
    let speed = |id| history.series(id)?.job_bytes.filter(|bytes| *bytes > 0);
    if let Some(bytes) = speed(job.from).or_else(|| speed(job.to)) {
        line.push_str(&format!(", {}/s", size(bytes)));
    }
    if let Some(left) = job.left.filter(|left| *left > 0) {
        line.push_str(&format!(", {} of writes to come", size(left)));
    }
    if job.retries > 0 {
        line.push_str(&format!(", tried {} again", counted(job.retries, "time")));
    }
    line
}

/// A master that does not answer, and the replica that can take its place.
fn failover(master: &NodeSample, sample: &Sample) -> Option<String> {
    let is_due = master.state == NodeState::Down && !master.node.slots.is_empty();
    let replicas = sample.nodes.iter().filter(|it| it.node.master == Some(master.node.id));
    let mut replicas = replicas.filter(|it| it.failure.is_none()).filter(|_| is_due);
    let replica = replicas.next()?;
    let more = replicas.count();
    let whose = if more > 0 { format!(" or one of {more} more") } else { String::new() };
    let flags = &master.node.flags;
    let said = if flags.is_failed() {
        "the masters have called it failed"
    } else if flags.is_suspected() {
        "the masters are about to call it failed"
    } else {
        "the nodes do not miss it yet"
    };
    Some(format!(
        "{} is silent, {said}: {}{whose} can take its place",
        master.address, replica.address
    ))
}
