//! What is wrong with a cluster, from what its nodes say.

mod display;
mod membership;
mod open_slots;
mod ownership;
mod survey;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use open_slots::{OpenKind, OpenSlots, OpenState, Way};
pub(crate) use survey::Survey;

use crate::{NodeId, SlotSet, Snapshot};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the cluster is well.
    Notice,
    /// May pass by itself, or may become an error.
    Warning,
    /// The cluster is not well.
    Error,
}

/// A node as a finding names it: displayed as its address, or as its id where no address is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Member {
    /// Its id.
    pub id: NodeId,
    /// Its address, `host:port`; where it was reached, if it does not know its own. Empty if
    /// nothing is known.
    pub address: String,
}

/// What one group of nodes says about slots on which nodes disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The nodes that say so.
    pub nodes: Vec<Member>,
    /// Who owns which of the disputed slots, as they say.
    pub owners: Vec<(Member, SlotSet)>,
    /// The disputed slots that nobody owns, as they say.
    pub unowned: SlotSet,
}

/// One thing that is wrong with a cluster, or worth knowing about it.
///
/// Its [`Display`](std::fmt::Display) is one line without a stop. It carries text that came from
/// servers, so it must be escaped before it reaches a terminal.
///
/// ```
/// use redistrib_cluster_model::{Address, Finding, NodeView, Snapshot, Topology};
///
/// let topology = Topology::parse(
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 ::1:6379 myself,master - 0 0 0 connected 0-9999\n",
/// )?;
/// let snapshot = Snapshot { views: vec![NodeView::answered(Address::new("::1", 6379), topology)] };
/// let findings = snapshot.findings();
/// assert!(matches!(&findings[..], [Finding::Uncovered { .. }]));
/// assert_eq!(findings[0].to_string(), "6384 slots have no owner: 10000-16383");
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "finding", rename_all = "kebab-case")]
pub enum Finding {
    /// A node did not answer.
    Unreachable {
        /// Its id, where it is known.
        id: Option<NodeId>,
        /// Where it was asked, `host:port`.
        address: String,
        /// Why there is no answer.
        reason: String,
    },
    /// One id answers at several addresses: a data folder was copied, or one node has many names.
    SameId {
        /// The id.
        id: NodeId,
        /// The addresses, `host:port`.
        addresses: Vec<String>,
    },
    /// Nodes announce one and the same address, so that all but one cannot be reached under it.
    SameAddress {
        /// The address, `host:port`.
        address: String,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Nodes disagree about who owns which slots.
    Disagreement {
        /// The slots on which they disagree.
        slots: SlotSet,
        /// What each group of nodes says; the group of most nodes first.
        opinions: Vec<Opinion>,
    },
    /// Slots are open: on their way from one node to another, or left so by an interrupted move.
    OpenSlots(OpenSlots),
    /// Slots that no node owns.
    Uncovered {
        /// The slots.
        slots: SlotSet,
    },
    /// Slots of a master that does not answer.
    Unserved {
        /// The slots.
        slots: SlotSet,
        /// Their owner, as the nodes that answer say.
        owner: Member,
    },
    /// Slots that several nodes call their own.
    MultipleOwners {
        /// The slots.
        slots: SlotSet,
        /// The nodes.
        owners: Vec<Member>,
    },
    /// A majority of masters holds a node for failed.
    Failed {
        /// The node.
        node: Member,
        /// Who says so.
        by: Vec<Member>,
    },
    /// Some nodes cannot reach a node.
    Suspected {
        /// The node.
        node: Member,
        /// Who says so.
        by: Vec<Member>,
    },
    /// A node has been met but has not answered yet.
    Handshake {
        /// Its address, `host:port`.
        address: String,
        /// Who waits for it.
        by: Vec<Member>,
    },
    /// A node that some nodes do not know.
    UnknownTo {
        /// The node.
        node: Member,
        /// Who does not know it.
        by: Vec<Member>,
    },
    /// A replica that follows no master.
    ReplicaWithoutMaster {
        /// The replica.
        replica: Member,
    },
    /// A replica of a node that is not in the cluster.
    ReplicaOfUnknown {
        /// The replica.
        replica: Member,
        /// The id that it follows.
        master: NodeId,
    },
    /// A replica of a replica: it gets its data at second hand, and can not take over.
    ReplicaOfReplica {
        /// The replica.
        replica: Member,
        /// The replica that it follows.
        master: Member,
    },
    /// A replica of a master that has failed or does not answer.
    ReplicaOfFailed {
        /// The replica.
        replica: Member,
        /// Its master.
        master: Member,
    },
    /// A master that owns slots has no replica, though other masters have.
    MasterWithoutReplica {
        /// The master.
        master: Member,
    },
    /// Masters with slots claim them at one and the same config epoch, so that nothing decides between
    /// them should their claims collide. Servers mend this by themselves.
    EpochCollision {
        /// The epoch.
        epoch: u64,
        /// The masters.
        masters: Vec<Member>,
    },
}

impl Finding {
    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Finding::MasterWithoutReplica { .. } => Severity::Notice,
            Finding::Suspected { .. }
            | Finding::Handshake { .. }
            | Finding::ReplicaOfReplica { .. }
            | Finding::EpochCollision { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl Snapshot {
    /// All that is wrong with the cluster: nodes first, then slots, then replication.
    ///
    /// The cost grows with the size of the views together; a thousand views of a thousand nodes
    /// take well under a second.
    pub fn findings(&self) -> Vec<Finding> {
        let survey = Survey::new(self);
        let mut findings = Vec::new();
        membership::unreachable(self, &mut findings);
        membership::same_id(self, &mut findings);
        membership::same_address(&survey, &mut findings);
        membership::ill(&survey, &mut findings);
        membership::unknown(&survey, &mut findings);
        ownership::disagreement(&survey, &mut findings);
        findings.extend(self.open_slots().into_iter().map(Finding::OpenSlots));
        ownership::coverage(&survey, &mut findings);
        ownership::multiple_owners(&survey, &mut findings);
        ownership::epochs(&survey, &mut findings);
        membership::replication(&survey, &mut findings);
        findings
    }
}
