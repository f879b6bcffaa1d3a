//! One step of a plan: slots that go from one master to another.

use serde::{Deserialize, Serialize};

use crate::{NodeId, SlotSet};

/// Slots to take from one master and give to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The master that owns the slots now.
    pub from: NodeId,
    /// The master that will own them.
    pub to: NodeId,
    /// The slots.
    pub slots: SlotSet,
}
