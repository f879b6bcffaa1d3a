//! What came of a transfer.

use std::fmt;

use bytes::Bytes;
use serde::{Serialize, Serializer};

use crate::Error;

/// How many of the keys that were left are named in a [`TransferReport`].
const MOST_NAMED: usize = 1000;

/// What became of the keys, counted, and those that were left, named.
#[derive(Debug, Default, Serialize)]
pub struct TransferReport {
    /// Keys that the sources had when it began, by their own count.
    pub expected: u64,
    /// Keys that the sources showed.
    pub seen: u64,
    /// Keys written to the target.
    pub copied: u64,
    /// The bytes of their payloads.
    pub bytes: u64,
    /// Keys that the target had already, with the same value.
    pub same: u64,
    /// Keys removed from their source after they had arrived.
    pub removed: u64,
    /// Keys that were gone or expired when they were to be read.
    pub vanished: u64,
    /// Keys that were where they belong.
    pub stayed: u64,
    /// Keys read back from the target and found equal.
    pub verified: u64,
    /// Keys that were not copied, or not as wanted: all of them counted, the first of them named.
    pub left: Left,
    /// Keys whose names do not lead to where they lay in the fleet; see
    /// [`Resettled::Stray`](redistrib_cluster_model::placement::Resettled::Stray).
    pub strays: Left,
    /// Keys that hold a `{`, which clients of a fleet take for a hash tag.
    pub braced: u64,
    /// Whether the caller stopped it before all keys were looked at.
    pub interrupted: bool,
    /// What ended it before all keys were looked at.
    #[serde(serialize_with = "as_text", skip_serializing_if = "Option::is_none")]
    pub failure: Option<Error>,
}

fn as_text<S: Serializer>(error: &Option<Error>, serializer: S) -> Result<S::Ok, S::Error> {
    match error {
        Some(error) => serializer.collect_str(error),
        None => serializer.serialize_none(),
    }
}

impl TransferReport {
    /// Whether all keys were looked at and none was left.
    pub fn is_complete(&self) -> bool {
        self.left.count == 0 && !self.interrupted && self.failure.is_none()
    }

    /// How many keys have been dealt with, whatever became of them.
    pub(super) fn handled(&self) -> u64 {
        self.copied + self.same + self.vanished + self.stayed + self.left.count
    }

    /// Adds what another thread has counted.
    pub(crate) fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.copied += other.copied;
        self.bytes += other.bytes;
        self.same += other.same;
        self.removed += other.removed;
        self.vanished += other.vanished;
        self.stayed += other.stayed;
        self.verified += other.verified;
        self.braced += other.braced;
        self.left.add(other.left);
        self.strays.add(other.strays);
        self.interrupted |= other.interrupted;
        self.failure = self.failure.take().or(other.failure);
    }
}

/// Keys, all counted, at most 1,000 named.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Left {
    /// How many.
    pub count: u64,
    /// The first of them.
    pub named: Vec<LeftKey>,
}

impl Left {
    pub(super) fn note(&mut self, key: LeftKey) {
        self.count += 1;
        if self.named.len() < MOST_NAMED {
            self.named.push(key);
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        let room = MOST_NAMED.saturating_sub(self.named.len());
        self.named.extend(other.named.into_iter().take(room));
    }
}

/// A key that was left, and why.
#[derive(Clone, Debug, Serialize)]
pub struct LeftKey {
    /// Its name; in JSON as text, with bytes that are none replaced.
    #[serde(serialize_with = "lossy")]
    pub key: Bytes,
    /// The server that has it, with the database behind a `/` if that is not 0.
    pub source: String,
    /// Why.
    #[serde(flatten)]
    pub reason: SkipReason,
}

fn lossy<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&String::from_utf8_lossy(bytes))
}

impl fmt::Display for LeftKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" at {}: {}", self.key.escape_ascii(), self.source, self.reason)
    }
}

/// Why a key was left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SkipReason {
    /// The target has a key of this name with another value, and was not to overwrite it.
    Busy {
        /// The target.
        target: String,
    },
    /// The target does not understand the payload: as a rule it is the older of the two.
    Payload {
        /// The source's version.
        from: String,
        /// The target.
        target: String,
        /// The target's version.
        to: String,
        /// The target's error text.
        reply: String,
    },
    /// The target refused it for another reason.
    Refused {
        /// The target.
        target: String,
        /// The target's error text.
        reply: String,
    },
    /// The source could not give it out.
    Unreadable {
        /// The source's error text.
        reply: String,
    },
    /// It was changed at the source each time it was copied, so the source keeps it too.
    Changing,
    /// What was read back from the target is not what was sent.
    Differs {
        /// The target.
        target: String,
        /// In what.
        what: String,
    },
    /// Its slot has no owner, or its owner cannot be found.
    NoOwner,
    /// The transfer ended while it was under way: it may have arrived or not.
    Unconfirmed,
    /// It was written with a hash tag, or lies where its name does not lead.
    Stray,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { target } => {
                write!(f, "{target} has another value or expiry for it (BUSYKEY)")
            }
            Self::Payload { from, target, to, reply } => {
                write!(f, "{target} ({to}) does not take what {from} dumps: {reply}")
            }
            Self::Refused { target, reply } => write!(f, "{target} refused it: {reply}"),
            Self::Unreadable { reply } => write!(f, "it cannot be read: {reply}"),
            Self::Changing => f.write_str("it was changed while it was moved; the source keeps it"),
            Self::Differs { target, what } => write!(f, "at {target} it differs in {what}"),
            Self::NoOwner => f.write_str("nobody serves its slot"),
            Self::Unconfirmed => f.write_str("it was under way when the transfer ended"),
            Self::Stray => f.write_str("its name does not lead to where it is"),
        }
    }
}
