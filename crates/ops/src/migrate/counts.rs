//! How many keys nodes hold in slots, database by database.

use std::collections::BTreeSet;

use redistrib_cluster_model::{ServerInfo, Slot, SlotCounts, SlotSet};
use redistrib_resp::{Command, Reply, View};

use super::commands;
use super::link::Link;
use crate::commands::replies::info_in;
use crate::error::Result;

/// What a node reports about itself. Where it may not, that is nothing.
pub(super) fn info(node: &mut Link<'_>, section: &str) -> Result<ServerInfo> {
    let replies = node.pipeline_when_ready(&[commands::info_of(section)])?;
    Ok(replies.first().map(info_in).unwrap_or_default())
}

/// Which of the slots hold keys in one database, and how many. The connection is left at the first database.
pub(super) fn count_in(
    node: &mut Link<'_>,
    slots: &SlotSet,
    database: u32,
) -> Result<Vec<(Slot, usize)>> {
    let mut questions: Vec<Command> = slots.iter().map(commands::count_keys).collect();
    if database > 0 {
        questions.insert(0, commands::select(database));
        questions.push(commands::select(0));
    }
    let replies = node.call_when_ready(&questions)?;
    let counts: Vec<View<'_>> = replies.iter().map(Reply::view).collect();
    Ok(filled(slots, &counts[usize::from(database > 0)..]))
}

/// How many keys a node has in these slots, all these databases together. The connection is left at the first.
pub(super) fn count(
    node: &mut Link<'_>,
    slots: &SlotSet,
    databases: &BTreeSet<u32>,
) -> Result<SlotCounts> {
    let mut counts = SlotCounts::new();
    for database in databases {
        add(&mut counts, &count_in(node, slots, *database)?);
    }
    Ok(counts)
}

/// Adds what one database holds.
pub(super) fn add(held: &mut SlotCounts, filled: &[(Slot, usize)]) {
    for (slot, count) in filled {
        *held.entry(*slot).or_default() += *count as u64;
    }
}

/// The slots that have keys, and how many. What is no number is counted by listing.
pub(super) fn filled(slots: &SlotSet, counts: &[View<'_>]) -> Vec<(Slot, usize)> {
    let number = |count: &View<'_>| count.as_int().and_then(|count| usize::try_from(count).ok());
    let counts = slots.iter().zip(counts).map(|(slot, count)| (slot, number(count).unwrap_or(1)));
    counts.filter(|(_, count)| *count > 0).collect()
}
