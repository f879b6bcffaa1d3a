//! `status`: a cluster in one screen.

mod prometheus;
mod table;

use redistrib_ops::model::findings::{Lag, replication_lag};
use redistrib_ops::model::sample::NodeState;
use redistrib_ops::model::{Finding, NodeId, Severity, Slot};
use redistrib_ops::{NodeReport, Report};
use serde::Serialize;

use super::json::is_healthy;

pub use prometheus::{healthy, prometheus};
pub use table::table;

/// A cluster at a glance.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The node that was asked, `host:port`.
    pub seed: String,
    /// Whether nothing worse than a warning was found.
    pub healthy: bool,
    /// How many findings of each weight there are.
    pub errors: usize,
    /// The same of warnings.
    pub warnings: usize,
    /// The share of slots that have an owner that answers, in percent.
    pub slots_percent: f64,
    /// All keys of the masters, as far as they say.
    pub keys: Sum,
    /// The bytes of memory that the servers use together, as far as they say.
    pub memory: Sum,
    /// The commands that the servers execute a second, together, as far as they say.
    pub ops_per_second: Sum,
    /// The nodes, shard by shard, the master first.
    pub nodes: Vec<NodeStatus>,
}

/// What nodes report, together; null where none of them does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Sum {
    /// Of those that report it.
    pub known: Option<u64>,
    /// Whether some do not.
    #[serde(skip)]
    pub is_partial: bool,
}

impl Sum {
    fn of(numbers: impl Iterator<Item = Option<u64>>) -> Self {
        let (mut known, mut is_partial) = (None, false);
        for number in numbers {
            match number {
                Some(number) => known = Some(number.saturating_add(known.unwrap_or(0))),
                None => is_partial = true,
            }
        }
        Self { known, is_partial }
    }
}

/// One node. What it does not report is null.
#[derive(Debug, Serialize)]
pub struct NodeStatus {
    /// How it is.
    pub state: NodeState,
    /// `master` or `replica`.
    pub role: &'static str,
    /// The number of its shard, by the order of the slots, from 1; none for one whose master owns no slots.
    pub shard: Option<usize>,
    /// Its id.
    pub id: NodeId,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// The id of its master, for a replica.
    pub master: Option<NodeId>,
    /// How many slots it owns.
    pub slot_count: usize,
    /// The same in percent of all.
    pub slots_percent: f64,
    /// How many keys it holds.
    pub keys: Option<u64>,
    /// The bytes of memory its server uses.
    pub memory: Option<u64>,
    /// The commands it executes a second.
    pub ops_per_second: Option<u64>,
    /// By how many bytes of the replication stream it is behind its master.
    pub lag_bytes: Option<u64>,
    /// Since how many seconds its master has not heard from it.
    pub lag_seconds: Option<u64>,
    /// Its server's name and version.
    pub version: Option<String>,
    /// Since how many seconds its server runs.
    pub uptime_seconds: Option<u64>,
}

impl Status {
    /// The status that a report shows.
    pub fn new(report: &Report, seed: &impl ToString) -> Self {
        let shards = shards(report);
        let mut nodes: Vec<NodeStatus> =
            report.nodes.iter().map(|node| NodeStatus::new(report, node, &shards)).collect();
        // Nodes without a shard come last.
        nodes.sort_by_key(|node| (node.shard.is_none(), node.shard, node.role != "master"));
        let sum = |of: fn(&NodeStatus) -> Option<u64>| Sum::of(nodes.iter().map(of));
        let count =
            |severity| report.findings.iter().filter(|it| it.severity() == severity).count();
        Self {
            seed: seed.to_string(),
            healthy: is_healthy(report),
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            slots_percent: percent(usize::from(Slot::COUNT) - unserved(report)),
            keys: Sum::of(report.masters().map(|master| master.keys)),
            memory: sum(|node| node.memory),
            ops_per_second: sum(|node| node.ops_per_second),
            nodes,
        }
    }
}

impl NodeStatus {
    fn new(report: &Report, node: &NodeReport, shards: &[NodeId]) -> Self {
        let number = |name| node.info.as_ref().and_then(|info| info.number(name));
        let lag = lag(report, node);
        let of = node.node.master.unwrap_or(node.node.id);
        Self {
            state: NodeState::of(
                node.node.id,
                node.failure.is_some(),
                node.info.as_ref(),
                &report.findings,
            ),
            role: if node.node.is_master() { "master" } else { "replica" },
            shard: shards.iter().position(|id| *id == of).map(|place| place + 1),
            id: node.node.id,
            address: node.endpoint.to_string(),
            master: node.node.master,
            slot_count: node.node.slots.len(),
            slots_percent: percent(node.node.slots.len()),
            keys: node.keys,
            memory: node.memory,
            ops_per_second: number("instantaneous_ops_per_sec"),
            lag_bytes: lag.bytes,
            lag_seconds: lag.seconds,
            version: node.version.clone(),
            uptime_seconds: number("uptime_in_seconds"),
        }
    }
}

/// The masters that own slots, in the order of these.
fn shards(report: &Report) -> Vec<NodeId> {
    let masters = report.masters().filter_map(|it| Some((it.node.slots.first()?, it.node.id)));
    let mut masters: Vec<_> = masters.collect();
    masters.sort();
    masters.into_iter().map(|(_, id)| id).collect()
}

fn lag(report: &Report, node: &NodeReport) -> Lag {
    let of = node.node.master.and_then(|id| report.nodes.iter().find(|it| it.node.id == id));
    let infos = node.info.as_ref().zip(of.and_then(|master| master.info.as_ref()));
    infos.map(|(own, masters)| replication_lag(&node.node, own, masters)).unwrap_or_default()
}

/// How many slots have no owner that answers.
fn unserved(report: &Report) -> usize {
    let missing = report.findings.iter().map(|finding| match finding {
        Finding::Uncovered { slots } | Finding::Unserved { slots, .. } => slots.len(),
        _ => 0,
    });
    missing.sum()
}

fn percent(slots: usize) -> f64 {
    slots as f64 * 100.0 / f64::from(Slot::COUNT)
}
