//! Keys that do not go with the others: large ones, and those of a MIGRATE that failed.

use bytes::Bytes;
use redistrib_cluster_model::Slot;

use super::trouble::Trouble;

/// A key that is sent alone.
#[derive(Clone, Debug)]
pub(super) struct Alone {
    pub(super) key: Bytes,
    /// What it takes in the source's memory, where that is known.
    pub(super) bytes: Option<u64>,
    /// How often it was tried with a timeout that fits.
    pub(super) tries: u32,
}

/// A large key that was found before it was sent.
#[derive(Debug)]
pub(super) struct Large {
    pub(super) slot: Slot,
    pub(super) key: Alone,
}

/// A MIGRATE that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) slot: Slot,
    pub(super) keys: Vec<Bytes>,
    pub(super) trouble: Trouble,
    /// The error text.
    pub(super) reply: String,
    /// How often its keys were tried with a timeout that fits them.
    pub(super) tries: u32,
}
