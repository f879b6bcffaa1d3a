//! How the servers of a lab fare.

use std::path::PathBuf;

use serde::Serialize;

use super::node::{LabServer, Presence};
use crate::Settings;

/// One server of a lab.
#[derive(Clone, Debug, Serialize)]
pub struct ServerStatus {
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its folder.
    pub folder: PathBuf,
    /// How it fares.
    #[serde(flatten)]
    pub state: ServerState,
}

/// Whether a server of a lab runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ServerState {
    /// It runs.
    Up {
        /// Its process.
        process: u32,
        /// The version it says it is.
        version: String,
        /// `master` or `slave`, as it calls itself.
        role: String,
        /// Whether it is still loading its data.
        loading: bool,
    },
    /// It is stopped in its tracks.
    Paused {
        /// Its process.
        process: u32,
    },
    /// It runs but does not answer.
    Silent {
        /// Its process.
        process: u32,
    },
    /// It does not run.
    Down,
    /// It does not run, and something else has its port.
    PortTaken,
    /// It runs but does not say how it fares.
    Unknown {
        /// Why, in words.
        reason: String,
    },
}

impl ServerStatus {
    pub(super) fn of(node: &LabServer, settings: &Settings) -> Self {
        let state = match node.presence(settings) {
            Ok(Presence::Here(vitals)) => ServerState::Up {
                process: vitals.process,
                version: vitals.version,
                role: vitals.role,
                loading: vitals.loading,
            },
            Ok(Presence::Paused(process)) => ServerState::Paused { process },
            Ok(Presence::Silent(process)) => ServerState::Silent { process },
            Ok(Presence::Absent) => ServerState::Down,
            Ok(Presence::Foreign) => ServerState::PortTaken,
            Err(error) => ServerState::Unknown { reason: error.to_string() },
        };
        Self { port: node.port, folder: node.folder.clone(), state }
    }

    /// Whether the server runs.
    pub fn is_up(&self) -> bool {
        matches!(self.state, ServerState::Up { .. })
    }
}
