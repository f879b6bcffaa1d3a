//! Restarts of a cluster's nodes, one by one, that cannot continue.

use std::time::Duration;

use redistrib_cluster_model::plan::roll::{RollPlanError, listed};
use redistrib_cluster_model::{NodeId, NodeLabel};

use super::Error;
use crate::Endpoint;

/// Why nodes cannot be restarted one by one, or no more of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RollError {
    /// Clients would not be served meanwhile.
    #[error(transparent)]
    Plan(#[from] RollPlanError),
    /// The nodes that answer do not agree, or do not serve: none can be spared.
    #[error("{what}")]
    Unwell {
        /// Which node lacks what.
        what: String,
        /// A node by which to find the cluster.
        seed: Endpoint,
    },
    /// The user's command has failed.
    #[error("{node}: the command {how}")]
    Command {
        /// For whom it was run.
        node: NodeLabel,
        /// How it ended.
        how: String,
    },
    /// A node that has not restarted.
    #[error(
        "{node} has not restarted: {} s after the command its process is the one from before",
        after.as_secs()
    )]
    NotRestarted {
        /// The node.
        node: NodeLabel,
        /// How long was waited.
        after: Duration,
    },
    /// A node that has lost its identity.
    #[error(
        "{node} has come back as another node, {id}: its nodes.conf is not the one from before"
    )]
    AnotherNode {
        /// The node as it was.
        node: NodeLabel,
        /// The id that answers there.
        id: NodeId,
    },
    /// A node that has come back with a server that does not read what its master writes.
    #[error(
        "{node} was {before}, has come back as {after}, and is not in step with its master {master}, which writes a newer \
         format: a downgrade that the data cannot take; nothing is lost, the master has it all"
    )]
    Downgraded {
        /// The node.
        node: NodeLabel,
        /// What it was before.
        before: String,
        /// What it is now.
        after: String,
        /// Its master.
        master: Endpoint,
    },
    /// A node that has changed its role since the plan was made.
    #[error(
        "{0} has another role than when the plan was made: others have changed the cluster, or a master has failed; plan anew"
    )]
    RoleChanged(NodeLabel),
    /// A roll that has stopped before its end.
    #[error("{source}; {}", how_far(done, left))]
    Stopped {
        /// Why.
        source: Box<Error>,
        /// The nodes that are done.
        done: Vec<NodeLabel>,
        /// Those that are not, the one first at which it stopped.
        left: Vec<NodeLabel>,
        /// Those that are to be masters again.
        back: Vec<NodeLabel>,
        /// A node by which to find the cluster.
        seed: Endpoint,
    },
}

fn how_far(done: &[NodeLabel], left: &[NodeLabel]) -> String {
    let done =
        if done.is_empty() { "no node is done".into() } else { format!("done: {}", listed(done)) };
    if left.is_empty() { done } else { format!("{done}; left: {}", listed(left)) }
}
