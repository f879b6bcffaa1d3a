//! Declared clusters that cannot be had, or not wholly.

use redistrib_cluster_model::declare::DeclareError;

use crate::Endpoint;

/// Why a cluster cannot be made what is declared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// What is declared cannot be had of these nodes, or the cluster has to be repaired first.
    #[error(transparent)]
    Plan(#[from] DeclareError),
    /// A saved plan, and a cluster that has changed since.
    #[error(
        "the cluster is not what the plan was made for (state {was}, and now {now}): {change}; plan anew"
    )]
    Changed {
        /// The state that it was made for.
        was: String,
        /// The state as it is.
        now: String,
        /// What is otherwise.
        change: String,
    },
    /// A saved plan that does not go with its declaration, which somebody has altered.
    #[error("the plan is of another file")]
    OtherFile,
    /// A node that a saved plan speaks of.
    #[error("{0} is not there")]
    NotThere(String),
    /// The steps are done, and the cluster is not what is declared.
    #[error("{taken} steps were taken, and {needed} more are needed")]
    Unfinished {
        /// How many steps were taken.
        taken: usize,
        /// How many it would take from here.
        needed: usize,
    },
    /// Declared nodes that are neither new nor in a cluster.
    #[error("the declared nodes are in no cluster")]
    NoCluster,
    /// Declared nodes of two clusters.
    #[error("{node} is a member of another cluster, of {others} other nodes, than {seed}")]
    OtherCluster {
        /// The node.
        node: String,
        /// How many other nodes its cluster has.
        others: usize,
        /// A node of the other cluster.
        seed: Endpoint,
    },
    /// A node that is to write its settings into its own file, and has none.
    #[error("{0} was started without a file of settings, so that it cannot write any (rewrite)")]
    NoConfigFile(Endpoint),
    /// A declared setting that a node does not report.
    #[error("{node} has no setting {name:?}, or may not tell it")]
    NoSetting {
        /// The node.
        node: Endpoint,
        /// The setting.
        name: String,
    },
    /// A setting that a node reports in words of its own, and that would look like another one for ever.
    #[error("{node} was told {name} {told:?} and has {has:?} now: declare it in these words")]
    OtherWords {
        /// The node.
        node: Endpoint,
        /// The setting.
        name: String,
        /// What it was told.
        told: String,
        /// What it has.
        has: String,
    },
}
