//! Nodes that cannot come, leave or change their role.

use std::time::Duration;

use redistrib_cluster_model::{Address, NodeId, counted};

use super::{Error, listed};
use crate::Endpoint;

/// What a node has that keeps it from joining a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Belongings {
    /// Nothing but keys.
    Keys,
    /// Slots: it is a cluster by itself.
    Slots {
        /// How many slots it owns.
        slots: usize,
    },
    /// Other nodes: it is a member of a cluster.
    Peers {
        /// How many others it knows.
        others: usize,
    },
}

impl Belongings {
    /// Returns it in words, with the number of keys.
    pub(super) fn describe(self, keys: u64) -> String {
        match self {
            Self::Keys => {
                format!("it holds {}: FLUSHALL if not needed", counted(keys, "key"))
            }
            Self::Slots { slots } => format!(
                "it owns {} already and holds {}: it is a cluster by itself",
                counted(slots, "slot"),
                counted(keys, "key")
            ),
            Self::Peers { others } => {
                format!("it knows {}: it is a member of a cluster", counted(others, "other node"))
            }
        }
    }
}

/// Why a node cannot come, leave or change its role, or a cluster not begin or end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MembershipError {
    /// One address for two nodes of a new cluster.
    #[error("node {0} is named twice")]
    NamedTwice(Endpoint),
    /// Two addresses with one id.
    #[error(
        "{0} and {1} have the same node id: one node under two addresses, or a copied nodes.conf"
    )]
    SameId(Endpoint, Endpoint),
    /// A node that is to be added to the cluster in which it was found.
    #[error("{0} cannot be added to itself: name another node of the cluster")]
    ItsOwnSeed(Endpoint),
    /// A node that is to take its own place.
    #[error("{0} is the node that is to be replaced: name another one")]
    ReplacesItself(Endpoint),
    /// An old node that is in no cluster and owns nothing, and a new one that is a member of one, as both are after a replacement.
    #[error(
        "{old} is in no cluster and owns no slots, and {new} is a member of a cluster: it has taken the place already, or the \
         old node is another one"
    )]
    NothingToReplace {
        /// The old node.
        old: Endpoint,
        /// The new one.
        new: Endpoint,
    },
    /// An old node that cannot give its data to the one that is to take its place.
    #[error("{old} cannot be replaced, since the data come from it: {why}")]
    SilentOld {
        /// The old node.
        old: Endpoint,
        /// Why there is no connection to it.
        why: Box<Error>,
    },
    /// Another server than the one that has the id in the cluster.
    #[error("{node} has the id {id}, which a node of the cluster has already")]
    IdTaken {
        /// The new node.
        node: Endpoint,
        /// The id that both have.
        id: NodeId,
    },
    /// A Unix socket.
    #[error("{0}: other nodes cannot reach a node here: give its host and port")]
    NoAddress(Endpoint),
    /// A replica where a master is needed.
    #[error("node {0} is a replica itself: name its master")]
    NotAMaster(NodeId),
    /// Nobody to follow.
    #[error("no master can be reached that the new replica could follow")]
    NoMasterToFollow,
    /// A new replica that is a master of the cluster and owns slots.
    #[error(
        "node {node} is a member of the cluster already, as a master with {}: move its slots away first",
        counted(slots, "slot")
    )]
    IsMaster {
        /// The node.
        node: NodeId,
        /// How many slots it owns.
        slots: usize,
    },
    /// A new node that the cluster knows as a member at an address where it does not answer.
    #[error("node {node} is a member of the cluster already, which knows it elsewhere: {why}")]
    KnownElsewhere {
        /// Where it answers.
        node: Endpoint,
        /// Where the cluster knows it.
        at: Endpoint,
        /// Why it does not answer there.
        why: String,
    },
    /// A replica that was to take over without its master's consent, and was not voted for.
    #[error("{replica} has not been elected, for which a majority of masters has to vote: after {} s, {what}", after.as_secs())]
    NotElected {
        /// The replica.
        replica: String,
        /// What was still wrong.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// A new node that is a replica of the cluster, of another master than the one asked for.
    #[error(
        "node {node} is a member of the cluster already, as a replica of {master}: take it out first"
    )]
    IsReplica {
        /// The node.
        node: NodeId,
        /// Whom it follows.
        master: NodeId,
    },
    /// A new node with functions that the cluster has not.
    #[error(
        "New node already contains functions and can not be added to the cluster: send {0} FUNCTION FLUSH if they \
         are not needed, and try again"
    )]
    OwnFunctions(Endpoint),
    /// A server before 7.0 for a cluster with functions.
    #[error(
        "{0}: the cluster has functions, and this server is too old to take them: delete them (FUNCTION FLUSH) or \
         add a newer server"
    )]
    TooOldForFunctions(Endpoint),
    /// A node that is to leave and has slots.
    #[error("Node {node} is not empty! Reshard data away and try again: it owns {}", counted(.slots, "slot"))]
    OwnsSlots {
        /// The node.
        node: Address,
        /// How many.
        slots: usize,
    },
    /// A replica that would have nobody to follow.
    #[error("no master is left for replica {0} to follow")]
    NoMasterLeft(Endpoint),
    /// Others still know a node that has left.
    #[error(
        "node {node} has left, but not all others have forgotten it, and gossip may bring its name back: {}; send them \
         CLUSTER FORGET {node}",
        listed(failures)
    )]
    NotForgotten {
        /// The node that has left.
        node: NodeId,
        /// What those said.
        failures: Vec<Error>,
    },
    /// The last master, which has slots.
    #[error("{0} is the last master: there is nobody to take its slots")]
    LastMaster(Address),
    /// A cluster that is to end and has more than one node.
    #[error("the cluster of {seed} has {}: make them quit first", counted(others, "other node"))]
    OtherNodes {
        /// The node that was asked.
        seed: Endpoint,
        /// How many others there are.
        others: usize,
        /// How many of them have failed and might be passed over.
        failed: usize,
    },
    /// A cluster that is to end and has keys.
    #[error("{node} holds {}: FLUSHALL first if not needed", counted(keys, "key"))]
    HoldsKeys {
        /// The node.
        node: Endpoint,
        /// How many.
        keys: u64,
    },
    /// A failover to a node that is no replica.
    #[error("{0} is a master already: name the replica that is to take its place")]
    IsMasterAlready(Endpoint),
    /// A failover with a master that does not answer.
    #[error("the master of {replica} has to hand over, and {why}")]
    SilentMaster {
        /// Its replica.
        replica: Endpoint,
        /// Why there is no connection to the master.
        why: String,
    },
    /// A master whose slots are to go to others, though it is alive.
    #[error("master {master} is alive, and its slots are not taken from it: {why}")]
    Alive {
        /// The master.
        master: NodeId,
        /// What it answers.
        why: String,
    },
    /// A lost master with a replica that has its data.
    #[error(
        "{master} is lost, but its replica {successor} has its data: let that take over, not a spare"
    )]
    HasSuccessor {
        /// The master.
        master: Endpoint,
        /// Its replica.
        successor: Endpoint,
    },
    /// So short a node timeout that nodes would take each other for dead.
    #[error("Setting a node timeout of less than {least} milliseconds is a bad idea.")]
    ShortTimeout {
        /// The shortest that is accepted, in milliseconds.
        least: u64,
    },
}
