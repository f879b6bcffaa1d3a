//! Why a declared cluster cannot be.

/// What is wrong with a file, or stands between it and a cluster.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclareError {
    /// The file is not what it should be.
    #[error("line {line}: {what}")]
    File {
        /// Where, from 1.
        line: usize,
        /// What is wrong there. Values that may be secrets are not in it.
        what: String,
    },
    /// The nodes that are declared do not suffice for what is declared of them.
    #[error("{0}")]
    Layout(String),
    /// The cluster is in no state to be changed.
    #[error("{0}")]
    Cluster(String),
}
