//! `replace`: a new node takes the place of an old one, at the speed of replication.

use std::collections::HashSet;
use std::time::Duration;

use redistrib_cluster_model::fitness::{Obstacle, Unfit};
use redistrib_cluster_model::{NodeId, NodeLabel, NodeName, SlotSet};

use super::operation::Operation;
use crate::add_node::add_node;
use crate::candidate::Candidate;
use crate::cluster::sync_delay::without_delay;
use crate::error::{Error, Result};
use crate::migrate::fitness::newcomer_obstacles;
use crate::operations::departure::Departure;
use crate::operations::follow::follow;
use crate::served::await_served;
use crate::{
    Cluster, Context, Endpoint, Failover, FailoverMode, Member, MembershipError, NewRole, Settings,
};

/// A node that is to take the place of another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The node whose place is taken.
    pub old: NodeLabel,
    /// The node that takes it: an empty one, or a replica of the old one's shard.
    pub new: Endpoint,
    /// The slots that it takes over; none where the old node is a replica.
    pub slots: SlotSet,
    /// Whether the old node stays, as a replica of the new one.
    pub keep: bool,
    /// Whom the new node follows first; none in place of a master without slots.
    follows: Option<NodeId>,
}

/// The request to put a new node in the place of an old one.
///
/// ```no_run
/// use redistrib_ops::{Context, Replace, Settings, carry_out};
/// let (seed, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7006".parse()?);
/// carry_out(Replace { seed, new, ..Replace::default() }, &Settings::default(), Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Replace {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The old node: the seed, where none is named.
    pub which: Option<NodeName>,
    /// The new one: empty, or a replica of the old one's shard.
    pub new: Endpoint,
    /// Whether the old node stays, as a replica of the new one.
    pub keep: bool,
}

/// What a [`Replace`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replaced {
    /// Who took whose place.
    pub replacement: Replacement,
    /// How long the writes of a probe were held up, where there was a failover.
    pub held_up: Option<Duration>,
}

impl Operation for Replace {
    const VERB: &'static str = "replace";
    type Subject = Cluster;
    type Plan = Replacement;
    type Report = Replaced;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        let found = Cluster::discover(&self.seed, settings);
        match self.which {
            Some(_) => found,
            None => found.map_err(|why| silent(&self.seed, why)),
        }
    }

    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<Replacement> {
        let old = cluster.find_or_myself(self.which.as_ref())?;
        Replacement::plan(cluster, old, &self.new, self.keep)
    }

    fn apply(
        &self,
        replacement: Replacement,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<Replaced> {
        let held_up = replacement.apply(cluster, context)?;
        Ok(Replaced { replacement, held_up })
    }
}

impl Replacement {
    /// Plans it, and makes sure that the new node can carry what the old one has. Changes nothing. After a run that was
    /// interrupted, what is left to do is planned.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`]; [`MembershipError::SilentOld`] for an old node that cannot be reached;
    /// [`MembershipError::ReplacesItself`] for a node that is to take its own place, and
    /// [`MembershipError::NothingToReplace`] where it has been done; [`Error::Unfit`] for a new node that cannot carry what
    /// the old one has; those of [`Connection::open`](crate::Connection::open).
    fn plan(cluster: &mut Cluster, old: NodeId, new: &Endpoint, keep: bool) -> Result<Self> {
        let member = cluster.member_mut(old)?;
        let endpoint = member.endpoint().clone();
        member.connection().map_err(|why| silent(&endpoint, why))?;
        let node = member.node();
        let (slots, master) = (node.slots.clone(), node.master);
        let old = NodeLabel { id: old, address: endpoint.to_string() };
        let mut candidate = Candidate::look(new, cluster.settings())?;
        if candidate.node.id == old.id {
            return Err(MembershipError::ReplacesItself(new.clone()).into());
        }
        let is_alone = cluster.members().len() == 1 && slots.is_empty();
        if is_alone && !candidate.is_alone() {
            let (old, new) = (cluster.seed().clone(), new.clone());
            return Err(MembershipError::NothingToReplace { old, new }.into());
        }
        let follows = match master {
            Some(master) if master == candidate.node.id => None,
            Some(master) => Some(master),
            None => (!slots.is_empty()).then_some(old.id),
        };
        let plan = Self { old, new: new.clone(), slots, keep, follows };
        plan.refuse_unfit(cluster, &mut candidate)?;
        Ok(plan)
    }

    /// Carries it out: the new node joins, gets all data and takes over from a master; then the old one leaves and is reset,
    /// unless it is kept. Returns how long the writes of a probe were held up meanwhile, where there was a failover.
    ///
    /// # Errors
    /// Those of [`AddNode`](crate::AddNode), [`Failover::apply`] and [`DelNode`](crate::DelNode); [`Error::NotSettled`] for a new node that does
    /// not get its data.
    fn apply(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<Option<Duration>> {
        let held_up = self.take_place(cluster, context)?;
        if !self.keep {
            Departure::plan(cluster, self.old.id, context)?.apply(cluster, context)?;
        }
        Ok(held_up)
    }

    fn take_place(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<Option<Duration>> {
        let Some(master) = self.follows else {
            self.take_empty_place(cluster, context)?;
            return Ok(None);
        };
        let new = without_delay(cluster, &HashSet::from([master]), context, |cluster| {
            let new = add_node(cluster, &self.new, NewRole::ReplicaOf(master), context)?;
            cluster.rediscover()?;
            await_served(cluster.seed(), &self.new, cluster.settings(), context)?;
            Ok(new)
        })?;
        if self.slots.is_empty() {
            return Ok(None);
        }
        let failover = Failover::plan(cluster, new, FailoverMode::Agreed)?;
        let held_up = failover.apply(cluster, context)?;
        self.lead(cluster, new, context)?;
        Ok(held_up)
    }

    /// In place of a master without slots, or where the old node follows the new one already.
    fn take_empty_place(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        let new = match cluster.member(self.old.id)?.node().master {
            Some(new) => new,
            None => add_node(cluster, &self.new, NewRole::Master, context)?,
        };
        cluster.rediscover()?;
        self.lead(cluster, new, context)
    }

    /// Makes those that follow the old node follow the new one, as those of an owner of slots do by themselves, sooner or
    /// later.
    fn lead(&self, cluster: &mut Cluster, new: NodeId, context: Context<'_>) -> Result<()> {
        let others = cluster.replicas_of(self.old.id).filter(|it| it.is_up() && it.id() != new);
        for replica in others.map(Member::id).collect::<Vec<_>>() {
            follow(cluster, replica, new, context)?;
        }
        Ok(())
    }

    /// A node that cannot hold or read what the old one has would never be in step, or lose keys once it is master.
    fn refuse_unfit(&self, cluster: &mut Cluster, new: &mut Candidate) -> Result<()> {
        let Some(master) = self.follows else { return Ok(()) };
        let mut found = newcomer_obstacles(cluster, master, new)?;
        // The replicas of the old one will be its own.
        let has_others = self.keep || cluster.replicas_of(master).any(Member::is_up);
        let counts = |obstacle: &Obstacle| {
            !(has_others && matches!(obstacle.what, Unfit::TooFewReplicas { .. }))
        };
        found.retain(counts);
        if found.is_empty() { Ok(()) } else { Err(Error::Unfit(found)) }
    }
}

/// Returns that the old node is needed, where it cannot be reached.
fn silent(old: &Endpoint, why: Error) -> Error {
    if !why.is_unreachable() {
        return why;
    }
    MembershipError::SilentOld { old: old.clone(), why: Box::new(why) }.into()
}
