//! `migrate_slots` of redis-trib.py: these very slots, from this node to that one.

use redistrib_cluster_model::{Move, NodeId, NodeName, SlotSet};

use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, Migrated, migrate};
use crate::{Cluster, Connection, Context, Endpoint, MoveError, Settings};

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
/// [`Error::Move`](crate::Error::Move) where neither the source nor the target owns one of the slots, or the nodes are of different
/// clusters; those of [`migrate`].
pub fn migrate_slots(
    source: &Endpoint,
    target: &Endpoint,
    slots: &SlotSet,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Migrated> {
    let mut cluster = Cluster::discover(source, settings)?;
    let (from, to) = (cluster.myself().id(), at(&cluster, target)?);
    let step = plan_slots(&cluster, from, to, slots)?;
    if step.slots.is_empty() {
        return Ok(Migrated::default());
    }
    migrate(&mut cluster, &[step], &MigrateOptions::default(), context)
}

/// What [`migrate_slots`] would do between two nodes of this cluster. Changes nothing. A node may be named by an address that it
/// does not announce: then who answers there is asked.
///
/// # Errors
/// Those of [`migrate_slots`] before anything moves; those of [`Cluster::find`].
pub fn plan_migrate_slots(
    cluster: &Cluster,
    source: &NodeName,
    target: &NodeName,
    slots: &SlotSet,
) -> Result<Move> {
    let named = |name: &NodeName| match cluster.find(name) {
        Err(unknown @ Error::NoSuchNode { .. }) => {
            name.as_str().parse().map_or(Err(unknown), |endpoint| at(cluster, &endpoint))
        }
        found => found,
    };
    plan_slots(cluster, named(source)?, named(target)?, slots)
}

fn plan_slots(cluster: &Cluster, from: NodeId, to: NodeId, slots: &SlotSet) -> Result<Move> {
    let left = slots.difference(&cluster.member(to)?.node().slots);
    let source = cluster.member(from)?;
    let missing = left.difference(&source.node().slots);
    if !missing.is_empty() {
        let node = source.endpoint().clone();
        return Err(MoveError::NotOwner { node, slots: missing }.into());
    }
    Ok(Move { from, to, slots: left })
}

/// The member that answers at an address.
fn at(cluster: &Cluster, endpoint: &Endpoint) -> Result<NodeId> {
    let id = read_topology(&mut Connection::open(endpoint, cluster.settings())?)?.0.id;
    if cluster.member(id).is_ok() {
        return Ok(id);
    }
    Err(MoveError::OtherCluster(cluster.seed().clone(), endpoint.clone()).into())
}
