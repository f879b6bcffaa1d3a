//! The parts of a migration that repairs are made of: bringing an interrupted one to its end, and moving
//! keys alone. Unlike [`super::migrate`] these expect open slots.

use std::collections::BTreeSet;

use redistrib_cluster_model::{NodeId, SlotSet};
use redistrib_resp::Command;

use super::bus;
use super::link::Link;
use super::options::MigrateOptions;
use super::pair::PairWork;
use super::shared::Shared;
use super::taking::Taking;
use crate::error::{Error, Result};
use crate::{Cancel, Cluster, Connection, Context, Pair, Refusal};

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
    let outcome = PairWork::begin(&shared, pair)?.run(slots.clone());
    shared.tell_untold();
    outcome.map(|()| shared.moved().1)
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

/// Tells a node something of slots that it may be told twice, with the patience of the engine: until it is ready, and once more
/// where the connection has ended.
///
/// # Errors
/// Those of [`Connection::call`].
pub(crate) fn tell(
    cluster: &mut Cluster,
    node: NodeId,
    commands: &[Command],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let told = cluster.member_mut(node)?.connection().and_then(|it| it.call_all(commands));
    match told {
        Err(error) if error.is_unreachable() || error.is_passing() || is_late(&error) => {
            let fresh = cluster.connect(node)?;
            Link::new(fresh, context.cancel).with_settle(options.settle).set_all(commands)
        }
        outcome => outcome.map(drop),
    }
}

/// Whether no replica has acknowledged the change of a slot in time, without which Valkey does not make it.
fn is_late(error: &Error) -> bool {
    error.refused() == Some(Refusal::TooFewReplicas)
}

/// Whether a server takes SETSLOT in a transaction.
pub(crate) fn may_set_slots_together(node: &mut Connection) -> Result<bool> {
    let cancel = Cancel::new();
    Ok(Taking::ask(&mut Link::new(node.another()?, &cancel))? == Taking::Together)
}
