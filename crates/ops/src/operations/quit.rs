//! `quit` and `shutdown` of redis-trib.py.

use redistrib_cluster_model::plan::balance::{EvenBalancer, quit_plan};
use redistrib_cluster_model::{Move, Node, NodeId};

use crate::commands::replies::info_in;
use crate::commands::{self, Reset};
use crate::error::Result;
use crate::migrate::{MigrateOptions, migrate};
use crate::{Cluster, Context, Departure, Endpoint, Member, MembershipError, Settings};

/// The moves that spread a master's slots over the other masters so that these come out even. Empty for a
/// replica.
///
/// # Errors
/// [`Error::NoSuchNode`](crate::Error::NoSuchNode); [`Error::Membership`](crate::Error::Membership) for the last master.
pub fn plan_drain(cluster: &Cluster, id: NodeId) -> Result<Vec<Move>> {
    let leaving = cluster.known(id).ok_or_else(|| cluster.no_such_node(&id.to_string()))?;
    if leaving.slots.is_empty() {
        return Ok(Vec::new());
    }
    let others = cluster.masters().filter(|member| member.is_up() && member.id() != id);
    let others: Vec<&Node> = others.map(Member::node).collect();
    if others.is_empty() {
        return Err(MembershipError::LastMaster(leaving.address.clone()).into());
    }
    Ok(quit_plan(leaving, &others, &EvenBalancer)?)
}

/// Takes the node at `endpoint` out of its cluster; a master's slots move to the other masters first.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, quit_cluster};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// quit_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`plan_drain`], [`migrate`] and [`Departure`].
pub fn quit_cluster(endpoint: &Endpoint, settings: &Settings, context: Context<'_>) -> Result<()> {
    let mut cluster = Cluster::discover(endpoint, settings)?;
    let id = cluster.myself().id();
    let moves = plan_drain(&cluster, id)?;
    if !moves.is_empty() {
        migrate(&mut cluster, &moves, &MigrateOptions::default(), context)?;
    }
    Departure::plan(&cluster, id)?.apply(&mut cluster, context)
}

/// Ends a cluster of which the node at `endpoint` is the last one and holds no key: the node is reset. With
/// `ignore_failed`, nodes that it takes for dead and that do not answer us either do not count.
///
/// ```no_run
/// use redistrib_ops::{Settings, shutdown_cluster};
/// shutdown_cluster(&"127.0.0.1:7000".parse()?, &Settings::default(), false)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::Membership`](crate::Error::Membership) while there are other nodes or keys.
pub fn shutdown_cluster(
    endpoint: &Endpoint,
    settings: &Settings,
    ignore_failed: bool,
) -> Result<()> {
    let mut cluster = Cluster::discover(endpoint, settings)?;
    require_end(&mut cluster, ignore_failed)?;
    // As somebody new: a node that still remembers the old id may be about to make others forget it.
    let reset = commands::reset(Reset::Hard);
    cluster.myself_mut().connection()?.call(&reset).map(drop)
}

/// Makes sure that [`shutdown_cluster`] may end the cluster at its seed. Changes nothing.
///
/// # Errors
/// Those of [`shutdown_cluster`].
pub fn require_end(cluster: &mut Cluster, ignore_failed: bool) -> Result<()> {
    let endpoint = cluster.seed().clone();
    let is_dead = |member: &&Member| {
        let seen = cluster.myself().topology().and_then(|topology| topology.node(member.id()));
        let missed = seen.is_some_and(|it| it.flags.is_failed() || it.flags.is_suspected());
        missed && !member.is_up()
    };
    let others = cluster.members().len() - 1;
    let dead = cluster.members().iter().filter(is_dead).count();
    let (passed_over, failed) = if ignore_failed { (dead, 0) } else { (0, dead) };
    if others > passed_over {
        return Err(MembershipError::OtherNodes { seed: endpoint, others, failed }.into());
    }
    let connection = cluster.myself_mut().connection()?;
    let keyspace = connection.call(&commands::info_of("keyspace"))?;
    let keys = info_in(&keyspace).keys();
    if keys > 0 {
        return Err(MembershipError::HoldsKeys { node: endpoint, keys }.into());
    }
    Ok(())
}
