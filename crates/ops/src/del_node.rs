//! A node leaves a cluster for good.

use redistrib_cluster_model::NodeId;
use redistrib_resp::Command;

use crate::add_node::{forget, poorest_master};
use crate::error::{Error, Result};
use crate::{Cluster, Context, Member, Step};

/// What has to be done for a node to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// The node that leaves.
    pub node: NodeId,
    /// Its replicas, each with the master it will follow.
    pub reassigned: Vec<(NodeId, NodeId)>,
}

impl Departure {
    /// Makes sure that the node can leave, and finds new masters for its replicas.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], and [`Error::Precondition`] for a master that still owns slots, or whose replicas
    /// would have nobody to follow.
    pub fn plan(cluster: &Cluster, id: NodeId) -> Result<Self> {
        let leaving = cluster.member(id)?;
        if !leaving.node().slots.is_empty() {
            return Err(Error::Precondition(format!(
                "Node {} is not empty! It owns {} slots: reshard them away and try again, or give --drain",
                leaving.endpoint(),
                leaving.node().slots.len()
            )));
        }
        let others = |member: &Member| member.id() != id && member.is_up();
        let followers = cluster.replicas_of(id).filter(|replica| replica.is_up());
        let reassigned = followers
            .map(|replica| {
                let master = poorest_master(cluster, others).ok_or_else(|| {
                    Error::Precondition(format!(
                        "no master is left for replica {} to follow",
                        replica.endpoint()
                    ))
                })?;
                Ok((replica.id(), master))
            })
            .collect::<Result<_>>()?;
        Ok(Self { node: id, reassigned })
    }

    /// Does it: the replicas follow others, every reachable node forgets the one that leaves, and it is reset.
    /// A node that is down is just forgotten.
    ///
    /// # Errors
    /// Those of [`crate::Connection::call`].
    pub fn apply(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        for (replica, master) in &self.reassigned {
            let connection = cluster.member_mut(*replica)?.connection()?;
            context.step(Step::Other {
                text: format!("{} as replica of {master}", connection.endpoint()),
            });
            connection.call(&Command::new("CLUSTER").arg("REPLICATE").arg(master.to_string()))?;
        }
        context
            .step(Step::Other { text: "Sending CLUSTER FORGET messages to the cluster...".into() });
        forget(cluster, self.node)?;
        let leaving = cluster.member_mut(self.node)?;
        if !leaving.is_up() {
            context.warn(format!(
                "{} cannot be reached and still takes itself for a member: reset it (CLUSTER RESET HARD) should it come back",
                leaving.endpoint()
            ));
            return Ok(());
        }
        context
            .step(Step::Other { text: "Sending CLUSTER RESET SOFT to the deleted node.".into() });
        leaving.connection()?.call(&Command::new("CLUSTER").arg("RESET").arg("SOFT"))?;
        Ok(())
    }
}
