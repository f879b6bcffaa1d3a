//! Slots, their keys, and keys on their way between servers.

use std::time::Duration;

use bytes::Bytes;
use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_resp::Command;

use crate::conn::Credentials;

/// `CLUSTER SETSLOT slot IMPORTING from`, for the target.
pub(crate) fn importing(slot: Slot, from: NodeId) -> Command {
    set_slot(slot, "IMPORTING").arg(from.to_string())
}

/// `CLUSTER SETSLOT slot MIGRATING to`, for the source.
pub(crate) fn migrating(slot: Slot, to: NodeId) -> Command {
    set_slot(slot, "MIGRATING").arg(to.to_string())
}

/// `CLUSTER SETSLOT slot NODE owner`.
pub(crate) fn assign(slot: Slot, owner: NodeId) -> Command {
    set_slot(slot, "NODE").arg(owner.to_string())
}

/// `CLUSTER SETSLOT slot STABLE`.
pub(crate) fn stable(slot: Slot) -> Command {
    set_slot(slot, "STABLE")
}

/// `CLUSTER ADDSLOTS slot …`, for a node of a new cluster.
pub(crate) fn add_slots(slots: impl Iterator<Item = Slot>) -> Command {
    slots.map(Slot::get).fold(Command::new("CLUSTER").arg("ADDSLOTS"), Command::arg)
}

/// `CLUSTER DELSLOTS slot`: the node calls it nobody's, and keeps its keys.
pub(crate) fn disown(slot: Slot) -> Command {
    Command::new("CLUSTER").arg("DELSLOTS").arg(slot.get())
}

fn set_slot(slot: Slot, what: &str) -> Command {
    Command::new("CLUSTER").arg("SETSLOT").arg(slot.get()).arg(what)
}

/// `CLUSTER COUNTKEYSINSLOT slot`.
pub(crate) fn count_keys(slot: Slot) -> Command {
    Command::new("CLUSTER").arg("COUNTKEYSINSLOT").arg(slot.get())
}

/// `CLUSTER SLOT-STATS SLOTSRANGE first last`: what the slots in this range carry that the server has.
pub(crate) fn slot_stats(first: Slot, last: Slot) -> Command {
    let command = Command::new("CLUSTER").arg("SLOT-STATS").arg("SLOTSRANGE");
    command.arg(first.get()).arg(last.get())
}

/// `CLUSTER GETKEYSINSLOT slot count`.
pub(crate) fn list_keys(slot: Slot, count: usize) -> Command {
    Command::new("CLUSTER").arg("GETKEYSINSLOT").arg(slot.get()).arg(count)
}

/// `CLUSTER MIGRATESLOTS SLOTSRANGE first last … NODE to`, for the source, a Valkey since 9.0.
pub(crate) fn export_slots(slots: &SlotSet, to: NodeId) -> Command {
    let command = Command::new("CLUSTER").arg("MIGRATESLOTS").arg("SLOTSRANGE");
    add_ranges(command, slots).arg("NODE").arg(to.to_string())
}

/// `CLUSTER GETSLOTMIGRATIONS`: the jobs of a Valkey, those of the past too.
pub(crate) fn exports() -> Command {
    Command::new("CLUSTER").arg("GETSLOTMIGRATIONS")
}

/// Cancels all jobs that a Valkey exports slots by; one cannot be named. After `CLUSTER CANCELSLOTMIGRATIONS` it takes clients'
/// writes again at once, also where the target has been granted the slots and may own them by now: these writes would be
/// lost at its news. So the server itself looks first, and a job that is granted continues: it is done, or the
/// server gives it up, within `cluster-manual-failover-timeout`.
pub(crate) fn cancel_exports() -> Command {
    let script = "#!lua flags=no-writes,allow-stale\n\
        for _, job in ipairs(redis.call('CLUSTER', 'GETSLOTMIGRATIONS')) do\n\
          local told = {}\n\
          for at = 1, #job, 2 do told[job[at]] = job[at + 1] end\n\
          if told.operation == 'EXPORT' and told.state == 'failover-granted' then return told.state end\n\
        end\n\
        return redis.call('CLUSTER', 'CANCELSLOTMIGRATIONS')";
    Command::new("EVAL").arg(script).arg(0)
}

/// `CLUSTER MIGRATION IMPORT first last …`, for the target, a Redis since 8.4.
pub(crate) fn import_slots(slots: &SlotSet) -> Command {
    add_ranges(Command::new("CLUSTER").arg("MIGRATION").arg("IMPORT"), slots)
}

/// `CLUSTER MIGRATION STATUS ALL`: the jobs of a Redis, those of the past too.
pub(crate) fn imports() -> Command {
    Command::new("CLUSTER").arg("MIGRATION").arg("STATUS").arg("ALL")
}

/// `CLUSTER MIGRATION STATUS ID id`.
pub(crate) fn import_status(id: &str) -> Command {
    Command::new("CLUSTER").arg("MIGRATION").arg("STATUS").arg("ID").arg(id)
}

/// `CLUSTER MIGRATION CANCEL ID id`.
pub(crate) fn cancel_import(id: &str) -> Command {
    Command::new("CLUSTER").arg("MIGRATION").arg("CANCEL").arg("ID").arg(id)
}

fn add_ranges(command: Command, slots: &SlotSet) -> Command {
    slots
        .ranges()
        .fold(command, |command, range| command.arg(range.first().get()).arg(range.last().get()))
}

/// `MEMORY USAGE key`: its bytes in the server's memory.
pub(crate) fn memory_usage(key: &[u8]) -> Command {
    Command::new("MEMORY").arg("USAGE").arg(key)
}

/// `EXISTS key`.
pub(crate) fn exists(key: &[u8]) -> Command {
    Command::new("EXISTS").arg(key)
}

/// `DUMP key`: its value as a payload for RESTORE.
pub(crate) fn dump(key: &[u8]) -> Command {
    Command::new("DUMP").arg(key)
}

/// RESTORE of a value whose time was over long ago: the server says whether it would take it, and keeps nothing.
pub(crate) fn try_restore(key: &str, payload: &[u8]) -> Command {
    Command::new("RESTORE").arg(key).arg(1).arg(payload).arg("ABSTTL")
}

/// `DEL key`.
pub(crate) fn delete(key: &[u8]) -> Command {
    Command::new("DEL").arg(key)
}

/// What all MIGRATEs of a pair have in common.
#[derive(Clone, Debug)]
pub(crate) struct MigrateTo {
    /// The target's host as the source knows it.
    pub(crate) host: String,
    /// The target's port as the source knows it.
    pub(crate) port: u16,
    /// What the source says to the target to be let in.
    pub(crate) credentials: Option<Credentials>,
}

impl MigrateTo {
    /// `MIGRATE host port "" database timeout [REPLACE] [AUTH …] KEYS …`, all keys of one slot, and of the database
    /// that the source has selected.
    pub(crate) fn keys(
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
pub(crate) fn key_name(key: &[u8]) -> String {
    const MOST: usize = 64;
    let shown = key.get(..MOST).unwrap_or(key).escape_ascii();
    if key.len() > MOST { format!("\"{shown}…\"") } else { format!("\"{shown}\"") }
}
