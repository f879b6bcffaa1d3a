//! A cluster as a file declares it, and the steps that lead there from the cluster as it is.
//!
//! [`Declared`] is the file, [`Observed`] the cluster; [`plan`] lays out who is to be master and who follows whom, keeping
//! whatever can stay, and returns the difference as steps in an order in which each can be taken after the one before.
//! The cluster itself is the only memory: what an interrupted run has done shows in it, and the next plan has the rest.

mod after;
mod cost;
mod display;
mod error;
mod export;
mod file;
mod layout;
mod lines;
mod observed;
mod saved;
mod steps;
#[cfg(test)]
mod tests;

pub use cost::{Cost, CostFigures, Holdings, KeySpeed};
pub use error::DeclareError;
pub use export::{common_settings, export};
pub use file::{Apart, Balance, CredentialSource, Declared, DeclaredNode, WantedRole};
pub use observed::{Observed, ObservedNode, is_same};
pub use saved::{PlanForm, SavedPlan};
pub use steps::{Change, DeclaredMove, DeclaredReplica, Lowered, Owner, Plan, PlanStep, plan};
