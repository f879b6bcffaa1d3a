//! Slots, nodes and topologies of a Redis or Valkey cluster, what is wrong with them, and the planners that decide.

mod key_slot;
mod slot;
mod slot_set;

pub use key_slot::{crc16, hash_tag};
pub use slot::{Slot, SlotError};
pub use slot_set::{SlotRange, SlotSet, SlotSetError};
