//! `migrate_slots` of redis-trib.py: these very slots, from this node to that one.

use redistrib_cluster_model::{Move, NodeId, SlotSet};

use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, Migrated, migrate};
use crate::{Cluster, Connection, Context, Endpoint, Settings};

/// Moves slots with their keys from the master at `source` to the master at `target`. Those that the target owns
/// already, as after a run that was interrupted, count as moved.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, migrate_slots};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let (source, target) = ("127.0.0.1:7001".parse()?, "127.0.0.1:7002".parse()?);
/// migrate_slots(&source, &target, &"0 2 4-7".parse().unwrap(), &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::Precondition`] where neither the source nor the target owns one of the slots, or the nodes are of different
/// clusters; those of [`migrate`].
pub fn migrate_slots(
    source: &Endpoint,
    target: &Endpoint,
    slots: &SlotSet,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Migrated> {
    let (mut cluster, step) = plan_migrate_slots(source, target, slots, settings)?;
    if step.slots.is_empty() {
        return Ok(Migrated::default());
    }
    migrate(&mut cluster, &[step], &MigrateOptions::default(), context)
}

/// What [`migrate_slots`] would do, with the cluster to do it on. Changes nothing.
///
/// # Errors
/// Those of [`migrate_slots`] before anything moves.
pub fn plan_migrate_slots(
    source: &Endpoint,
    target: &Endpoint,
    slots: &SlotSet,
    settings: &Settings,
) -> Result<(Cluster, Move)> {
    let to = id_of(target, settings)?;
    let cluster = Cluster::discover(source, settings)?;
    if cluster.member(to).is_err() {
        return Err(Error::Precondition(format!(
            "{source} and {target} are not in the same cluster"
        )));
    }
    let step = plan_slots(&cluster, cluster.myself().id(), to, slots)?;
    Ok((cluster, step))
}

/// The same between two nodes of a cluster.
///
/// # Errors
/// [`Error::NoSuchNode`]; [`Error::Precondition`] where neither of the two owns one of the slots.
pub fn plan_slots(cluster: &Cluster, from: NodeId, to: NodeId, slots: &SlotSet) -> Result<Move> {
    let left = slots.difference(&cluster.member(to)?.node().slots);
    let source = cluster.member(from)?;
    let missing = left.difference(&source.node().slots);
    if !missing.is_empty() {
        return Err(Error::Precondition(format!(
            "{} does not own slots {missing}: `redis-trib list` shows who does",
            source.endpoint()
        )));
    }
    Ok(Move { from, to, slots: left })
}

fn id_of(endpoint: &Endpoint, settings: &Settings) -> Result<NodeId> {
    Ok(read_topology(&mut Connection::open(endpoint, settings)?)?.0.id)
}
