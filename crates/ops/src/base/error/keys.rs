//! Keys and commands that cannot go where they are sent.

/// Why keys cannot be copied between these servers. A server has its database behind a `/` unless that is 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// Neither source nor target may be missing.
    #[error("a transfer needs a source and a target")]
    NoEnds,
    /// A target without the databases of the source.
    #[error("{server} does not have all of the databases that hold keys ({databases}): {reply}")]
    MissingDatabases {
        /// The target.
        server: String,
        /// The databases' numbers.
        databases: String,
        /// What it answers.
        reply: String,
    },
    /// Keys are to be removed from a replica.
    #[error("{0} is a replica, where keys cannot be removed: name its master")]
    FromReplica(String),
    /// Keys are to be removed from a node of a cluster.
    #[error("{0} is a node of a cluster: its keys can only be copied")]
    FromCluster(String),
    /// A replica as target.
    #[error("{0} is a replica: name its master as the target")]
    ToReplica(String),
    /// One node of a cluster as target.
    #[error("{0} is a node of a cluster, which takes only keys of its own slots")]
    ToClusterNode(String),
    /// A target that is there twice.
    #[error("{0} is named twice among the targets")]
    NamedTwice(String),
    /// A server that would copy to itself.
    #[error("{0} is source and target in one")]
    Itself(String),
    /// A key of a slot that nobody owns.
    #[error("{0}: nobody serves its slot")]
    NoOwner(String),
}

/// Why a stream of commands cannot be sent on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// It is no protocol from some place on.
    #[error("{why}; {answered} commands before it were answered")]
    Broken {
        /// Where and why.
        why: String,
        /// How many commands were answered before.
        answered: u64,
    },
    /// A command whose effect is on its connection alone.
    #[error(
        "{0} concerns one connection and cannot be spread over a cluster: take it out of the input"
    )]
    Stateful(String),
    /// A node was lost with commands under way.
    #[error(
        "{why}; {commands} commands were sent to it and not answered: whether it executed them is not known"
    )]
    InDoubt {
        /// How it was lost.
        why: String,
        /// How many.
        commands: usize,
    },
    /// A node that is not among those of the cluster.
    #[error("a node that nobody has named")]
    UnknownNode,
}
