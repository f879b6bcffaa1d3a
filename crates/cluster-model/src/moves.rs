//! One step of a plan: slots that go from one master to another.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{NodeId, SlotSet};

/// Slots to take from one master and give to another.
///
/// ```
/// use redistrib_cluster_model::{Move, NodeId};
///
/// let [from, to] = [1, 2].map(|n| NodeId::from_bytes([n; 20]));
/// let step = Move { from, to, slots: "0-48 100".parse()? };
/// assert_eq!(step.to_string(), format!("slots 0-48 100 from {from} to {to}"));
/// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The master that owns the slots now.
    pub from: NodeId,
    /// The master that will own them.
    pub to: NodeId,
    /// The slots.
    pub slots: SlotSet,
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "slots {} from {} to {}", self.slots, self.from, self.to)
    }
}
