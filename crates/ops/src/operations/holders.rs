//! Which masters hold keys of slots that they may not own.

use redistrib_cluster_model::plan::fix::KeyCounts;
use redistrib_cluster_model::{NodeId, ServerInfo, Slot, SlotSet};
use redistrib_resp::{Command, Reply};

use crate::commands::{self, replies::count_of};
use crate::error::Result;
use crate::migrate::mend;
use crate::{Cluster, Connection, Member, server_info};

/// How many slots are opened for a moment in one transaction.
const PEEK: usize = 256;

/// How many keys of these slots each master holds, in all databases.
pub(crate) fn count_keys(cluster: &mut Cluster, slots: &SlotSet) -> Result<KeyCounts> {
    let mut counts = KeyCounts::new();
    if slots.is_empty() {
        return Ok(counts);
    }
    let infos = server_info::ask(cluster, &[]);
    let ids: Vec<NodeId> = cluster.members().iter().map(Member::id).collect();
    for (id, info) in ids.into_iter().zip(infos) {
        let member = cluster.member_mut(id)?;
        if !member.is_up() || !member.is_master() {
            continue;
        }
        let owned = member.node().slots.clone();
        let connection = member.connection()?;
        // Keys in databases that it does not name would be overlooked.
        let info = info.transpose()?.unwrap_or_default();
        for (slot, count) in count_in(connection, slots, &info)? {
            counts.insert(id, slot, count);
        }
        if may_hide_keys(connection)? {
            for (slot, count) in peek(cluster, id, &slots.difference(&owned))? {
                counts.insert(id, slot, count.max(counts.get(id, slot)));
            }
        }
    }
    Ok(counts)
}

/// What a node says of these slots, all its databases together.
fn count_in(node: &mut Connection, slots: &SlotSet, info: &ServerInfo) -> Result<Vec<(Slot, u64)>> {
    let mut counts: Vec<(Slot, u64)> = slots.iter().map(|slot| (slot, 0)).collect();
    let others = info.databases().into_keys().filter(|database| *database > 0);
    for database in others.chain([0]) {
        let counts_of = slots.iter().map(commands::count_keys);
        let commands: Vec<Command> =
            [commands::select(database)].into_iter().chain(counts_of).collect();
        let replies = node.call_all(&commands)?;
        for ((_, sum), reply) in counts.iter_mut().zip(&replies[1..]) {
            *sum += count_of(reply.view()).unwrap_or_default();
        }
    }
    Ok(counts)
}

/// Redis since 8.4, which has this command, does not report keys in slots that a node neither owns nor imports, though it
/// keeps them.
fn may_hide_keys(node: &mut Connection) -> Result<bool> {
    let reply = node.request(&commands::about_command("cluster|migration"))?;
    Ok(reply.view().elements().next().is_some_and(|about| !about.is_empty()))
}

/// How many keys a node has in slots that it neither owns nor imports, where it may hide them: the slots
/// are opened for the moment of one transaction, which no other client can see.
fn peek(cluster: &mut Cluster, id: NodeId, slots: &SlotSet) -> Result<Vec<(Slot, u64)>> {
    let other = cluster.masters().map(Member::id).find(|other| *other != id);
    let importing: Vec<Slot> =
        cluster.member(id)?.node().importing.iter().map(|(slot, _)| *slot).collect();
    let node = cluster.member_mut(id)?.connection()?;
    let (Some(other), true) = (other, mend::may_set_slots_together(node)?) else {
        return Ok(Vec::new());
    };
    let slots: Vec<Slot> = slots.iter().filter(|slot| !importing.contains(slot)).collect();
    let mut found = Vec::new();
    for some in slots.chunks(PEEK) {
        let look = |slot: &Slot| {
            let open = commands::importing(*slot, other);
            [open, commands::count_keys(*slot), commands::stable(*slot)]
        };
        let replies = node.call_all(&commands::transaction(some.iter().flat_map(look)))?;
        let Some(outcome) = replies.last().map(Reply::view) else { continue };
        let counts = outcome.elements().skip(1).step_by(3);
        let counts = counts.map(|count| count_of(count).unwrap_or_default());
        found.extend(some.iter().copied().zip(counts));
    }
    Ok(found)
}
