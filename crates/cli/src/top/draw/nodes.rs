//! The table of nodes.

use std::collections::{HashMap, VecDeque};

use ratatui::style::Style;
use redistrib_ops::model::NodeId;
use redistrib_ops::model::sample::{Load, NodeSample, NodeState, Sample};

use super::Scene;
use super::paint::Canvas;
use crate::style::Tone;
use crate::top::rows::{self, Column, letter, shard_of};
use crate::top::view::Panel;

const BARS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The widest column of addresses.
const WIDEST_ADDRESS: usize = 46;

pub(super) fn draw(canvas: &mut Canvas<'_>, scene: &Scene<'_>) {
    let Some(sample) = scene.history.last() else { return };
    let shown = rows::sorted(sample, scene.history.shards(), scene.view);
    let columns = columns(canvas.area.width, &shown);
    heading(canvas, &columns, scene, shown.len(), sample.nodes.len());
    let table = Table::new(sample, scene, columns);
    let rows = usize::from(canvas.area.height.saturating_sub(1));
    let selected = shown.iter().position(|it| Some(it.node.id) == scene.view.node);
    let first = first_row(selected.unwrap_or_default(), rows, shown.len());
    for (y, node) in (1..).zip(shown.iter().skip(first).take(rows)) {
        table.row(canvas, y, node);
        let is_selected = scene.view.node == Some(node.node.id) && scene.has_keys;
        if is_selected && scene.view.panel == Panel::Nodes {
            canvas.style_line(y, canvas.theme.cursor());
        }
    }
}

/// The row at the top, so that the selected one is seen, in the middle if it can be.
fn first_row(selected: usize, rows: usize, all: usize) -> usize {
    selected.saturating_sub(rows / 2).min(all.saturating_sub(rows))
}

/// The columns that there is room for, with where they begin and how wide they are.
fn columns(width: u16, shown: &[&NodeSample]) -> Vec<(Column, u16, u16)> {
    let longest = shown.iter().map(|it| it.address.chars().count()).max().unwrap_or_default();
    let address = u16::try_from(longest.clamp(9, WIDEST_ADDRESS)).unwrap_or(21);
    let wide = |column: Column| if column == Column::Node { address } else { column.width() };
    let mut chosen = Column::ALL.to_vec();
    let total = |chosen: &[(Column, u8)]| -> u16 {
        chosen.iter().map(|(column, _)| wide(*column) + 1).sum()
    };
    while total(&chosen) > width.saturating_add(1)
        && let Some(worst) = chosen.iter().map(|(_, rank)| *rank).max().filter(|rank| *rank > 0)
    {
        let place = chosen.iter().rposition(|(_, rank)| *rank == worst).unwrap_or_default();
        chosen.remove(place);
    }
    let mut x = 0;
    let place = |(column, _): (Column, u8)| {
        let at = x;
        x += wide(column) + 1;
        (column, at, wide(column))
    };
    chosen.into_iter().map(place).collect()
}

fn heading(
    canvas: &mut Canvas<'_>,
    columns: &[(Column, u16, u16)],
    scene: &Scene<'_>,
    shown: usize,
    all: usize,
) {
    let head = canvas.theme.head();
    for (column, x, width) in columns {
        let is_sorted = *column == scene.view.sort && scene.has_keys;
        let arrow = if scene.view.is_reversed { "▲" } else { "▼" };
        let title = format!("{}{}", column.title(), if is_sorted { arrow } else { "" });
        put(canvas, (*x, *width), 0, &title, head, column.is_number());
    }
    let view = scene.view;
    if view.is_typing || !view.filter.is_empty() {
        let typed = if view.is_typing { "_" } else { "" };
        let text = format!(" /{}{typed} {shown} of {all} ", view.filter);
        let x = canvas.area.width.saturating_sub(u16::try_from(text.chars().count()).unwrap_or(0));
        canvas.text(x, 0, &text, canvas.theme.cursor());
    }
}

/// Numbers stand to the right of their columns.
fn put(
    canvas: &mut Canvas<'_>,
    (x, width): (u16, u16),
    y: u16,
    text: &str,
    style: Style,
    right: bool,
) {
    let text =
        if right { format!("{text:>width$}", width = usize::from(width)) } else { text.to_owned() };
    canvas.cell(x, y, width, &text, style);
}

struct Table<'a> {
    scene: &'a Scene<'a>,
    columns: Vec<(Column, u16, u16)>,
    shards: &'a HashMap<NodeId, usize>,
    heavy: Vec<(NodeId, Load)>,
    /// The most commands a second that any node has executed lately.
    most_ops: u64,
}

impl<'a> Table<'a> {
    fn new(sample: &Sample, scene: &'a Scene<'a>, columns: Vec<(Column, u16, u16)>) -> Self {
        let series = sample.nodes.iter().filter_map(|it| scene.history.series(it.node.id));
        let most_ops = series.flat_map(|it| it.ops.iter().flatten()).max().copied();
        let heavy = sample.heavy().into_iter().map(|it| (it.master, it.load)).collect();
        let shards = scene.history.shards();
        Self { scene, columns, shards, heavy, most_ops: most_ops.unwrap_or_default() }
    }

    fn row(&self, canvas: &mut Canvas<'_>, y: u16, node: &NodeSample) {
        for (column, x, width) in &self.columns {
            let (text, style) = match column {
                Column::Shard => self.shard(canvas, node),
                Column::Trend => (self.trend(node, *width), Style::new()),
                column => {
                    (column.cell(node, self.scene.history), self.style(canvas, *column, node))
                }
            };
            let text = if self.is_heavy(*column, node) { format!("▲{text}") } else { text };
            put(canvas, (*x, *width), y, &text, style, column.is_number());
        }
    }

    fn shard(&self, canvas: &Canvas<'_>, node: &NodeSample) -> (String, Style) {
        match shard_of(node, self.shards) {
            Some(number) if node.node.is_master() => {
                (letter(number).to_string(), canvas.theme.shard(number))
            }
            Some(number) => (letter(number).to_ascii_lowercase().to_string(), Style::new()),
            None => ("-".into(), Style::new()),
        }
    }

    fn is_heavy(&self, column: Column, node: &NodeSample) -> bool {
        let load = match column {
            Column::Ops => Load::Ops,
            Column::Memory => Load::Memory,
            Column::Keys => Load::Keys,
            Column::In | Column::Out => Load::Network,
            _ => return false,
        };
        self.heavy.contains(&(node.node.id, load))
    }

    fn style(&self, canvas: &Canvas<'_>, column: Column, node: &NodeSample) -> Style {
        let full = node.figures.memory_percent();
        let tone = match (column, node.state) {
            (Column::Node | Column::State, NodeState::Down | NodeState::Fail) => Tone::Bad,
            (Column::State, NodeState::Up) => Tone::Good,
            (Column::State, _) => Tone::Odd,
            (Column::Memory, _) if full.is_some_and(|it| it >= 90) => Tone::Bad,
            (Column::Busy, _) => Tone::Odd,
            _ if self.is_heavy(column, node) => Tone::Odd,
            _ => return Style::new(),
        };
        canvas.theme.tone(tone)
    }

    /// Commands a second as bars, on one scale for all nodes.
    fn trend(&self, node: &NodeSample, width: u16) -> String {
        let none = VecDeque::new();
        let ops = self.scene.history.series(node.node.id).map_or(&none, |it| &it.ops);
        bars(ops, self.most_ops, usize::from(width))
    }
}

/// The last figures as bars of eight heights; what is not known is a dot.
pub(super) fn bars(series: &VecDeque<Option<u64>>, most: u64, width: usize) -> String {
    let bar = |figure: &Option<u64>| match figure {
        None => "·",
        Some(figure) => {
            let height = u128::from(*figure) * 7 / u128::from(most.max(1));
            BARS[usize::try_from(height).unwrap_or(7).min(7)]
        }
    };
    let skipped = series.len().saturating_sub(width);
    let padding = " ".repeat(width.saturating_sub(series.len()));
    padding + &series.iter().skip(skipped).map(bar).collect::<String>()
}
