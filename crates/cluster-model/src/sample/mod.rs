//! A cluster at one moment, small enough to be kept, drawn and written to a file.

mod detail;
mod figures;
mod load;
mod news;
mod owners;
mod passage;
mod slots;

use serde::{Deserialize, Serialize};

pub use detail::{Detail, Focus, LatencyPeak, SlowCommand};
pub use figures::{Busy, Figures};
pub use load::{Heavy, Load};
pub use news::{News, news};
pub use owners::Owners;
pub use passage::{Decline, Passage};
pub use slots::{SlotLoad, SlotLoads, SlotMeasure, SlotStats};

use crate::{Finding, Node, NodeId, ServerInfo, Slot, SlotJob, SlotSet};

/// What was seen of a cluster, and when.
///
/// Its nodes are asked one after the other, so that figures of two nodes can be of two moments: each says how old it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When, in milliseconds since 1970 by the clock of whoever looked. Clocks jump: for display alone.
    pub at_ms: u64,
    /// Milliseconds since that watch began, by a clock that does not jump.
    pub elapsed_ms: u64,
    /// The node that the watch began with, `host:port`.
    pub seed: String,
    /// All nodes.
    pub nodes: Vec<NodeSample>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// The atomic migrations that servers are at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub jobs: Vec<SlotJob>,
    /// The tool that is changing the cluster, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<LockHolder>,
}

/// One node of a [`Sample`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeSample {
    /// The node as it describes itself; where it does not answer, as others do.
    pub node: Node,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// How it is.
    pub state: NodeState,
    /// Why it did not answer, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// How many milliseconds ago it was asked.
    pub age_ms: u64,
    /// What it reported in detail, if somebody looked at it.
    #[serde(default, skip_serializing_if = "Detail::is_empty")]
    pub detail: Detail,
    /// What it reports about itself; empty where it does not answer.
    #[serde(flatten)]
    pub figures: Figures,
}

/// How a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// Well.
    Up,
    /// A replica that is getting all data of its master.
    Syncing,
    /// Reading its data from disk.
    Loading,
    /// A replica without a link to its master.
    Unlinked,
    /// It says that the cluster is down.
    Fail,
    /// It answers, but does not say how it is.
    Unknown,
    /// It does not answer.
    Down,
    /// Nothing is known yet: it has not been asked.
    Unasked,
}

/// A tool that holds the operation lock, as it names itself to the servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockHolder {
    /// Its operation.
    pub verb: String,
    /// The host it runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Since how many seconds it has been connected.
    pub seconds: u64,
}

impl NodeState {
    /// How a node is that has been asked, by what it reports and what has been found.
    ///
    /// ```
    /// use redistrib_cluster_model::sample::NodeState;
    /// use redistrib_cluster_model::{NodeId, ServerInfo};
    ///
    /// let info = ServerInfo::parse("cluster_state:ok\r\nmaster_link_status:down\r\n");
    /// let state = |is_silent, info| NodeState::of(NodeId::from_bytes([1; 20]), is_silent, info, &[]);
    /// assert_eq!(state(false, Some(&info)), NodeState::Unlinked);
    /// assert_eq!((state(false, None), state(true, None)), (NodeState::Unknown, NodeState::Down));
    /// ```
    pub fn of(
        id: NodeId,
        is_silent: bool,
        info: Option<&ServerInfo>,
        findings: &[Finding],
    ) -> Self {
        let is_loading = |finding: &Finding| matches!(finding, Finding::Loading { id: it, .. } if *it == Some(id));
        let field = |name| info.and_then(|info| info.field(name));
        if is_silent && findings.iter().any(is_loading) {
            Self::Loading
        } else if is_silent {
            Self::Down
        } else if field("cluster_state").is_none() {
            Self::Unknown
        } else if field("cluster_state") == Some("fail") {
            Self::Fail
        } else if field("master_sync_in_progress") == Some("1") {
            Self::Syncing
        } else if field("master_link_status") == Some("down") {
            Self::Unlinked
        } else {
            Self::Up
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Syncing => "syncing",
            Self::Loading => "loading",
            Self::Unlinked => "unlinked",
            Self::Fail => "fail",
            Self::Unknown => "unknown",
            Self::Down => "down",
            Self::Unasked => "unasked",
        }
    }
}

impl Sample {
    /// The node of this id.
    pub fn node(&self, id: NodeId) -> Option<&NodeSample> {
        self.nodes.iter().find(|it| it.node.id == id)
    }

    /// The masters.
    pub fn masters(&self) -> impl Iterator<Item = &NodeSample> {
        self.nodes.iter().filter(|it| it.node.is_master())
    }

    /// The masters that own slots, in the order of these: the shards.
    pub fn shards(&self) -> Vec<NodeId> {
        let owners = self.masters().filter_map(|it| Some((it.node.slots.first()?, it.node.id)));
        let mut owners: Vec<_> = owners.collect();
        owners.sort_unstable();
        owners.into_iter().map(|(_, id)| id).collect()
    }

    /// The slots without an owner that answers. Where no node does, nobody says who owns what, and no slot has one.
    pub fn unserved(&self) -> SlotSet {
        if self.nodes.iter().all(|it| it.failure.is_some()) {
            return SlotSet::full();
        }
        let missing = self.findings.iter().filter_map(|finding| match finding {
            Finding::Uncovered { slots } | Finding::Unserved { slots, .. } => Some(slots),
            _ => None,
        });
        missing.fold(SlotSet::new(), |all, slots| all.union(slots))
    }

    /// The share of slots that have an owner that answers, in percent.
    pub fn served_percent(&self) -> f64 {
        let served = usize::from(Slot::COUNT) - self.unserved().len();
        served as f64 * 100.0 / f64::from(Slot::COUNT)
    }

    /// A figure of all masters that reported it, summed up; `None` where none of them did.
    pub fn sum_of_masters(&self, of: impl Fn(&Figures) -> Option<u64>) -> Option<u64> {
        self.masters().filter_map(|it| of(&it.figures)).reduce(u64::saturating_add)
    }

    /// The same of all nodes.
    pub fn sum(&self, of: impl Fn(&Figures) -> Option<u64>) -> Option<u64> {
        self.nodes.iter().filter_map(|it| of(&it.figures)).reduce(u64::saturating_add)
    }
}
