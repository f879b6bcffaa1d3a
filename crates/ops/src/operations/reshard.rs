//! `reshard`: a number of slots for one master, taken from others.

use redistrib_cluster_model::plan::reshard::plan_reshard;
use redistrib_cluster_model::{Move, NodeId, NodeName, SlotSet};
use serde::Serialize;

use super::moves::{carry_out, still_owned};
use super::operation::{Operation, Recovery};
use crate::error::Result;
use crate::migrate::{MigrateOptions, Migrated};
use crate::{Cluster, Context, Endpoint, Member, MoveError, Settings};

/// The request to move slots to one master.
///
/// ```no_run
/// use redistrib_ops::{Context, Reshard, Settings, carry_out};
/// let request = Reshard {
///     seed: "127.0.0.1:7000".parse()?,
///     to: Some("127.0.0.1:7002".parse().unwrap()),
///     slots: 1000,
///     ..Reshard::default()
/// };
/// println!("{} slots have moved", carry_out(request, &Settings::default(), Context::default())?.slots);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Reshard {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The masters that give slots; all others, each in proportion to what it owns, where none is named.
    pub from: Vec<NodeName>,
    /// The master that takes them: the seed, where none is named.
    pub to: Option<NodeName>,
    /// How many, or all that the sources own, if that is less.
    pub slots: usize,
    /// How they move.
    pub migration: MigrateOptions,
    /// Slots that have come already and count among those asked for. An interrupted run that is finished first adds its own.
    pub arrived: Vec<Move>,
}

/// What a [`Reshard`] would do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReshardPlan {
    /// The master that takes slots.
    pub target: NodeId,
    /// How many slots are asked for.
    pub asked: usize,
    /// How many of them have come already.
    pub arrived: usize,
    /// Which slots come from whom; fewer than are missing where the sources do not own as many.
    pub moves: Vec<Move>,
}

impl ReshardPlan {
    /// How many slots are missing.
    pub fn wanted(&self) -> usize {
        self.asked.saturating_sub(self.arrived)
    }

    /// How many slots would move.
    pub fn count(&self) -> usize {
        self.moves.iter().map(|step| step.slots.len()).sum()
    }
}

impl Reshard {
    fn sources<'a>(&self, cluster: &'a Cluster, target: NodeId) -> Result<Vec<&'a Member>> {
        if self.from.is_empty() {
            return Ok(cluster.masters().filter(|member| member.id() != target).collect());
        }
        self.from.iter().map(|name| master(cluster, cluster.find(name)?)).collect()
    }
}

impl Operation for Reshard {
    const VERB: &'static str = "reshard";
    type Subject = Cluster;
    type Plan = ReshardPlan;
    type Report = Migrated;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    fn recovered(&mut self, moves: &[Move]) {
        self.arrived.extend_from_slice(moves);
    }

    /// # Errors
    /// [`Error::NoSuchNode`](crate::Error::NoSuchNode); [`Error::Move`](crate::Error::Move) and [`Error::Reshard`](crate::Error::Reshard) for a node
    /// that is no master, for a target that is also a source, and for sources that own no slots.
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<ReshardPlan> {
        let target = cluster.find_or_myself(self.to.as_ref())?;
        master(cluster, target)?;
        let sources = self.sources(cluster, target)?;
        let is_ours = |step: &&Move| {
            step.to == target && sources.iter().any(|source| source.id() == step.from)
        };
        let arrived = self.arrived.iter().filter(is_ours).map(|step| step.slots.len()).sum();
        let wanted = self.slots.saturating_sub(arrived);
        let owned: Vec<_> = sources.iter().map(|member| (member.id(), closed(member))).collect();
        let most = owned.iter().map(|(_, slots)| slots.len()).sum();
        let moves = match wanted {
            0 => Vec::new(),
            // Where there are none at all, the planner says so.
            wanted if most == 0 => plan_reshard(&owned, target, wanted)?,
            wanted => plan_reshard(&owned, target, wanted.min(most))?,
        };
        Ok(ReshardPlan { target, asked: self.slots, arrived, moves })
    }

    fn still_fits(
        &self,
        plan: &ReshardPlan,
        cluster: &mut Cluster,
        _context: Context<'_>,
    ) -> Result<bool> {
        Ok(still_owned(cluster, &plan.moves))
    }

    fn apply(
        &self,
        plan: ReshardPlan,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<Migrated> {
        carry_out(cluster, &plan.moves, &self.migration, context)
    }
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
