//! What nodes are asked once, in however many pairs they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redistrib_cluster_model::NodeId;

use crate::Connection;
use crate::error::Result;

/// One thing that is known of nodes that have been asked for it.
#[derive(Debug)]
pub(super) struct Known<T>(Mutex<BTreeMap<NodeId, T>>);

impl<T> Default for Known<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Copy> Known<T> {
    /// What is known already.
    pub(super) fn get(&self, node: NodeId) -> Option<T> {
        self.all().get(&node).copied()
    }

    /// What is known, or what `ask` finds out.
    pub(super) fn of(&self, node: NodeId, ask: impl FnOnce() -> Result<T>) -> Result<T> {
        if let Some(known) = self.get(node) {
            return Ok(known);
        }
        let found = ask()?;
        self.all().insert(node, found);
        Ok(found)
    }
}

impl<T> Known<T> {
    fn all(&self) -> MutexGuard<'_, BTreeMap<NodeId, T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections that nobody uses at the moment.
pub(super) type Idle = Known<Vec<Connection>>;

impl Idle {
    pub(super) fn take(&self, node: NodeId) -> Option<Connection> {
        let mut idle = self.all().get_mut(&node)?.pop()?;
        idle.is_alive().then_some(idle)
    }

    /// Keeps one on which no answer is owed, with its first database selected.
    pub(super) fn keep(&self, node: NodeId, connection: Connection) {
        if !connection.is_broken() {
            self.all().entry(node).or_default().push(connection);
        }
    }
}
