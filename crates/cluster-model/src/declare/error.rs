//! Why a declared cluster cannot be.

use crate::SlotSet;

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
    /// A node that is declared or owns slots, and that does not answer.
    #[error("{0} does not answer")]
    Silent(String),
    /// Slots that nobody owns, which have to be given to somebody first.
    #[error("slots {0} have no owner")]
    Uncovered(SlotSet),
}
