//! The nodes as rows of a table: which columns there are, what stands in them, and their order.

use std::cmp::Reverse;
use std::collections::HashMap;

use redistrib_ops::model::NodeId;
use redistrib_ops::model::sample::{Busy, NodeSample, NodeState, Sample};

use super::amount::{short, size};
use super::history::History;
use super::view::TopView;

/// What is not known.
pub(super) const UNKNOWN: &str = "?";

/// From how many milliseconds on it is shown how old a node's figures are.
const OLD: u64 = 5000;

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// The shard's letter.
    Shard,
    /// The address.
    Node,
    /// Master or replica.
    Role,
    /// How the node is.
    State,
    /// How many slots it owns.
    Slots,
    /// Its keys.
    Keys,
    /// Its memory, and which part of the limit that is.
    Memory,
    /// Commands a second.
    Ops,
    /// The figures of the last minutes.
    Trend,
    /// Bytes a second that come in.
    In,
    /// Bytes a second that go out.
    Out,
    /// Keys found of those looked up.
    Hits,
    /// Its clients.
    Clients,
    /// How far a replica is behind.
    Lag,
    /// Processor time.
    Cpu,
    /// What it does beside its clients.
    Busy,
    /// Its version.
    Version,
}

impl Column {
    /// All, in the order in which they stand, with how soon they give way where it is narrow: the highest first.
    pub const ALL: [(Self, u8); 17] = [
        (Self::Shard, 0),
        (Self::Node, 0),
        (Self::Role, 1),
        (Self::State, 0),
        (Self::Slots, 2),
        (Self::Keys, 3),
        (Self::Memory, 4),
        (Self::Ops, 1),
        (Self::Trend, 9),
        (Self::Cpu, 8),
        (Self::In, 10),
        (Self::Out, 10),
        (Self::Hits, 11),
        (Self::Clients, 7),
        (Self::Lag, 5),
        (Self::Busy, 6),
        (Self::Version, 12),
    ];

    /// Those by which nodes can be sorted.
    const SORTS: [Self; 13] = [
        Self::Shard,
        Self::Node,
        Self::State,
        Self::Slots,
        Self::Keys,
        Self::Memory,
        Self::Ops,
        Self::Cpu,
        Self::In,
        Self::Out,
        Self::Hits,
        Self::Clients,
        Self::Lag,
    ];

    /// The next one to sort by.
    pub fn next(self) -> Self {
        self.beside(1)
    }

    /// The one before.
    pub fn previous(self) -> Self {
        self.beside(Self::SORTS.len() - 1)
    }

    fn beside(self, by: usize) -> Self {
        let place = Self::SORTS.iter().position(|it| *it == self).unwrap_or_default();
        Self::SORTS[(place + by) % Self::SORTS.len()]
    }

    /// What stands above it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Shard => "",
            Self::Node => "node",
            Self::Role => "role",
            Self::State => "state",
            Self::Slots => "slots",
            Self::Keys => "keys",
            Self::Memory => "memory",
            Self::Ops => "ops/s",
            Self::Trend => "ops/s lately",
            Self::In => "in/s",
            Self::Out => "out/s",
            Self::Hits => "hit%",
            Self::Clients => "cli",
            Self::Lag => "lag",
            Self::Cpu => "cpu%",
            Self::Busy => "at",
            Self::Version => "version",
        }
    }

    /// How wide it is; addresses are as wide as the longest, within bounds.
    pub fn width(self) -> u16 {
        match self {
            Self::Shard => 2,
            Self::Node => 21,
            Self::Role => 7,
            Self::State => 8,
            Self::Memory => 10,
            Self::Trend => 16,
            Self::Version => 14,
            Self::Busy => 7,
            Self::Hits | Self::Cpu => 4,
            Self::Slots | Self::Clients => 5,
            Self::Lag => 9,
            Self::Keys | Self::Ops | Self::In | Self::Out => 6,
        }
    }

    /// Whether numbers stand in it, to the right.
    pub fn is_number(self) -> bool {
        !matches!(
            self,
            Self::Shard
                | Self::Node
                | Self::Role
                | Self::State
                | Self::Trend
                | Self::Busy
                | Self::Version
        )
    }

    /// What stands in it for a node; `UNKNOWN` for what the node does not report.
    pub fn cell(self, node: &NodeSample, history: &History) -> String {
        let figures = &node.figures;
        let series = history.series(node.node.id);
        let number = |it: Option<u64>| it.map_or_else(|| UNKNOWN.into(), short);
        let bytes = |it: Option<u64>| it.map_or_else(|| UNKNOWN.into(), size);
        let is_master = node.node.is_master();
        match self {
            Self::Shard | Self::Trend => String::new(),
            Self::Node => node.address.clone(),
            Self::Role => if is_master { "master" } else { "replica" }.into(),
            Self::State if node.age_ms > OLD => {
                format!("{} {}s", node.state.word(), node.age_ms / 1000)
            }
            Self::State => node.state.word().into(),
            Self::Slots if is_master => node.node.slots.len().to_string(),
            Self::Slots => "-".into(),
            Self::Keys => number(figures.keys),
            Self::Memory => memory(node),
            Self::Ops => number(figures.ops),
            Self::In => bytes(figures.net_in),
            Self::Out => bytes(figures.net_out),
            Self::Hits => {
                number(series.and_then(|it| it.hit_rate).filter(|_| figures.hits.is_some()))
            }
            Self::Clients => number(figures.clients),
            Self::Lag if is_master => "-".into(),
            Self::Lag => lag(node),
            Self::Cpu => number(cpu_percent(node, history)),
            Self::Busy if node.state == NodeState::Down => UNKNOWN.into(),
            Self::Busy => figures.busy.map(Busy::word).unwrap_or_default().into(),
            Self::Version => figures.version.clone().unwrap_or_else(|| UNKNOWN.into()),
        }
    }

    /// What nodes are sorted by; what is not known comes last.
    fn key(self, node: &NodeSample) -> Option<u64> {
        let figures = &node.figures;
        match self {
            Self::State => Some(u64::from(node.state != NodeState::Up)),
            Self::Slots => Some(node.node.slots.len() as u64),
            Self::Keys => figures.keys,
            Self::Memory => figures.memory,
            Self::Ops => figures.ops,
            Self::In => figures.net_in,
            Self::Out => figures.net_out,
            Self::Clients => figures.clients,
            Self::Lag => figures.lag_bytes,
            Self::Cpu => figures.cpu_ms,
            Self::Hits => figures.hits,
            _ => None,
        }
    }
}

/// Of the time of one processor, in percent.
fn cpu_percent(node: &NodeSample, history: &History) -> Option<u64> {
    let last = history.series(node.node.id)?.cpu.back().copied().flatten()?;
    node.figures.cpu_ms.map(|_| last / 10)
}

fn memory(node: &NodeSample) -> String {
    let Some(used) = node.figures.memory else { return UNKNOWN.into() };
    match node.figures.memory_percent() {
        Some(percent) => format!("{} {percent}%", size(used)),
        None => size(used),
    }
}

fn lag(node: &NodeSample) -> String {
    match (node.figures.lag_bytes, node.figures.lag_seconds) {
        (None, None) => UNKNOWN.into(),
        (bytes, None | Some(0 | 1)) => size(bytes.unwrap_or_default()),
        (bytes, Some(seconds)) => format!("{} {seconds}s", size(bytes.unwrap_or_default())),
    }
}

/// A shard's letter. After 62 they start again.
pub(crate) fn letter(number: usize) -> char {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    char::from(LETTERS[number % LETTERS.len()])
}

/// The number of a node's shard; none where its master owns no slots.
pub(super) fn shard_of(node: &NodeSample, numbers: &HashMap<NodeId, usize>) -> Option<usize> {
    numbers.get(&node.node.master.unwrap_or(node.node.id)).copied()
}

/// The nodes that the filter lets through, in their order: the largest first, or the shards as their slots stand.
pub(super) fn sorted<'a>(
    sample: &'a Sample,
    numbers: &HashMap<NodeId, usize>,
    view: &TopView,
) -> Vec<&'a NodeSample> {
    let mut nodes: Vec<&NodeSample> =
        sample.nodes.iter().filter(|node| is_shown(node, &view.filter)).collect();
    nodes.sort_by_key(|node| {
        let shard = shard_of(node, numbers);
        (shard.is_none(), shard, !node.node.is_master(), &node.address)
    });
    match view.sort {
        Column::Shard => {}
        Column::Node => nodes.sort_by(|a, b| a.address.cmp(&b.address)),
        column => nodes.sort_by_key(|node| (column.key(node).is_none(), Reverse(column.key(node)))),
    }
    if view.is_reversed {
        nodes.reverse();
    }
    nodes
}

fn is_shown(node: &NodeSample, filter: &str) -> bool {
    let filter = filter.to_lowercase();
    let role = if node.node.is_master() { "master" } else { "replica" };
    let words = [node.address.as_str(), node.state.word(), role];
    let host = node.node.address.hostname.as_deref().unwrap_or_default();
    words.iter().any(|word| word.to_lowercase().contains(&filter))
        || host.to_lowercase().contains(&filter)
        || node.node.id.to_string().starts_with(&filter)
}
