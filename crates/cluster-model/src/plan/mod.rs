//! The planners: each turns what is known of a cluster into what is to be done, and does nothing.

pub(crate) mod affinity;
pub mod balance;
pub mod batch_size;
pub mod create;
pub mod fix;
pub mod forget;
pub mod large;
pub mod meet;
pub mod rebalance;
pub mod reshard;
pub mod roll;
pub mod schedule;
mod spread;
pub mod steer;
