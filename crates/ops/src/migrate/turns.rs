//! Of the pairs that share a node, one at a time brings keys: a node that several sources sent keys to at once would be held
//! up for all of them together, and how many keys MIGRATE has brought it could not be distinguished.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redistrib_cluster_model::NodeId;

use crate::Pair;

/// One for each node.
#[derive(Debug)]
pub(super) struct Turns(BTreeMap<NodeId, Mutex<()>>);

/// As long as it lives, no other pair of either node brings keys.
#[derive(Debug)]
pub(super) struct Turn<'a>(
    #[expect(dead_code, reason = "it is there to be dropped")] Vec<MutexGuard<'a, ()>>,
);

impl Turns {
    pub(super) fn new(nodes: impl Iterator<Item = NodeId>) -> Self {
        Self(nodes.map(|node| (node, Mutex::default())).collect())
    }

    /// Waits until it is a pair's turn. Whoever takes one holds neither another nor the cluster.
    pub(super) fn of(&self, pair: Pair) -> Turn<'_> {
        // All in one order, so that no two wait for each other.
        let nodes = [pair.from.min(pair.to), pair.from.max(pair.to)];
        let locks = nodes.iter().filter_map(|node| self.0.get(node));
        Turn(locks.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner)).collect())
    }
}
