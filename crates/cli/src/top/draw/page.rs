//! The pages that lie over the rest, and the line that says what keys do.

use std::collections::VecDeque;

use ratatui::style::Style;
use redistrib_ops::model::counted;
use redistrib_ops::model::sample::NodeSample;

use super::Scene;
use super::nodes::bars;
use super::paint::Canvas;
use super::underway::clock;
use crate::top::amount::{short, size};
use crate::top::history::Series;
use crate::top::rows::{Column, UNKNOWN};
use crate::top::view::{Page, Panel};

// No wider than the narrowest usual screen.
const HELP: &str = "\
The first lines tell how the whole is, and what is wrong, the worst first;
after the arrow what to do about it.

The map has all 16384 slots. A letter, and its colour, is the shard that owns
them; the table has the same letters, in small for replicas. Signs stand for
slots that something is wrong with, or that are on their way:
  !  without an owner: their keys cannot be reached
  #  disputed: nodes do not agree who owns them
  x  their owner does not answer
  >  open: being moved from one node to another, or left so by a move that was
     interrupted

With m the map shows what slots carry: 9 as much as the hottest, 3 a ninth of
that, · nothing, ? what is not known yet. A cell is as hot as the hottest of
its slots. Redis since 8.2 and Valkey since 8.1 report processor time and bytes,
where cluster-slot-stats-enabled is set.

The table has a line for each node. ? is what a node does not report, or not in
time; behind the state stands how many seconds old the figures of a
node are that is asked less often, since it takes long to answer. ▲ marks what
a shard has half as much again of as the others, or more. The bars are commands
a second of the last minutes, on one scale for all.

  tab          from the nodes to the slot map, and back
  arrows       another node; another slot
  enter        all about the node under the cursor, with its slow commands
  m            the map by keys, processor time, network, and by owners again
  s, S         sort by the next column, by the one before
  r            turn the order round
  /            show only nodes with these letters in address, state, role or
               id; esc shows all again
  c            what could be done about the node and the cluster, with the
               command lines
  , .  < >     in a recording: one sample back or on, sixty back or on
  p, space     let the picture stand still, and go on
  ctrl-l       draw all anew
  ctrl-z       back to the shell for a while; fg goes on
  ?            this page
  q, ctrl-c    the end";

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let lines: Vec<String> = match scene.view.page {
        Page::Help | Page::Cluster => HELP.lines().map(str::to_owned).collect(),
        Page::Node => node_page(scene),
        Page::Plan => super::plan::page(scene),
    };
    let room = usize::from(canvas.area.height);
    let first = usize::from(scene.view.scroll).min(lines.len().saturating_sub(room));
    for (y, line) in (0..canvas.area.height).zip(lines.iter().skip(first)) {
        canvas.cell(0, y, canvas.area.width, line, Style::new());
    }
}

/// The keys of the moment.
pub(super) fn keys(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let view = scene.view;
    let text = match (view.page, view.panel) {
        _ if view.is_typing => "type what to look for; enter keeps it, esc shows all",
        (Page::Cluster, Panel::Nodes) => {
            "q quit  ? help  tab slots  m map  enter detail  c commands  s sort  / filter  p pause"
        }
        (Page::Cluster, Panel::Slots) => "q quit  ? help  tab nodes  m map  arrows slot  p pause",
        _ => "esc back  arrows scroll  q quit",
    };
    canvas.text(0, 0, text, canvas.theme.faint());
}

fn node_page(scene: &Scene<'_>) -> Vec<String> {
    let sample = scene.history.last();
    let chosen = sample.and_then(|sample| sample.node(scene.view.node?));
    let Some(node) = chosen else {
        return vec!["no node is chosen: go to one with the arrows".into()];
    };
    let mut lines = vec![format!(
        "{} {} {}",
        node.address,
        Column::Role.cell(node, scene.history),
        node.node.id
    )];
    lines.push(format!("flags {}, config epoch {}", node.node.flags, node.node.config_epoch));
    lines.extend(node.failure.iter().map(|why| format!("does not answer: {why}")));
    let master = node.node.master.and_then(|id| sample?.node(id));
    lines.extend(master.map(|master| format!("follows {}", master.address)));
    if !node.node.slots.is_empty() {
        lines.push(format!("{}: {}", counted(node.node.slots.len(), "slot"), node.node.slots));
    }
    lines.push(String::new());
    lines.extend(figures(node, scene));
    lines.push(String::new());
    if let Some(series) = scene.history.series(node.node.id) {
        lines.extend(trends(series));
    }
    lines.extend(log(node));
    lines
}

fn figures(node: &NodeSample, scene: &Scene<'_>) -> Vec<String> {
    let it = &node.figures;
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.into());
    let number = |value: Option<u64>| or_unknown(value.map(short));
    let bytes = |value: Option<u64>| or_unknown(value.map(size));
    let limit = match it.max_memory {
        Some(0) => "no limit".into(),
        other => bytes(other),
    };
    let micros =
        |value: Option<u64>| or_unknown(value.map(|us| format!("{:.1} ms", us as f64 / 1000.0)));
    let busy = it.busy.map(|busy| format!(", {} under way", busy.word())).unwrap_or_default();
    vec![
        format!("version       {}", or_unknown(it.version.clone())),
        format!("up since      {} s", or_unknown(it.uptime.map(|it| it.to_string()))),
        format!(
            "keys          {}, expired {}, evicted {}",
            number(it.keys),
            number(it.expired),
            number(it.evicted)
        ),
        format!("memory        {} of {limit}", bytes(it.memory)),
        format!(
            "commands      {} a second, cpu {}%",
            number(it.ops),
            Column::Cpu.cell(node, scene.history)
        ),
        format!("network       in {}/s, out {}/s", bytes(it.net_in), bytes(it.net_out)),
        format!("hit rate      {}%", Column::Hits.cell(node, scene.history)),
        format!(
            "clients       {}, blocked {}, refused {}",
            number(it.clients),
            number(it.blocked),
            number(it.refused)
        ),
        format!("replication   lag {}", Column::Lag.cell(node, scene.history)),
        format!(
            "saving        {} changes since the last save, last fork {}{busy}",
            number(it.unsaved),
            micros(it.fork_us)
        ),
        format!(
            "answers in    {} to PING, {} more to all that is asked here",
            micros(it.ping_us),
            micros(it.asking_us)
        ),
    ]
}

/// The slow log, and what the latency monitor has noticed.
fn log(node: &NodeSample) -> Vec<String> {
    let detail = &node.detail;
    let mut lines = Vec::new();
    if !detail.slow.is_empty() {
        lines.extend([String::new(), "slow commands (SLOWLOG), the last first".into()]);
    }
    lines.extend(detail.slow.iter().map(|it| {
        format!("  {} {:>10.1} ms  {}", clock(it.at_ms), it.micros as f64 / 1000.0, it.command)
    }));
    if !detail.latency.is_empty() {
        lines.extend([String::new(), "latency (LATENCY LATEST)".into()]);
    }
    lines.extend(detail.latency.iter().map(|it| {
        let (at, last, worst) = (clock(it.at_ms), it.last_ms, it.worst_ms);
        format!("  {at} {last:>7} ms  {}, {worst} ms at worst", it.event)
    }));
    lines
}

fn trends(series: &Series) -> Vec<String> {
    let line = |name: &str, values: &VecDeque<Option<u64>>, show: fn(u64) -> String| {
        let most = values.iter().flatten().max().copied().unwrap_or_default();
        format!("{name:<14}{} up to {}", bars(values, most, 60), show(most))
    };
    vec![
        line("commands/s", &series.ops, short),
        line("network/s", &series.network, size),
        line("memory", &series.memory, size),
        line("cpu ms/s", &series.cpu, short),
    ]
}
