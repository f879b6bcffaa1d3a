//! `add-node`, `join-no-load`, `replicate` and `join`: a node comes into a cluster.

use redistrib_cluster_model::plan::balance::{Balancer, SlotTransfer, balance_plan, moves_of};
use redistrib_cluster_model::{Node, NodeId, NodeName};
use serde::Serialize;

use super::add_node::{NewRole, WholeMembers, add_node_where, add_owner};
use super::moves::carry_out;
use super::operation::{Operation, Recovery};
use crate::error::Result;
use crate::migrate::{MigrateOptions, Migrated};
use crate::served::await_served;
use crate::{Cluster, Context, Endpoint, Member, Settings};

/// What a new node is asked to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AskedRole {
    /// A master without slots.
    #[default]
    Master,
    /// A replica of whichever reachable master has the fewest.
    Replica,
    /// A replica of this master: of the seed, where none is named.
    ReplicaOf(Option<NodeName>),
}

/// The request to bring an empty node into a cluster. One that is a member already, after an attempt that was interrupted, gets
/// what it lacks. Functions that the cluster has are carried to a master; a replica gets them from its own.
///
/// A node that has left the cluster is kept on the servers' lists of forgotten ids for a minute, and since Redis 7.2 they
/// pass such ids on to each other: it comes back with another id.
///
/// ```no_run
/// use redistrib_ops::{AddNode, AskedRole, Context, Settings, carry_out};
/// let (seed, new) = ("127.0.0.1:7000".parse()?, "127.0.0.1:7006".parse()?);
/// let request = AddNode { seed, new, role: AskedRole::Replica, ..AddNode::default() };
/// println!("{} follows {:?}", request.new, carry_out(request.clone(), &Settings::default(), Context::default())?.master);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AddNode {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The new node.
    pub new: Endpoint,
    /// What it is to be.
    pub role: AskedRole,
    /// Whether not to wait until it serves clients, as a replica with its master's data.
    pub no_wait: bool,
    /// What becomes of a node that needs nothing any more: redis-cli and valkey-cli refuse it.
    pub members: WholeMembers,
}

/// What an [`AddNode`] would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addition {
    /// What the new node is to be.
    pub role: NewRole,
    /// The master that it would follow.
    pub master: Option<NodeId>,
}

/// What an [`AddNode`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Added {
    /// The new node.
    pub id: NodeId,
    /// The master that it follows.
    pub master: Option<NodeId>,
}

impl Operation for AddNode {
    const VERB: &'static str = "add-node";
    type Subject = Cluster;
    type Plan = Addition;
    type Report = Added;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    /// # Errors
    /// Those of [`Cluster::find`] and [`NewRole::master`].
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<Addition> {
        let role = match &self.role {
            AskedRole::Master => NewRole::Master,
            AskedRole::Replica => NewRole::Replica,
            AskedRole::ReplicaOf(name) => {
                NewRole::ReplicaOf(cluster.find_or_myself(name.as_ref())?)
            }
        };
        Ok(Addition { role, master: role.master(cluster)? })
    }

    /// # Errors
    /// What a new cluster refuses; [`Error::Membership`](crate::Error::Membership) for a master with functions that the cluster
    /// has not, and for a member in another role; [`Error::NotSettled`](crate::Error::NotSettled), after which a node that was
    /// no member before has been taken out again; those of [`NewRole::master`] and [`await_all_served`](crate::await_all_served).
    fn apply(&self, plan: Addition, cluster: &mut Cluster, context: Context<'_>) -> Result<Added> {
        let id = add_node_where(cluster, &self.new, plan.role, self.members, context)?;
        if !self.no_wait {
            await_served(cluster.seed(), &self.new, cluster.settings(), context)?;
        }
        Ok(Added { id, master: plan.master })
    }
}

/// The request to bring an empty node into a cluster as a master, and to give it its part of the slots. One that is a member
/// already, after a join that was interrupted, gets what it lacks.
#[derive(Clone, Debug)]
pub struct Join<B> {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The new node.
    pub new: Endpoint,
    /// Which master gives how many slots to which, once the new node is one of the masters: [`balanced_by`] makes one of a
    /// [`Balancer`].
    pub balance: B,
    /// How they move.
    pub migration: MigrateOptions,
}

impl<B: Fn(&[&Node]) -> Result<Vec<SlotTransfer>>> Operation for Join<B> {
    const VERB: &'static str = "join";
    type Subject = Cluster;
    /// What moves is known once the node is a member.
    type Plan = ();
    type Report = Migrated;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    fn plan(&self, _cluster: &mut Cluster, _context: Context<'_>) -> Result<()> {
        Ok(())
    }

    /// # Errors
    /// Those of [`AddNode`] and [`migrate`](crate::migrate::migrate); those of the balance plan, and
    /// [`Error::Balance`](crate::Error::Balance) for one that cannot be carried out: the new node is a member without slots then.
    fn apply(&self, _plan: (), cluster: &mut Cluster, context: Context<'_>) -> Result<Migrated> {
        add_owner(cluster, &self.new, context)?;
        cluster.rediscover()?;
        let masters: Vec<&Node> = cluster.masters().map(Member::node).collect();
        let moves = moves_of(&masters, &(self.balance)(&masters)?)?;
        carry_out(cluster, &moves, &self.migration, context)
    }
}

/// The balance plan after which each master's slots stand in proportion to its weight.
pub fn balanced_by(balancer: impl Balancer) -> impl Fn(&[&Node]) -> Result<Vec<SlotTransfer>> {
    move |masters| Ok(balance_plan(masters, &balancer)?)
}
