//! Slots that cannot move.

use std::time::Duration;

use redistrib_cluster_model::{NodeId, NodeName, Slot, SlotSet};

use crate::Endpoint;

/// Why slots cannot move, or stopped moving.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// A replica that is to give or take slots.
    #[error("{node} ({id}) is a replica, and slots belong to masters: name its master")]
    Replica {
        /// Where it is.
        node: Endpoint,
        /// Its id.
        id: NodeId,
    },
    /// A node that is to give or take slots and does not answer.
    #[error("node {node} is needed, and {why}")]
    Silent {
        /// The node.
        node: NodeId,
        /// Why there is no connection.
        why: String,
    },
    /// A master with slots, without which the cluster is not whole.
    #[error("master {master} is needed {purpose}: {why}")]
    SilentMaster {
        /// The master.
        master: NodeId,
        /// What for.
        purpose: &'static str,
        /// Why there is no connection.
        why: String,
    },
    /// A slot that an interrupted migration left on its way.
    #[error("slot {slot} of {node} is open: a migration was interrupted")]
    Open {
        /// The slot.
        slot: Slot,
        /// The node that says so.
        node: Endpoint,
        /// A node by which to find the cluster.
        seed: Endpoint,
    },
    /// A source without the slots.
    #[error("{node} does not own slots {slots}")]
    NotOwner {
        /// The source.
        node: Endpoint,
        /// What it does not own.
        slots: SlotSet,
    },
    /// One node for both.
    #[error("{0} is both source and target")]
    SameNode(Endpoint),
    /// The two nodes know nothing of each other.
    #[error("{0} and {1} are not in the same cluster")]
    OtherCluster(Endpoint, Endpoint),
    /// A node that nobody calls so, or no master.
    #[error("no such master node {0}")]
    NoSuchMaster(NodeName),
    /// Slots that nobody owns.
    #[error("no master owns slot {0}")]
    NoOwner(Slot),
    /// A cluster of one master.
    #[error("slots can only move between two masters")]
    OneMaster,
    /// More slots than the node can do without.
    #[error("node {node} owns {has} slots and keeps one: choose 1 to {}", has.saturating_sub(1))]
    TooMany {
        /// The source.
        node: NodeId,
        /// How many it owns.
        has: usize,
    },
    /// A rate and atomic migration do not go together.
    #[error("servers that move slots by themselves keep to no rate")]
    NoRate,
    /// Atomic migration was demanded of servers that have none.
    #[error(
        "{from} and {to} do not both know atomic slot migration (Valkey 9 or Redis 8.4 on both sides)"
    )]
    NotAtomic {
        /// The source.
        from: Endpoint,
        /// The target.
        to: Endpoint,
    },
    /// Atomic migration was demanded of a source where it loses writes.
    #[error(
        "{node} holds keys in database {database}, and an atomic migration loses what clients write to another database \
         meanwhile"
    )]
    NumberedDatabase {
        /// The source.
        node: Endpoint,
        /// A database other than the first that holds keys.
        database: u32,
    },
    /// The servers gave an atomic migration up.
    #[error("the atomic migration from {from} to {to} failed: {what}")]
    Atomic {
        /// The source.
        from: NodeId,
        /// The target.
        to: NodeId,
        /// What they said.
        what: String,
    },
    /// An atomic migration of which nothing moved for so long, by which it was cancelled.
    #[error("the atomic migration from {from} to {to} failed: no progress within {} ms, {what}", patience.as_millis())]
    Stalled {
        /// The source.
        from: NodeId,
        /// The target.
        to: NodeId,
        /// How long was waited.
        patience: Duration,
        /// What the servers said last.
        what: String,
    },
    /// A source or target that is not what it was.
    #[error("{node} ({id}) has failed or is no master any more")]
    Replaced {
        /// Where it is.
        node: Endpoint,
        /// Its id.
        id: NodeId,
        /// A node by which to find the cluster.
        seed: Endpoint,
    },
    /// A command that no slot can move without.
    #[error("{node} does not run a command that moving slots needs: {reply}")]
    NotRun {
        /// The source or the target.
        node: Endpoint,
        /// Its words.
        reply: String,
    },
    /// A source whose slots a replica of it has taken over.
    #[error("{0} is no master any more: another has taken over its slots")]
    TakenOver(Endpoint),
    /// Slots that a third master has by now.
    #[error("slots {0} have gone to another master meanwhile")]
    Elsewhere(SlotSet),
    /// Slots that do not become empty.
    #[error("keys go on turning up in slots {slots} of {node}, though the slots are on their way")]
    KeysTurnUp {
        /// The slots.
        slots: SlotSet,
        /// The source.
        node: Endpoint,
    },
    /// A slot that was to be taken back.
    #[error("{node} still has keys of slot {slot}")]
    KeysStay {
        /// The target.
        node: Endpoint,
        /// The slot.
        slot: Slot,
    },
}
