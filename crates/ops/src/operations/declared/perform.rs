//! One step, by the operation that does it.

use redistrib_cluster_model::Move;
use redistrib_cluster_model::declare::{Change, DeclaredMove};

use super::survey::{Site, create_plan};
use crate::add_node::{NewRole, add_node, add_owner};
use crate::error::Result;
use crate::migrate::{MigrateOptions, migrate};
use crate::operations::configure::configure;
use crate::operations::create::Candidates;
use crate::operations::departure::Departure;
use crate::operations::failover::{Failover, FailoverMode};
use crate::operations::follow::follow;
use crate::served::await_new_cluster;
use crate::{ApplyError, Cluster, Context, Endpoint};

/// Carries one step out.
///
/// # Errors
/// Those of the operation.
pub(super) fn perform(
    change: &Change,
    site: &mut Site,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    match change {
        Change::Create { .. } => create(change, site, context),
        Change::Configure { nodes, settings, rewrite } => {
            let nodes: Vec<Endpoint> =
                nodes.iter().map(|at| at.parse()).collect::<Result<_, _>>()?;
            configure(&nodes, settings, *rewrite, site.settings())
        }
        Change::Join { node, master } => join(node, master.as_deref(), site, context),
        Change::Failover { node, .. } => {
            let id = site.id(node)?;
            let cluster = site.living()?;
            Failover::plan(cluster, id, FailoverMode::Agreed)?.apply(cluster, context).map(drop)
        }
        Change::Follow { node, master } => {
            let (node, master) = (site.id(node)?, site.id(master)?);
            follow(site.living()?, node, master, context)
        }
        Change::MoveSlots { moves } => {
            let step = |it: &DeclaredMove| {
                Ok(Move { from: site.id(&it.from)?, to: site.id(&it.to)?, slots: it.slots.clone() })
            };
            let moves = moves.iter().map(step).collect::<Result<Vec<_>>>()?;
            migrate(site.living()?, &moves, options, context).map(drop)
        }
        Change::Leave { id, .. } => {
            let cluster = site.living()?;
            Departure::plan(cluster, *id, context)?.apply(cluster, context)
        }
    }
}

fn create(change: &Change, site: &Site, context: Context<'_>) -> Result<()> {
    let plan = create_plan(change, site.declared()).ok_or(ApplyError::OtherFile)?;
    let endpoints: Vec<Endpoint> = site.endpoints().cloned().collect();
    let mut candidates = Candidates::survey(&endpoints, site.settings())?;
    candidates.create(&plan, context)?;
    let seed = endpoints.first().ok_or(ApplyError::OtherFile)?;
    await_new_cluster(&mut Cluster::discover(seed, site.settings())?, context)
}

fn join(node: &str, master: Option<&str>, site: &mut Site, context: Context<'_>) -> Result<()> {
    let endpoint: Endpoint = node.parse()?;
    let master = master.map(|master| site.id(master)).transpose()?;
    let cluster = site.living()?;
    match master {
        Some(master) => add_node(cluster, &endpoint, NewRole::ReplicaOf(master), context),
        None => add_owner(cluster, &endpoint, context),
    }
    .map(drop)
}
