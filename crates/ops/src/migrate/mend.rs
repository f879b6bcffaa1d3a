//! The parts of a migration that repairs are made of: bringing an interrupted one to its end, and moving
//! keys alone. Unlike [`super::migrate`] these expect open slots.

use std::collections::BTreeSet;

use redistrib_cluster_model::SlotSet;

use super::bus;
use super::link::Link;
use super::options::MigrateOptions;
use super::pair::PairWork;
use super::shared::Shared;
use super::taking::Taking;
use crate::error::Result;
use crate::{Cancel, Cluster, Connection, Context, Pair};

/// Finishes a migration whose slots are open at both ends. Returns how many keys went over.
pub(crate) fn finish(
    cluster: &mut Cluster,
    pair: Pair,
    slots: &SlotSet,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<u64> {
    bus::drain(cluster, &BTreeSet::from([pair.to]), options, context)?;
    let shared = Shared::new(cluster, options, context);
    PairWork::begin(&shared, pair)?.run(slots.clone())?;
    Ok(shared.moved().1)
}

/// Undoes a migration whose slots are open at both ends: what the target has of their keys goes back.
pub(crate) fn take_back(
    cluster: &mut Cluster,
    pair: Pair,
    slots: &SlotSet,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let shared = Shared::new(cluster, options, context);
    PairWork::begin(&shared, pair)?.take_back(slots)
}

/// Moves the keys of slots from one node to another, neither opening nor closing the slots. Returns how many
/// keys went over.
pub(crate) fn move_keys(
    cluster: &mut Cluster,
    pair: Pair,
    slots: &SlotSet,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<u64> {
    let shared = Shared::new(cluster, options, context);
    PairWork::begin(&shared, pair)?.copy_alone(slots)?;
    Ok(shared.moved().1)
}

/// Whether a server takes SETSLOT in a transaction.
pub(crate) fn may_set_slots_together(node: &mut Connection) -> Result<bool> {
    let cancel = Cancel::new();
    Ok(Taking::ask(&mut Link::new(node.another()?, &cancel))? == Taking::Together)
}
