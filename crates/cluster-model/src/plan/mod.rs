//! The planners: each turns what is known of a cluster into what is to be done, and does nothing.

mod affinity;
pub mod create;
pub mod reshard;
pub mod schedule;
pub mod steer;
