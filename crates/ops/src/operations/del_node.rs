//! `del-node` and `quit`: a node leaves a cluster, once its slots have moved away.

use redistrib_cluster_model::plan::balance::{EvenBalancer, quit_plan};
use redistrib_cluster_model::{Move, Node, NodeId, NodeName};
use serde::Serialize;

use super::departure::Departure;
use super::moves::carry_out;
use super::operation::{Operation, Recovery};
use crate::cluster::served::await_copies;
use crate::error::Result;
use crate::migrate::MigrateOptions;
use crate::{Cluster, Context, Endpoint, Member, MembershipError, Settings};

/// The request to take a node out of a cluster.
///
/// ```no_run
/// use redistrib_ops::{Context, DelNode, Settings, carry_out};
/// let request = DelNode { seed: "127.0.0.1:7000".parse()?, drain: true, ..DelNode::default() };
/// carry_out(request, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DelNode {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The node that leaves: the seed, where none is named.
    pub which: Option<NodeName>,
    /// Whether its slots move to the other masters first, so that these come out even.
    pub drain: bool,
    /// How they move.
    pub migration: MigrateOptions,
    /// Whether it keeps its id when it is reset, as redis-cli and valkey-cli leave it.
    pub keeps_id: bool,
}

/// What a [`DelNode`] would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// The node that leaves.
    pub node: NodeId,
    /// Where its slots go first.
    pub moves: Vec<Move>,
    /// Its replicas, each with the master that it follows then; none are known as long as slots have to move.
    pub reassigned: Vec<(NodeId, NodeId)>,
}

impl Operation for DelNode {
    const VERB: &'static str = "del-node";
    type Subject = Cluster;
    type Plan = Removal;
    type Report = Removal;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        if self.drain { Recovery::Mend(&self.migration) } else { Recovery::None }
    }

    /// # Errors
    /// [`Error::NoSuchNode`](crate::Error::NoSuchNode) for a node that nobody knows; [`Error::Membership`](crate::Error::Membership) for a
    /// master that still owns slots, the last master, and one whose replicas would have nobody to follow.
    fn plan(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<Removal> {
        let node = cluster.find_or_myself(self.which.as_ref())?;
        let moves = if self.drain { plan_drain(cluster, node)? } else { Vec::new() };
        let reassigned = match moves.is_empty() {
            true => Departure::plan(cluster, node, context)?.reassigned,
            false => Vec::new(),
        };
        Ok(Removal { node, moves, reassigned })
    }

    /// # Errors
    /// Those of [`migrate`](crate::migrate::migrate); [`Error::NotSettled`](crate::Error::NotSettled) for a master that holds keys, or that
    /// others take for the owner of slots; [`Error::Membership`](crate::Error::Membership) for nodes that would not forget it, and
    /// [`Error::NotSettled`](crate::Error::NotSettled) for replicas of it without another master's data, when all else is done.
    fn apply(&self, plan: Removal, cluster: &mut Cluster, context: Context<'_>) -> Result<Removal> {
        let replicas = cluster.replicas_of(plan.node).filter(|replica| replica.is_up());
        let replicas: Vec<NodeId> = replicas.map(Member::id).collect();
        if !plan.moves.is_empty() {
            carry_out(cluster, &plan.moves, &self.migration, context)?;
            cluster.refresh();
        }
        let departure = Departure::plan(cluster, plan.node, context)?;
        let departure = Departure { keeps_id: self.keeps_id, ..departure };
        departure.apply(cluster, context)?;
        await_copies(cluster, &replicas, context)?;
        Ok(Removal { reassigned: departure.reassigned, ..plan })
    }
}

/// The moves that spread a master's slots over the other masters so that these come out even. Empty for a replica.
fn plan_drain(cluster: &Cluster, id: NodeId) -> Result<Vec<Move>> {
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
