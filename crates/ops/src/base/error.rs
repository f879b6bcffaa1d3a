//! What can go wrong between the tool and a cluster.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redistrib_cluster_model::fitness::Obstacle;
use redistrib_cluster_model::plan::create::CreateError;
use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_resp::DecodeError;

use super::endpoint::{Endpoint, ParseEndpointError, ResolveError};

/// The result of everything that may fail here.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure, told with the node it concerns, what was being done there, and what came back.
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
        /// The system's word.
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
        /// The system's word.
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
        /// The system's word.
        source: io::Error,
    },
    /// The server closed the connection, or it was given up after an earlier failure.
    #[error("{node}: the connection was closed during {command}")]
    Closed {
        /// The peer.
        node: Endpoint,
        /// What was asked, without secrets.
        command: String,
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
         some key in database 0: {reason}"
    )]
    NotEmpty {
        /// The node.
        node: Endpoint,
        /// What it has, and what to do about it.
        reason: String,
        /// How many keys it holds.
        keys: u64,
    },
    /// No node of the cluster has this id.
    #[error(
        "No such node ID {id} in the cluster of {seed}: see `redis-trib list {seed}` for the ids it has"
    )]
    NoSuchNode {
        /// The id asked for.
        id: String,
        /// The node whose cluster was searched.
        seed: Endpoint,
    },
    /// No cluster can be laid out of the nodes given.
    #[error(transparent)]
    Layout(#[from] CreateError),
    /// The cluster or the nodes are not in a state that allows the operation.
    #[error("{0}")]
    Precondition(String),
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
        "{count} keys of slot {slot} have one value at the source and another at the target: {keys}; \
         delete the wrong ones, or give --replace to overwrite those at the target"
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
        "moving slots {slots} from {from} to {to}: {source}; they are left open, and clients are still \
         served: run `redis-trib fix {seed}` or the same command again"
    )]
    LeftOpen {
        /// The master that gives.
        from: NodeId,
        /// The master that takes.
        to: NodeId,
        /// The slots of the batch.
        slots: SlotSet,
        /// The node to give to the mending command.
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
        "{node}: `{verb}` is changing this cluster: process {pid} on host {host}, since {} s; wait until \
         it is through, or give --no-lock if you know that it does no harm",
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
        /// The system's word.
        source: io::Error,
    },
}

impl Error {
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

    /// What the user can do next, where the text does not say so already.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::OpenFiles { .. } => Some("raise the limit (`ulimit -n`, `LimitNOFILE=`)"),
            Self::Connect { .. } => Some("is the server running, and is this its address?"),
            Self::Timeout { .. } => {
                Some("the server is stopped or overloaded, or the network drops packets; try again")
            }
            Self::Protocol { .. } => Some(
                "is this the port of a Redis or Valkey server? one that expects TLS needs --tls",
            ),
            Self::Refused { reply, .. } => remedy_for_refusal(reply),
            Self::TakenBack { source, .. } | Self::LeftOpen { source, .. } => source.remedy(),
            Self::Unreachable(why) => why.remedy(),
            Self::Tls { reason, .. } => remedy_for_tls(reason),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::ConnectionReset => {
                Some("a port that expects TLS does so; give --tls then")
            }
            Self::Io { source, .. } => remedy_for_tls(&source.to_string()),
            _ => None,
        }
    }
}

fn listed(obstacles: &[Obstacle]) -> String {
    obstacles.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a target does not take the keys that MIGRATE brings.
fn remedy_for_target(words: &str) -> Option<&'static str> {
    match words.split(' ').next().unwrap_or_default() {
        "OOM" => Some("raise the target's maxmemory, or choose another target"),
        "NOREPLICAS" => Some(
            "the target has fewer good replicas than its min-replicas-to-write: bring them back, or lower that",
        ),
        "READONLY" => Some("the target is a replica by now: choose its master"),
        "MISCONF" => {
            Some("the target cannot save its data and takes no writes: see its log and its disk")
        }
        _ if words.contains("DUMP payload version") => Some(
            "the target is of an older version than the source and cannot read its values: choose another, or upgrade it",
        ),
        _ => None,
    }
}

/// By the words of rustls for what it finds, and for the alerts a server sends.
fn remedy_for_tls(reason: &str) -> Option<&'static str> {
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if has(&["UnknownIssuer", "BadSignature", "CaUsedAsEndEntity"]) {
        Some(
            "the authority that signed the server's certificate is not trusted: name it with --cacert",
        )
    } else if has(&["not valid for name"]) {
        Some(
            "connect by a name that the certificate has, or give that with --sni in place of --verify-name",
        )
    } else if has(&["CertificateRequired"]) {
        Some("the server asks for a certificate of yours: give --cert and --key")
    } else if has(&["UnknownCA", "BadCertificate"]) {
        Some("the server does not trust the authority that signed your certificate")
    } else if has(&["InvalidContentType", "no handshake in time"]) {
        Some("if this port does not speak TLS, leave --tls out")
    } else {
        None
    }
}

fn remedy_for_refusal(reply: &str) -> Option<&'static str> {
    // MIGRATE hands on the target's words.
    if let Some((_, words)) = reply.split_once("Target instance replied with error: ") {
        return remedy_for_target(words);
    }
    let code = reply.split(' ').next().unwrap_or_default();
    match code {
        "NOAUTH" => Some("give the password with -a, --askpass or REDISCLI_AUTH"),
        "WRONGPASS" => Some("check the user name and the password"),
        "NOPERM" => Some("the user's ACL lacks this command; ask for it or use another user"),
        "LOADING" | "MASTERDOWN" | "TRYAGAIN" => {
            Some("the node is not ready yet; try again in a moment")
        }
        "CLUSTERDOWN" => Some("run `redis-trib check` to see what the cluster lacks"),
        "NOREPLICAS" => Some(
            "no replica of the node acknowledged the change in time: see whether its replicas are up and in sync",
        ),
        _ if reply.contains("invalid password") => Some("check the password"),
        _ => None,
    }
}
