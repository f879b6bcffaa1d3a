//! Slots, nodes and topologies of a Redis or Valkey cluster, what is wrong with them, and the planners that decide.
//!
//! Everything here is pure: text and numbers in, values out. No sockets, no clock, no printing.
//!
//! ```
//! use redistrib_cluster_model::{Slot, Topology};
//!
//! let topology = Topology::parse(
//!     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 myself,master - 0 0 0 connected 0-16383\n",
//! )?;
//! let owner = topology.owner(Slot::of_key(b"{user1000}.following")).unwrap();
//! assert_eq!(owner.id.short(), "ae97e970");
//! # Ok::<(), redistrib_cluster_model::ParseError>(())
//! ```

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod address;
mod beginning;
pub mod declare;
pub mod findings;
pub mod fitness;
mod flags;
mod key_slot;
mod moves;
mod node;
mod node_id;
mod node_name;
mod number;
pub mod placement;
pub mod plan;
pub mod sample;
mod server_info;
mod slot;
mod slot_job;
mod slot_set;
mod snapshot;
mod standing;
mod tally;
#[cfg(test)]
mod testing;
mod text;
mod topology;
mod waits;
mod words;

pub use address::{Address, AddressError};
pub use beginning::{Beginning, Intended, Named};
pub use findings::{
    Backlog, DownReason, Finding, NodeLabel, OpenFlag, OpenKind, OpenSlots, OpenState, Opinion,
    Reported, Severity,
};
pub use flags::{Flags, Role};
pub use key_slot::{crc16, hash_tag};
pub use moves::Move;
pub use node::{Aux, Node};
pub use node_id::{NodeId, NodeIdError};
pub use node_name::{NodeName, NodeNameError, NotANodeName};
pub use server_info::ServerInfo;
pub use slot::{Slot, SlotError};
pub use slot_job::{JobNews, JobWatch, Phase, SlotJob};
pub use slot_set::{SlotRange, SlotSet, SlotSetError, Slots};
pub use snapshot::{NodeView, Snapshot};
pub use standing::Standing;
pub use tally::{Loss, SlotCounts, most_removed, most_removed_beside, restored, unexplained_loss};
pub use topology::{Field, ParseError, Problem, SharedNodes, SharedTopology, Topology};
pub use waits::Waits;
pub use words::{agreeing, counted, is_or_are};
