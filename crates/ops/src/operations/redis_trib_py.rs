//! The functions of redis-trib.py's library, under their own names: each a request that is carried out, under the lock and with
//! what an interrupted run has left finished first.

use redistrib_cluster_model::plan::balance::{EvenBalancer, SlotTransfer};
use redistrib_cluster_model::{Node, NodeId, NodeName, NodeNameError, SlotSet};

use super::create::Create;
use super::del_node::DelNode;
use super::fix::{Fix, FixScope};
use super::join::{AddNode, AskedRole, Join, balanced_by};
use super::migrate_slots::MigrateSlots;
use super::rescue::Rescue;
use super::runner::carry_out;
use super::shutdown::Shutdown;
use crate::error::Result;
use crate::migrate::{MigrateOptions, Migrated};
use crate::{Context, Endpoint, Settings};

/// Makes a cluster of one node that owns all slots, and returns when clients are served: [`Create`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, start_cluster};
/// start_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Create`].
pub fn start_cluster(endpoint: &Endpoint, settings: &Settings, context: Context<'_>) -> Result<()> {
    start_cluster_on_multi(std::slice::from_ref(endpoint), settings, context)
}

/// Makes a cluster of masters that share all slots evenly, and returns when clients are served: [`Create`]. One that is named
/// again is one master.
///
/// ```no_run
/// use redistrib_ops::{Context, Endpoint, Settings, start_cluster_on_multi};
/// let nodes: [Endpoint; 2] = ["127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?];
/// start_cluster_on_multi(&nodes, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Create`].
pub fn start_cluster_on_multi(
    endpoints: &[Endpoint],
    settings: &Settings,
    context: Context<'_>,
) -> Result<()> {
    let request = Create { nodes: each_once(endpoints), ..Create::default() };
    carry_out(request, settings, context).map(drop)
}

/// The addresses in their order, each once.
pub fn each_once(endpoints: &[Endpoint]) -> Vec<Endpoint> {
    let mut once: Vec<Endpoint> = Vec::new();
    for endpoint in endpoints {
        if !once.contains(endpoint) {
            once.push(endpoint.clone());
        }
    }
    once
}

/// Adds the empty node `new` to the cluster of `existing` and moves slots to it until all masters have equally many: [`Join`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, join_cluster};
/// let (existing, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?);
/// join_cluster(&existing, &new, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Join`].
pub fn join_cluster(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Migrated> {
    let (plan, options) = (balanced_by(EvenBalancer), MigrateOptions::default());
    join_cluster_with(existing, new, settings, plan, &options, context)
}

/// [`join_cluster`] with options, and with a balance plan of the caller's own: which master gives how many slots to which, once
/// the new node is one of the masters. Of a [`Balancer`](crate::model::plan::balance::Balancer), [`balanced_by`] makes it.
///
/// ```no_run
/// use redistrib_ops::migrate::MigrateOptions;
/// use redistrib_ops::{Context, Settings, balanced_by, join_cluster_with};
/// use redistrib_ops::model::Node;
/// let options = MigrateOptions::default();
/// // The machine on port 7001 is twice as large as the others.
/// let plan = balanced_by(|node: &Node| if node.address.port == 7001 { 2.0 } else { 1.0 });
/// let (existing, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?);
/// join_cluster_with(&existing, &new, &Settings::default(), plan, &options, Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Join`].
pub fn join_cluster_with(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    plan: impl Fn(&[&Node]) -> Result<Vec<SlotTransfer>>,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<Migrated> {
    let (seed, new, migration) = (existing.clone(), new.clone(), options.clone());
    carry_out(Join { seed, new, balance: plan, migration }, settings, context)
}

/// Adds the empty node `new` to the cluster of `existing` as a master without slots, and returns its id: [`AddNode`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, join_no_load};
/// let (existing, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7001".parse()?);
/// join_no_load(&existing, &new, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`AddNode`].
pub fn join_no_load(
    existing: &Endpoint,
    new: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<NodeId> {
    bring_in(existing, new, AskedRole::Master, settings, context)
}

/// Adds the empty node `replica` to the cluster of `master` as a replica of that very node, and returns its id: [`AddNode`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, replicate};
/// let (master, replica) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7002".parse()?);
/// replicate(&master, &replica, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`AddNode`].
pub fn replicate(
    master: &Endpoint,
    replica: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<NodeId> {
    bring_in(master, replica, AskedRole::ReplicaOf(None), settings, context)
}

fn bring_in(
    seed: &Endpoint,
    new: &Endpoint,
    role: AskedRole,
    settings: &Settings,
    context: Context<'_>,
) -> Result<NodeId> {
    let request = AddNode { seed: seed.clone(), new: new.clone(), role, ..AddNode::default() };
    carry_out(request, settings, context).map(|added| added.id)
}

/// Takes the node at `endpoint` out of its cluster; a master's slots move to the other masters first: [`DelNode`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, quit_cluster};
/// quit_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`DelNode`].
pub fn quit_cluster(endpoint: &Endpoint, settings: &Settings, context: Context<'_>) -> Result<()> {
    let request = DelNode { seed: endpoint.clone(), drain: true, ..DelNode::default() };
    carry_out(request, settings, context).map(drop)
}

/// Ends a cluster of which the node at `endpoint` is the last one and holds no key: [`Shutdown`]. With `ignore_failed`, nodes
/// that it takes for dead and that do not answer us either do not count.
///
/// ```no_run
/// use redistrib_ops::{Settings, shutdown_cluster};
/// shutdown_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), false)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Shutdown`].
pub fn shutdown_cluster(
    endpoint: &Endpoint,
    settings: &Settings,
    ignore_failed: bool,
) -> Result<()> {
    let request = Shutdown { seed: endpoint.clone(), ignore_failed };
    carry_out(request, settings, Context::default())
}

/// Adds the empty node `spare` to the cluster of `existing` and makes it the owner of all lost slots, which are returned:
/// [`Rescue`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, rescue_cluster};
/// let (existing, spare) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7006".parse()?);
/// let slots = rescue_cluster(&existing, &spare, &Settings::default(), Context::default())?;
/// println!("{spare} has taken over {slots}");
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Rescue`].
pub fn rescue_cluster(
    existing: &Endpoint,
    spare: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<SlotSet> {
    let (seed, spare) = (existing.clone(), spare.clone());
    carry_out(Rescue { seed, spare, ..Rescue::default() }, settings, context)
}

/// Moves slots with their keys from the master at `source` to the master at `target`: [`MigrateSlots`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, migrate_slots};
/// let (source, target) = ("127.0.0.1:7001".parse()?, "127.0.0.1:7002".parse()?);
/// let slots = "0 2 4-7".parse().unwrap();
/// migrate_slots(&source, &target, &slots, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`MigrateSlots`].
pub fn migrate_slots(
    source: &Endpoint,
    target: &Endpoint,
    slots: &SlotSet,
    settings: &Settings,
    context: Context<'_>,
) -> Result<Migrated> {
    let request = MigrateSlots {
        seed: source.clone(),
        to: Some(name_of(target)?),
        slots: slots.clone(),
        ..MigrateSlots::default()
    };
    carry_out(request, settings, context)
}

/// Repairs the slots that are open on the node at `endpoint`, and returns them: [`Fix`].
///
/// ```no_run
/// use redistrib_ops::{Context, Settings, fix_migrating};
/// fix_migrating(&"127.0.0.1:7001".parse()?, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Fix`].
pub fn fix_migrating(
    endpoint: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<SlotSet> {
    let request = Fix { seed: endpoint.clone(), scope: FixScope::OpenAtSeed, ..Fix::default() };
    carry_out(request, settings, context).map(|fixed| fixed.slots)
}

fn name_of(endpoint: &Endpoint) -> Result<NodeName> {
    let name = endpoint.to_string();
    name.parse().map_err(|_| NodeNameError::Unknown(name).into())
}
