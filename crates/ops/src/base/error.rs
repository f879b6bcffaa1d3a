//! What can go wrong between the tool and a cluster.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redistrib_cluster_model::fitness::Obstacle;
use redistrib_cluster_model::plan::balance::TransferError;
use redistrib_cluster_model::plan::create::CreateError;
use redistrib_cluster_model::plan::meet::MeetError;
use redistrib_cluster_model::plan::rebalance::RebalanceError;
use redistrib_cluster_model::plan::reshard::ReshardError;
use redistrib_cluster_model::{NodeId, NodeNameError, Slot, SlotSet};
use redistrib_resp::DecodeError;

mod applying;
mod backup;
mod keys;
mod membership;
mod moving;
mod rolling;
mod tls;

pub use applying::ApplyError;
pub use backup::BackupError;
pub use keys::{CopyError, StreamError};
pub use membership::{Belongings, MembershipError};
pub use moving::MoveError;
pub use rolling::RollError;
pub use tls::TlsSetupError;

use super::endpoint::{Endpoint, ParseEndpointError, ResolveError};

/// What error texts name where no command was under way: a message was waited for that no command asks for.
pub(crate) const NO_COMMAND: &str = "(message)";

/// The result of everything that may fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, reported with the node it concerns, what was being done there, and what came back.
///
/// Texts that a server sent are kept as they came: whoever prints an error on a terminal escapes it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An argument that is no address.
    #[error(transparent)]
    Address(#[from] ParseEndpointError),
    /// A host name that resolves to nothing.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// No connection could be made.
    #[error("{node}: cannot connect: {source}")]
    Connect {
        /// Where to.
        node: Endpoint,
        /// The operating system's error.
        source: io::Error,
    },
    /// The system grants this process no more open files: that says nothing of any server.
    #[error(
        "this process may have {limit} files and connections open (`ulimit -n`){}",
        needed.map_or(", and has them".to_owned(), |needed| format!(" and needs {needed}"))
    )]
    OpenFiles {
        /// How many it may have.
        limit: usize,
        /// How many it needs, where that is known.
        needed: Option<usize>,
    },
    /// The system grants this process no more threads.
    #[error("{source}")]
    Threads {
        /// The operating system's error.
        source: io::Error,
    },
    /// The TLS handshake or its set-up failed.
    #[error("{node}: TLS: {reason}")]
    Tls {
        /// The peer.
        node: Endpoint,
        /// What is wrong with the certificate, the name or the files.
        reason: String,
    },
    /// No (whole) answer within the deadline.
    #[error("{node}: no answer to {command} within {} ms", after.as_millis())]
    Timeout {
        /// Who was asked.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
        /// How long was waited.
        after: Duration,
    },
    /// The connection broke.
    #[error("{node}: the connection broke during {command}: {source}")]
    Io {
        /// The peer.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
        /// Whether the server may expect TLS: without it, it had not said a word over the connection.
        may_want_tls: bool,
        /// The operating system's error.
        source: io::Error,
    },
    /// What a node sends could not be written here.
    #[error("what {node} sends cannot be written: {source}")]
    Unwritten {
        /// The node.
        node: Endpoint,
        /// The operating system's error.
        source: io::Error,
    },
    /// The server closed the connection, or it was given up after an earlier failure.
    #[error("{node}: the connection was closed during {}", command.as_deref().unwrap_or(NO_COMMAND))]
    Closed {
        /// The peer.
        node: Endpoint,
        /// What was asked, without secrets. `None`: nothing was, so that there is no command of which nobody knows
        /// whether it was executed.
        command: Option<String>,
    },
    /// A node of a cluster that could not be reached before this, or not be talked to: why.
    #[error(transparent)]
    Unreachable(Arc<Error>),
    /// What came back is not RESP.
    #[error("{node}: the answer to {command} is not the Redis protocol: {source}")]
    Protocol {
        /// The peer.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
        /// Whether the server may expect TLS: these are its first words, over a connection without it.
        may_want_tls: bool,
        /// Where and how the protocol was broken.
        source: DecodeError,
    },
    /// The server answered with an error.
    #[error("{node}: {command} was refused: {reply}")]
    Refused {
        /// Who refused.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
        /// The server's error text.
        reply: String,
    },
    /// The server answered something else than the command's documentation says.
    #[error("{node}: unexpected answer to {command}: {what}")]
    Unexpected {
        /// Who answered.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
        /// What is wrong with the answer.
        what: String,
    },
    /// The server is not in cluster mode.
    #[error(
        "{node}: is not in cluster mode: set cluster-enabled yes in its configuration and restart it"
    )]
    NotCluster {
        /// The server.
        node: Endpoint,
    },
    /// A node that is to join a cluster owns slots, knows other nodes or holds keys.
    #[error(
        "Node {node} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or contains \
         some key in database 0: {}",
        has.describe(*keys)
    )]
    NotEmpty {
        /// The node.
        node: Endpoint,
        /// What it has.
        has: Belongings,
        /// How many keys it holds.
        keys: u64,
    },
    /// No node of the cluster has this id.
    #[error("No such node ID {id} in the cluster of {seed}")]
    NoSuchNode {
        /// The id asked for.
        id: String,
        /// The node whose cluster was searched.
        seed: Endpoint,
    },
    /// No cluster can be laid out of the nodes given.
    #[error(transparent)]
    Layout(#[from] CreateError),
    /// The slots asked for cannot be given.
    #[error(transparent)]
    Reshard(#[from] ReshardError),
    /// The slots cannot be shared among the masters as asked.
    #[error(transparent)]
    Rebalance(#[from] RebalanceError),
    /// A balance plan that cannot be carried out.
    #[error(transparent)]
    Balance(#[from] TransferError),
    /// The nodes cannot be introduced to each other.
    #[error(transparent)]
    Meet(#[from] MeetError),
    /// A name that stands for no one node.
    #[error(transparent)]
    Name(#[from] NodeNameError),
    /// TLS cannot be set up as asked.
    #[error(transparent)]
    TlsSetup(#[from] TlsSetupError),
    /// A node cannot come, leave or change its role as asked.
    #[error(transparent)]
    Membership(#[from] MembershipError),
    /// Slots cannot move as asked, or stopped moving.
    #[error(transparent)]
    Move(#[from] MoveError),
    /// Nodes cannot be restarted one by one, or no more of them.
    #[error(transparent)]
    Roll(Box<RollError>),
    /// A cluster cannot be made what is declared.
    #[error(transparent)]
    Apply(Box<ApplyError>),
    /// Keys cannot be copied between these servers.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// A backup cannot be made, or not be restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A stream of commands cannot be sent on.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// Masters that are to give or take slots are in no state for it: data would be lost, a server would crash, or the
    /// slots would be left half moved.
    #[error("slots cannot be moved: {}", listed(.0))]
    Unfit(Vec<Obstacle>),
    /// The nodes did not reach the awaited state in time.
    #[error("after {} s: {what}", after.as_secs())]
    NotSettled {
        /// Which nodes still see what.
        what: String,
        /// How long was waited.
        after: Duration,
    },
    /// Keys have one value at the source and another at the target: which one is right is not ours to
    /// choose.
    #[error(
        "{count} keys of slot {slot} have one value at the source and another at the target: {keys}"
    )]
    KeysInBothPlaces {
        /// The slot they are in.
        slot: Slot,
        /// The names of the first of them.
        keys: String,
        /// How many there are among the keys that were looked at.
        count: usize,
    },
    /// Slots have a new owner that has fewer keys of them than their old one had, and neither expiry nor eviction nor
    /// the commands of clients explain that.
    #[error(
        "{keys} keys of slots {slots} that {from} held are not on {to}, the slots' new owner, and no expiry, eviction or \
         command of a client explains that: read the logs of both servers, and restore the keys from a backup"
    )]
    KeysLost {
        /// The slots that have fewer keys than before.
        slots: SlotSet,
        /// How many fewer.
        keys: u64,
        /// The slots' old owner.
        from: NodeId,
        /// Their new one.
        to: NodeId,
    },
    /// A migration stopped while slots were open.
    #[error(
        "moving slots {slots} from {from} to {to}: {source}; they are left open, {}",
        unserved.map_or("and served while both nodes answer".to_owned(), |slot| format!("and nobody serves slot {slot}"))
    )]
    LeftOpen {
        /// The master that gives.
        from: NodeId,
        /// The master that takes.
        to: NodeId,
        /// The slots of the batch.
        slots: SlotSet,
        /// The slot that rests, since its keys were on their way back and neither node could be told to serve it.
        unserved: Option<Slot>,
        /// The node to give to the command that repairs it.
        seed: Endpoint,
        /// What happened.
        source: Box<Error>,
    },
    /// A server's refusal stopped a migration, and its slots were taken back.
    #[error(
        "moving slots {slots} from {from} to {to}: {source}; they were taken back: {from} serves them, and no slot is left open"
    )]
    TakenBack {
        /// The master that has them.
        from: NodeId,
        /// The master that was to take them.
        to: NodeId,
        /// The slots of the batch.
        slots: SlotSet,
        /// The refusal.
        source: Box<Error>,
    },
    /// Another tool is changing the cluster.
    #[error(
        "{node}: `{verb}` is changing this cluster: process {pid} on host {host}, since {} s",
        age.as_secs()
    )]
    Locked {
        /// The node where it was seen.
        node: Endpoint,
        /// Its operation.
        verb: String,
        /// The host it runs on.
        host: String,
        /// Its process id there.
        pid: u32,
        /// How long it has held the node.
        age: Duration,
    },
    /// The caller cancelled the operation.
    #[error("interrupted: {0}")]
    Cancelled(String),
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The operating system's error.
        source: io::Error,
    },
}

impl From<RollError> for Error {
    fn from(error: RollError) -> Self {
        Self::Roll(Box::new(error))
    }
}

impl From<ApplyError> for Error {
    fn from(error: ApplyError) -> Self {
        Self::Apply(Box::new(error))
    }
}

impl Error {
    /// A failure with a file.
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::File { path: path.display().to_string(), source }
    }

    /// The error text of a server's refusal, if this is one.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Refused { reply, .. } => Some(reply),
            Self::Unreachable(why) => why.refusal(),
            _ => None,
        }
    }

    /// Whether this is about keys with two values, of which one has to be chosen.
    pub fn is_conflict(&self) -> bool {
        match self {
            Self::KeysInBothPlaces { .. } => true,
            Self::LeftOpen { source, .. } => source.is_conflict(),
            _ => false,
        }
    }

    /// Whether the peer could not be reached or went silent, as against answering something unwanted.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Resolve(_)
            | Self::Connect { .. }
            | Self::Timeout { .. }
            | Self::Io { .. }
            | Self::Closed { .. } => true,
            Self::Unreachable(why) => why.is_unreachable(),
            _ => false,
        }
    }
}

fn listed(reasons: &[impl ToString]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
