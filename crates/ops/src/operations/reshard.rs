//! `reshard`: a number of slots for one master, taken from others.

use redistrib_cluster_model::plan::reshard::plan_reshard;
use redistrib_cluster_model::{Move, NodeId, SlotSet};

use crate::error::Result;
use crate::{Cluster, Member, MoveError};

/// Where the slots of a reshard come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// All other masters, each in proportion to what it owns.
    All,
    /// These masters.
    Nodes(Vec<NodeId>),
}

/// Chooses which slots go to `target`: `count`, or all that the sources own, if that is less. Nothing is changed: give the moves to [`crate::migrate::migrate`].
///
/// ```no_run
/// use redistrib_ops::migrate::{MigrateOptions, migrate};
/// use redistrib_ops::reshard::{Sources, plan};
/// use redistrib_ops::{Cancel, Cluster, Context, Settings, Silent};
///
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let target = cluster.members()[0].id();
/// let moves = plan(&cluster, &Sources::All, target, 1000)?;
/// let cancel = Cancel::new();
/// migrate(&mut cluster, &moves, &MigrateOptions::default(), Context::new(&Silent, &cancel))?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::NoSuchNode`](crate::Error::NoSuchNode); [`Error::Move`](crate::Error::Move) and [`Error::Reshard`](crate::Error::Reshard) for a node that is no master, for a target that is also a
/// source, and for sources that own no slots.
pub fn plan(
    cluster: &Cluster,
    sources: &Sources,
    target: NodeId,
    count: usize,
) -> Result<Vec<Move>> {
    master(cluster, target)?;
    let sources: Vec<&Member> = match sources {
        Sources::All => cluster.masters().filter(|member| member.id() != target).collect(),
        Sources::Nodes(ids) => {
            ids.iter().map(|id| master(cluster, *id)).collect::<Result<Vec<_>>>()?
        }
    };
    let owned: Vec<_> = sources.iter().map(|member| (member.id(), closed(member))).collect();
    let most = owned.iter().map(|(_, slots)| slots.len()).sum();
    // Where there are none at all, the plan says so.
    let count = if most == 0 { count } else { count.min(most) };
    Ok(plan_reshard(&owned, target, count)?)
}

/// The slots of a master that are not on their way already.
fn closed(member: &Member) -> SlotSet {
    let node = member.node();
    node.slots.difference(&node.migrating.iter().map(|(slot, _)| *slot).collect())
}

fn master(cluster: &Cluster, id: NodeId) -> Result<&Member> {
    let member = cluster.member(id)?;
    if member.is_master() {
        return Ok(member);
    }
    Err(MoveError::Replica { node: member.endpoint().clone(), id }.into())
}
