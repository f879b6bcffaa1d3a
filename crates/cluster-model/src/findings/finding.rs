//! All that can be wrong with a cluster, and how much each matters.

use serde::{Deserialize, Serialize};

use super::{DownReason, NodeLabel, OpenSlots, Opinion};
use crate::{NodeId, SlotSet};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; the cluster is healthy.
    Notice,
    /// May pass by itself, or may become an error.
    Warning,
    /// The cluster is not healthy.
    Error,
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
    /// Several servers answer by one id: one of them began with a copy of another's `nodes.conf`, and takes writes for the same
    /// slots.
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
        owner: NodeLabel,
    },
    /// Slots that several nodes call their own.
    MultipleOwners {
        /// The slots.
        slots: SlotSet,
        /// The nodes.
        owners: Vec<NodeLabel>,
    },
    /// A majority of masters could not reach a node, which has failed for them.
    Failed {
        /// The node.
        node: NodeLabel,
        /// Who says so.
        by: Vec<NodeLabel>,
    },
    /// Some nodes cannot reach a node.
    Suspected {
        /// The node.
        node: NodeLabel,
        /// Who says so.
        by: Vec<NodeLabel>,
    },
    /// A node has been met but has not answered yet.
    Handshake {
        /// Its address, `host:port`.
        address: String,
        /// Who waits for it.
        by: Vec<NodeLabel>,
    },
    /// A node that some nodes do not know.
    UnknownTo {
        /// The node.
        node: NodeLabel,
        /// Who does not know it.
        by: Vec<NodeLabel>,
    },
    /// A node that some nodes have been made to forget, and whose id they refuse for a while (`cluster-blacklist-ttl`, a minute where
    /// there is no such setting). Servers since Redis 7.2 report it.
    BlackListed {
        /// The node.
        node: NodeLabel,
        /// Who keeps it on its list.
        by: Vec<NodeLabel>,
    },
    /// A replica that follows no master.
    ReplicaWithoutMaster {
        /// The replica.
        replica: NodeLabel,
    },
    /// A replica of a node that is not in the cluster.
    ReplicaOfUnknown {
        /// The replica.
        replica: NodeLabel,
        /// The id that it follows.
        master: NodeId,
    },
    /// A replica of a replica: it gets its data at second hand, and can not take over.
    ReplicaOfReplica {
        /// The replica.
        replica: NodeLabel,
        /// The replica that it follows.
        master: NodeLabel,
    },
    /// A replica that some nodes take for a master, as any does for a moment when it has just become a replica. They do not vote for it
    /// when it is to take its master's place.
    TakenForMaster {
        /// The replica.
        replica: NodeLabel,
        /// Its master.
        master: NodeLabel,
        /// Who takes it for a master.
        by: Vec<NodeLabel>,
    },
    /// A replica of a master that has failed or does not answer.
    ReplicaOfFailed {
        /// The replica.
        replica: NodeLabel,
        /// Its master.
        master: NodeLabel,
    },
    /// A master that owns slots has no replica, though other masters have.
    MasterWithoutReplica {
        /// The master.
        master: NodeLabel,
    },
    /// Masters with slots claim them at one and the same config epoch, so that nothing decides between
    /// them should their claims collide. Servers repair this by themselves.
    EpochCollision {
        /// The epoch.
        epoch: u64,
        /// The masters.
        masters: Vec<NodeLabel>,
    },
    /// A node that answers does not say how it is, so that what is wrong with its server is not seen.
    InfoFailed {
        /// The node.
        node: NodeLabel,
        /// Why.
        reason: String,
    },
    /// Nodes refuse a question whose answer could show something more.
    Withheld {
        /// The command.
        command: String,
        /// The nodes.
        nodes: Vec<NodeLabel>,
    },
    /// Nodes say `cluster_state:fail`: they refuse commands on keys.
    ClusterDown {
        /// The nodes.
        nodes: Vec<NodeLabel>,
        /// Why.
        reason: DownReason,
    },
    /// The last RDB save failed.
    RdbFailing {
        /// The node.
        node: NodeLabel,
        /// Whether it refuses writes because of that.
        stops_writes: bool,
    },
    /// Writing or rewriting the append-only file failed.
    AofFailing {
        /// The node.
        node: NodeLabel,
        /// Whether it refuses writes because of that.
        stops_writes: bool,
    },
    /// A master that evicts nothing has used up its memory: it refuses writes.
    OutOfMemory {
        /// The master.
        node: NodeLabel,
        /// The bytes that it uses.
        used: u64,
        /// Its `maxmemory`.
        limit: u64,
    },
    /// A master that evicts nothing has used up nine tenths of its memory.
    MemoryHigh {
        /// The master.
        node: NodeLabel,
        /// The bytes that it uses.
        used: u64,
        /// Its `maxmemory`.
        limit: u64,
    },
    /// A master refuses writes for want of replicas in good state.
    TooFewReplicas {
        /// The master.
        master: NodeLabel,
        /// How many it has.
        good: u64,
        /// How many `min-replicas-to-write` asks for.
        needed: u64,
    },
    /// A replica has no link to its master.
    ReplicaLinkDown {
        /// The replica.
        replica: NodeLabel,
        /// Its master.
        master: NodeLabel,
        /// Since how many seconds, where it says so.
        seconds: Option<u64>,
    },
    /// A replica is getting all its master's data.
    ReplicaSyncing {
        /// The replica.
        replica: NodeLabel,
        /// Its master.
        master: NodeLabel,
        /// How many bytes are to come, where it says so.
        left_bytes: Option<u64>,
    },
    /// A replica is behind its master by more than the backlog holds, or has been silent to it.
    ReplicaLags {
        /// The replica.
        replica: NodeLabel,
        /// Its master.
        master: NodeLabel,
        /// By how many bytes of the replication stream.
        bytes: Option<u64>,
        /// Since how many seconds its master has not heard from it.
        seconds: Option<u64>,
    },
    /// A node's `masterauth` is not the `requirepass` of others, so that it could not follow them.
    MasterauthMismatch {
        /// The node.
        node: NodeLabel,
        /// The nodes that would refuse it.
        masters: Vec<NodeLabel>,
    },
    /// Nodes ask clients for different passwords.
    PasswordsDiffer {
        /// The nodes with one and the same, group by group.
        nodes: Vec<Vec<NodeLabel>>,
    },
    /// A setting that should be the same on all nodes is not.
    SettingsDiffer {
        /// Its name.
        setting: String,
        /// Each value with the nodes that have it.
        values: Vec<(String, Vec<NodeLabel>)>,
    },
    /// Nodes run different versions.
    VersionsDiffer {
        /// Each version with the nodes that run it.
        versions: Vec<(String, Vec<NodeLabel>)>,
    },
    /// The clocks of nodes differ.
    ClocksDiffer {
        /// The node whose clock is behind all others.
        slow: NodeLabel,
        /// The node whose clock is ahead of all others.
        fast: NodeLabel,
        /// By how many milliseconds.
        apart_ms: u64,
    },
    /// A pong is overdue: the node may soon be considered failed.
    PongLate {
        /// The node that owes it.
        node: NodeLabel,
        /// Who waits for it.
        by: Vec<NodeLabel>,
        /// The longest that one of them has waited, in milliseconds.
        waited_ms: u64,
    },
    /// The cluster bus has no connection to a node that nobody considers failed.
    BusLinkDown {
        /// The node.
        node: NodeLabel,
        /// Who has none to it.
        by: Vec<NodeLabel>,
    },
    /// What nodes have to say to a node on the cluster bus piles up: it is slow to take it, or hangs.
    BusBacklog {
        /// The node.
        node: NodeLabel,
        /// Who waits for it.
        by: Vec<NodeLabel>,
        /// The most bytes that one of them has for it.
        bytes: u64,
    },
    /// Servers move slots by themselves, or have failed to and try again.
    AtomicMigration {
        /// The slots.
        slots: SlotSet,
        /// Who gives them.
        from: NodeLabel,
        /// Who takes them.
        to: NodeLabel,
        /// The server's own word for how far it is.
        state: String,
        /// How often it has been tried again.
        retries: u64,
        /// What went wrong last, in the server's words; empty if nothing did.
        error: String,
    },
    /// A node is reading its data from disk and answers nothing else.
    Loading {
        /// Its id, where it is known.
        id: Option<NodeId>,
        /// Where it was asked, `host:port`.
        address: String,
    },
    /// No master has a replica: what one holds is gone with it.
    NoReplicas,
    /// Fewer than three masters own slots: with one down, no majority is left that could let a replica take over.
    FewMasters {
        /// How many there are.
        masters: usize,
    },
    /// All replicas of a master are on its host, and the cluster has others.
    ReplicasOnMastersHost {
        /// The master.
        master: NodeLabel,
        /// The host.
        host: String,
    },
}

impl Finding {
    /// Whether it is what a cluster shows for a moment after it was made or repaired, and time alone is enough.
    pub fn is_passing(&self) -> bool {
        matches!(
            self,
            Finding::ClusterDown { reason: DownReason::Waiting, .. }
                | Finding::ReplicaLinkDown { .. }
                | Finding::ReplicaSyncing { .. }
                | Finding::BusLinkDown { .. }
                | Finding::TakenForMaster { .. }
        )
    }

    /// How much it matters.
    pub fn severity(&self) -> Severity {
        match self {
            Finding::MasterWithoutReplica { .. }
            | Finding::Withheld { .. }
            | Finding::NoReplicas
            | Finding::FewMasters { .. }
            | Finding::ReplicasOnMastersHost { .. } => Severity::Notice,
            Finding::Suspected { .. }
            | Finding::Handshake { .. }
            | Finding::ReplicaOfReplica { .. }
            | Finding::TakenForMaster { .. }
            | Finding::EpochCollision { .. }
            | Finding::RdbFailing { stops_writes: false, .. }
            | Finding::AofFailing { stops_writes: false, .. }
            | Finding::MemoryHigh { .. }
            | Finding::ReplicaSyncing { .. }
            | Finding::ReplicaLags { .. }
            | Finding::MasterauthMismatch { .. }
            | Finding::PasswordsDiffer { .. }
            | Finding::SettingsDiffer { .. }
            | Finding::VersionsDiffer { .. }
            | Finding::ClocksDiffer { .. }
            | Finding::PongLate { .. }
            | Finding::AtomicMigration { .. }
            | Finding::BusBacklog { .. }
            | Finding::BusLinkDown { .. } => Severity::Warning,
            Finding::Unreachable { .. }
            | Finding::InfoFailed { .. }
            | Finding::SameId { .. }
            | Finding::SameAddress { .. }
            | Finding::Disagreement { .. }
            | Finding::OpenSlots(_)
            | Finding::Uncovered { .. }
            | Finding::Unserved { .. }
            | Finding::MultipleOwners { .. }
            | Finding::Failed { .. }
            | Finding::UnknownTo { .. }
            | Finding::BlackListed { .. }
            | Finding::ReplicaWithoutMaster { .. }
            | Finding::ReplicaOfUnknown { .. }
            | Finding::ReplicaOfFailed { .. }
            | Finding::ClusterDown { .. }
            | Finding::RdbFailing { stops_writes: true, .. }
            | Finding::AofFailing { stops_writes: true, .. }
            | Finding::OutOfMemory { .. }
            | Finding::TooFewReplicas { .. }
            | Finding::ReplicaLinkDown { .. }
            | Finding::Loading { .. } => Severity::Error,
        }
    }
}
