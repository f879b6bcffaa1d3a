//! What is wrong with the description of a fleet.

use crate::ParseEndpointError;

/// Why a description is no fleet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FleetError {
    /// An argument that is no `NAME=HOST:PORT`.
    #[error("{text:?} does not name a node: write node_1=127.0.0.1:63791")]
    Argument {
        /// The argument.
        text: String,
    },
    /// An argument that is no `MASTER=REPLICA`.
    #[error("{text:?} does not name a master and its replica: write node_1=node_3")]
    MasterOf {
        /// The argument.
        text: String,
    },
    /// No nodes at all.
    #[error("a fleet needs at least one node")]
    Empty,
    /// A name twice.
    #[error("{name} is there twice")]
    Twice {
        /// The name.
        name: String,
    },
    /// Masters are not numbered without gaps, so that no key would have a place.
    #[error(
        "the masters of a fleet are called node_1 to node_{masters}, and there is no {missing}: a key's place \
         is found by counting them"
    )]
    Gap {
        /// How many masters there are.
        masters: usize,
        /// The first name that is missing.
        missing: String,
    },
    /// Two masters in one place.
    #[error("{one} and {other} are both at {address}: each master needs a server of its own")]
    SameServer {
        /// A master.
        one: String,
        /// Another.
        other: String,
        /// Where both are.
        address: String,
    },
    /// `master_of` names what is no node.
    #[error("master_of names {name}, which is not among the nodes")]
    Unknown {
        /// The name.
        name: String,
    },
    /// A node in two roles.
    #[error("master_of has {name} as a master and as the replica of {master}")]
    BothRoles {
        /// The name.
        name: String,
        /// Its supposed master.
        master: String,
    },
    /// A replica of two masters.
    #[error("master_of has {name} as the replica of two masters")]
    TwoMasters {
        /// The name.
        name: String,
    },
    /// A node that `master_of` leaves out, though there is one.
    #[error(
        "{name} is neither a master nor a replica in master_of: a master without a replica is written {name} = \"{name}\""
    )]
    NoRole {
        /// The name.
        name: String,
    },
    /// A file that is not as it should be.
    #[error("{path}{}: {what}", line.map(|line| format!(", line {line}")).unwrap_or_default())]
    File {
        /// The file.
        path: String,
        /// The line, where it is known.
        line: Option<usize>,
        /// What is wrong; no text of the file, which may hold passwords.
        what: String,
    },
    /// A node's address that is none.
    #[error(transparent)]
    Address(#[from] ParseEndpointError),
    /// The file of a fleet cannot be read.
    #[error("{path}: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's error.
        why: String,
    },
}
