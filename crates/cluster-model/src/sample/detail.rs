//! What a node reports in detail, where somebody looks at it.

use serde::{Deserialize, Serialize};

use super::SlotStats;
use crate::Slot;

/// What somebody looks at, so that it is asked about, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Focus {
    /// A node.
    pub node: Option<crate::NodeId>,
    /// A slot.
    pub slot: Option<Slot>,
    /// What all slots carry: some of them at a time are asked about.
    pub all_slots: bool,
}

/// What a node reported in detail.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Detail {
    /// The last commands that took long.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slow: Vec<SlowCommand>,
    /// The events that held it up last, as its latency monitor noticed them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub latency: Vec<LatencyPeak>,
    /// What it reported of slots: of the one that is looked at, and of some of all, in turns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<SlotStats>,
    /// How many keys are left in slots that it is giving away; of very many, in some of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<(Slot, u64)>,
}

/// A command that took long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowCommand {
    /// When, in milliseconds since 1970 by the server's clock.
    pub at_ms: u64,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Its name and its first argument: values are nobody's business here.
    pub command: String,
}

/// An event of the latency monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyPeak {
    /// Its name, as `command` or `fork`.
    pub event: String,
    /// When it was last, in milliseconds since 1970 by the server's clock.
    pub at_ms: u64,
    /// How many milliseconds it took then.
    pub last_ms: u64,
    /// How many at worst.
    pub worst_ms: u64,
}

impl Detail {
    /// Whether nothing was asked, or reported.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
