//! The commands of a migration, as the servers take them.

use std::time::Duration;

use bytes::Bytes;
use redistrib_cluster_model::{NodeId, Slot};
use redistrib_resp::Command;

use crate::conn::Credentials;

/// `CLUSTER SETSLOT slot IMPORTING from`, for the target.
pub(super) fn importing(slot: Slot, from: NodeId) -> Command {
    set_slot(slot, "IMPORTING").arg(from.to_string())
}

/// `CLUSTER SETSLOT slot MIGRATING to`, for the source.
pub(super) fn migrating(slot: Slot, to: NodeId) -> Command {
    set_slot(slot, "MIGRATING").arg(to.to_string())
}

/// `CLUSTER SETSLOT slot NODE owner`.
pub(super) fn assign(slot: Slot, owner: NodeId) -> Command {
    set_slot(slot, "NODE").arg(owner.to_string())
}

/// `CLUSTER SETSLOT slot STABLE`.
pub(super) fn stable(slot: Slot) -> Command {
    set_slot(slot, "STABLE")
}

/// `CLUSTER DELSLOTS slot`: the node calls it nobody's, and keeps its keys.
pub(super) fn disown(slot: Slot) -> Command {
    Command::new("CLUSTER").arg("DELSLOTS").arg(slot.get())
}

fn set_slot(slot: Slot, what: &str) -> Command {
    Command::new("CLUSTER").arg("SETSLOT").arg(slot.get()).arg(what)
}

/// `CLUSTER COUNTKEYSINSLOT slot`.
pub(super) fn count_keys(slot: Slot) -> Command {
    Command::new("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot.get())
}

/// `CLUSTER GETKEYSINSLOT slot count`.
pub(super) fn list_keys(slot: Slot, count: usize) -> Command {
    Command::new("CLUSTER").arg("GETKEYSINSLOT").arg(slot.get()).arg(count)
}

/// `MEMORY USAGE key`: its bytes in the server's memory.
pub(super) fn memory_usage(key: &[u8]) -> Command {
    Command::new("MEMORY").arg("USAGE").arg(key)
}

/// What all MIGRATEs of a pair have in common.
#[derive(Clone, Debug)]
pub(super) struct MigrateTo {
    /// The target's host as the source knows it.
    pub(super) host: String,
    /// The target's port as the source knows it.
    pub(super) port: u16,
    /// What the source says to the target to be let in.
    pub(super) credentials: Option<Credentials>,
}

impl MigrateTo {
    /// `MIGRATE host port "" database timeout [REPLACE] [AUTH …] KEYS …`, all keys of one slot, and of the database
    /// that the source has selected.
    pub(super) fn keys(
        &self,
        keys: &[Bytes],
        database: u32,
        timeout: Duration,
        replace: bool,
    ) -> Command {
        let timeout = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX).max(1);
        let place = Command::new("MIGRATE").arg(&self.host).arg(self.port);
        let mut command = place.arg("").arg(database).arg(timeout);
        if replace {
            command.push("REPLACE");
        }
        match &self.credentials {
            None => {}
            Some(Credentials { user: None, password }) => {
                command = command.arg("AUTH").arg(password.reveal());
            }
            Some(Credentials { user: Some(user), password }) => {
                command = command.arg("AUTH2").arg(user).arg(password.reveal());
            }
        }
        command.arg("KEYS").args_from(keys)
    }
}

/// A key's name for a message: short, with what is not printable escaped.
pub(super) fn key_name(key: &[u8]) -> String {
    const MOST: usize = 64;
    let shown = key.get(..MOST).unwrap_or(key).escape_ascii();
    if key.len() > MOST { format!("\"{shown}…\"") } else { format!("\"{shown}\"") }
}
