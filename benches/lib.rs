//! Benches of codec, model and migration beside their rivals, and the harness that benches and tests share:
//! a [`stage`] to play on, a [`proxy`] between the admin and the nodes, a [`load`] of live writers and readers
//! with a model of what was acknowledged, a [`simulator`]
//! of large clusters, a [`zoo`] of keys of every sort, [`fill`] for many plain ones, and
//! a [`census`] of where keys are. [`run`] measures a program.
//!
//! None of this ships. The tests of the binary borrow it as a dev-dependency.

pub mod census;
pub mod fill;
pub mod load;
pub mod proxy;
pub mod router;
pub mod run;
pub mod simulator;
pub mod stage;
pub mod zoo;
