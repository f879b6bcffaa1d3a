//! `join`, `join_no_load` and `replicate` of redis-trib.py.

use redistrib_cluster_model::plan::balance::{
    Balancer, EvenBalancer, Transfer, balance_plan, moves_of,
};
use redistrib_cluster_model::{Node, NodeId};

use crate::add_node::add_owner;
use crate::error::Result;
use crate::migrate::{MigrateOptions, Migrated, migrate};
use crate::{Cluster, Context, Endpoint, Member, NewRole, Settings, add_node};

/// Adds the empty node `new` to the cluster of `existing` and moves slots to it until all masters have
/// equally many. A node that is a member already, after a join that was interrupted, gets what it lacks.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, join_cluster};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// join_cluster(&"127.0.0.1:7000".parse()?, &"127.0.0.1:7001".parse()?, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`add_node`] and [`migrate`].
pub fn join_cluster(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Migrated> {
    let plan = |masters: &[&Node]| Ok(balance_plan(masters, &EvenBalancer)?);
    join_cluster_with(existing, new, settings, plan, &MigrateOptions::default(), context)
}

/// [`join_cluster`] with options, and with a balance plan of the caller's own: which master gives how many slots to
/// which, once the new node is one of the masters. With a [`Balancer`] of one's own, [`balanced_by`] makes it.
///
/// ```no_run
/// use redistrib_ops::migrate::MigrateOptions;
/// use redistrib_ops::{Cancel, Context, Settings, Silent, balanced_by, join_cluster_with};
/// use redistrib_ops::model::Node;
/// let options = MigrateOptions::default();
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// // The machine on port 7001 is twice as large as the others.
/// let plan = balanced_by(|node: &Node| if node.address.port == 7001 { 2.0 } else { 1.0 });
/// let (existing, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?);
/// join_cluster_with(&existing, &new, &Settings::default(), plan, &options, context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`join_cluster`], those of the plan, and [`Error::Balance`](crate::Error::Balance) for a plan that cannot be carried out;
/// the new node is a member without slots then.
pub fn join_cluster_with(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    plan: impl FnOnce(&[&Node]) -> Result<Vec<Transfer>>,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<Migrated> {
    let mut cluster = Cluster::discover(existing, settings)?;
    add_owner(&mut cluster, new, context)?;
    cluster = Cluster::discover(existing, settings)?;
    let masters: Vec<&Node> = cluster.masters().map(Member::node).collect();
    let transfers = plan(&masters)?;
    let moves = moves_of(&masters, &transfers)?;
    migrate(&mut cluster, &moves, options, context)
}

/// The balance plan after which each master's slots stand in proportion to its weight.
pub fn balanced_by(balancer: impl Balancer) -> impl FnOnce(&[&Node]) -> Result<Vec<Transfer>> {
    move |masters| Ok(balance_plan(masters, &balancer)?)
}

/// Adds the empty node `new` to the cluster of `existing` as a master without slots, and returns its id.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, join_no_load};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// join_no_load(&"127.0.0.1:7000".parse()?, &"127.0.0.1:7001".parse()?, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`add_node`].
pub fn join_no_load(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<NodeId> {
    add_node(&mut Cluster::discover(existing, settings)?, new, NewRole::Master, context)
}

/// Adds the empty node `replica` to the cluster of `master` as a replica of that very node, and returns its id.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, replicate};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// replicate(&"127.0.0.1:7000".parse()?, &"127.0.0.1:7002".parse()?, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`add_node`]; [`Error::Membership`](crate::Error::Membership) where `master` is a replica itself.
pub fn replicate(
    master: &Endpoint,
    replica: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<NodeId> {
    let mut cluster = Cluster::discover(master, settings)?;
    let role = NewRole::ReplicaOf(cluster.myself().id());
    add_node(&mut cluster, replica, role, context)
}
