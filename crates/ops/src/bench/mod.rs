//! Measures the migration of slots: how fast they move, and how long servers are held up meanwhile.

mod probe;

pub use probe::{HoldUp, Probe, Sample};
