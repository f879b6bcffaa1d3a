//! Keys counted before slots moved and afterwards, and whether some were lost on the way.

use std::collections::BTreeMap;

use crate::{ServerInfo, Slot, SlotSet};

/// How many keys slots hold, all databases together. A slot that is not entered holds none.
pub type SlotCounts = BTreeMap<Slot, u64>;

/// Keys that are gone and that nothing explains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The slots that hold fewer keys than before.
    pub slots: SlotSet,
    /// How many fewer, all these slots together.
    pub keys: u64,
}

/// Compares what slots held before they moved with what they hold now. `removed` is the most keys that expiry,
/// eviction and clients can have taken away meanwhile, as by [`most_removed`]: only more than that is a loss.
///
/// ```
/// use redistrib_cluster_model::{Slot, SlotCounts, unexplained_loss};
/// let slot = |number| Slot::new(number).unwrap();
/// let before = SlotCounts::from([(slot(1), 10), (slot(2), 10)]);
/// let after = SlotCounts::from([(slot(1), 12), (slot(2), 7)]);
/// assert_eq!(unexplained_loss(&before, &after, 3), None);
/// let loss = unexplained_loss(&before, &after, 2).unwrap();
/// assert_eq!((loss.slots.to_string().as_str(), loss.keys), ("2", 3));
/// ```
pub fn unexplained_loss(before: &SlotCounts, after: &SlotCounts, removed: u64) -> Option<Loss> {
    let mut loss = Loss { slots: SlotSet::new(), keys: 0 };
    for (slot, count) in before {
        let missing = count.saturating_sub(after.get(slot).copied().unwrap_or_default());
        if missing > 0 {
            loss.slots.insert(*slot);
            loss.keys = loss.keys.saturating_add(missing);
        }
    }
    (loss.keys > removed).then_some(loss)
}

/// The most keys that expiry, eviction and clients' commands can have taken from a server between two of its replies
/// to `INFO everything`. `u64::MAX` where the server does not say: it has been restarted, has saved its data and
/// with that begun to count changes again, or leaves a field out.
///
/// Each key that a command takes away is a change to the server, and so is each key that MIGRATE brings; the latter
/// are counted by themselves ([`restored`]).
pub fn most_removed(earlier: &ServerInfo, later: &ServerInfo) -> u64 {
    let is_same = |name| earlier.field(name).is_some() && earlier.field(name) == later.field(name);
    let grown = |name| later.number(name)?.checked_sub(earlier.number(name)?);
    let removed = || {
        let changes = grown("rdb_changes_since_last_save")?;
        let by_clients = changes.saturating_sub(restored(earlier, later));
        let by_server = grown("expired_keys")?.saturating_add(grown("evicted_keys")?);
        Some(by_clients.saturating_add(by_server))
    };
    let is_comparable = is_same("run_id") && is_same("rdb_last_save_time");
    is_comparable.then(removed).flatten().unwrap_or(u64::MAX)
}

/// The same for servers that move slots by themselves: what they bring and take is no change, and a snapshot that they
/// make for it begins to count changes again. So it counts first whether any command was executed that can take a key
/// away.
pub fn most_removed_beside(earlier: &ServerInfo, later: &ServerInfo) -> u64 {
    let grown = |name| later.number(name)?.checked_sub(earlier.number(name)?);
    let by_server = || Some(grown("expired_keys")?.saturating_add(grown("evicted_keys")?));
    match by_server() {
        Some(count) if !may_have_removed(earlier, later) => count,
        _ => most_removed(earlier, later),
    }
}

/// Commands that take no key away: those that bring keys or read them, and those of tools and of the servers themselves.
const HARMLESS: [&str; 72] = [
    "append",
    "asking",
    "auth",
    "bitcount",
    "bitfield",
    "client",
    "cluster",
    "command",
    "config",
    "dbsize",
    "debug",
    "decr",
    "decrby",
    "discard",
    "dump",
    "echo",
    "exists",
    "get",
    "getbit",
    "getrange",
    "hello",
    "hget",
    "hgetall",
    "hincrby",
    "hlen",
    "hmget",
    "hmset",
    "hscan",
    "hset",
    "hsetnx",
    "incr",
    "incrby",
    "info",
    "keys",
    "latency",
    "lindex",
    "llen",
    "lpush",
    "lrange",
    "memory",
    "mget",
    "mset",
    "msetnx",
    "multi",
    "object",
    "ping",
    "psync",
    "pttl",
    "publish",
    "randomkey",
    "readonly",
    "replconf",
    "restore",
    "role",
    "rpush",
    "sadd",
    "scan",
    "scard",
    "select",
    "set",
    "setbit",
    "setnx",
    "setrange",
    "sismember",
    "slowlog",
    "smembers",
    "strlen",
    "subscribe",
    "ttl",
    "type",
    "xadd",
    "zadd",
];

fn may_have_removed(earlier: &ServerInfo, later: &ServerInfo) -> bool {
    later.fields().any(|(name, now)| {
        let Some(command) = name.strip_prefix("cmdstat_") else { return false };
        let command = command.split('|').next().unwrap_or_default();
        let calls =
            |line: Option<&str>| line.and_then(|line| Some(line.split_once(',')?.0.to_owned()));
        !HARMLESS.contains(&command) && calls(earlier.field(name)) != calls(Some(now))
    })
}

/// How many keys MIGRATE has brought to a server between two of its replies to `INFO everything`.
pub fn restored(earlier: &ServerInfo, later: &ServerInfo) -> u64 {
    restored_ever(later).saturating_sub(restored_ever(earlier))
}

/// `cmdstat_restore-asking:calls=12,usec=…,failed_calls=1`. Servers before Redis 6.2 do not report those that failed.
pub(crate) fn restored_ever(info: &ServerInfo) -> u64 {
    let number = |name: &str| info.of_command("restore-asking", name).unwrap_or_default();
    number("calls").saturating_sub(number("failed_calls"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(changes: u64, restored: u64, expired: u64) -> ServerInfo {
        ServerInfo::parse(&format!(
            "run_id:a\r\nrdb_last_save_time:1\r\nrdb_changes_since_last_save:{changes}\r\nexpired_keys:{expired}\r\n\
             evicted_keys:0\r\ncmdstat_restore-asking:calls={restored},usec=9,failed_calls=1\r\n"
        ))
    }

    #[test]
    fn what_migrate_brings_takes_nothing_away() {
        assert_eq!(restored(&info(0, 1, 0), &info(0, 101, 0)), 100);
        assert_eq!(most_removed(&info(7, 1, 0), &info(107, 101, 0)), 0);
        assert_eq!(most_removed(&info(7, 1, 0), &info(110, 101, 2)), 5);
    }

    #[test]
    fn beside_servers_that_move_slots_only_commands_that_can_remove_count() {
        let info = |changes: u64, expired: u64, commands: &str| {
            ServerInfo::parse(&format!(
                "run_id:a\r\nrdb_last_save_time:1\r\nrdb_changes_since_last_save:{changes}\r\n\
                 expired_keys:{expired}\r\nevicted_keys:0\r\n{commands}"
            ))
        };
        let before = info(7, 1, "cmdstat_set:calls=5,usec=1\r\ncmdstat_del:calls=1,usec=1\r\n");
        let after = |changes, set, del| {
            let commands =
                format!("cmdstat_set:calls={set},usec=2\r\ncmdstat_del:calls={del},usec=1\r\n");
            most_removed_beside(&before, &info(changes, 4, &commands))
        };
        assert_eq!(after(90, 88, 1), 3, "expired alone");
        assert_eq!(after(90, 88, 2), 86, "and what changed");
        assert_eq!(after(0, 88, 2), u64::MAX, "the counter has begun anew");
    }

    #[test]
    fn where_a_server_does_not_tell_anything_may_have_gone() {
        let saved = ServerInfo::parse("run_id:a\r\nrdb_last_save_time:2\r\n");
        for other in [ServerInfo::default(), saved, info(0, 101, 0)] {
            assert_eq!(most_removed(&info(7, 1, 0), &other), u64::MAX);
        }
    }
}
