//! A spare node takes over the slots of masters that are lost for good.

use redistrib_cluster_model::NodeLabel;
use redistrib_cluster_model::plan::fix::Action;
use redistrib_cluster_model::{NodeId, SlotSet};

use super::operation::{Operation, Recovery};
use crate::add_node::add_owner;
use crate::agreement::agree;
use crate::error::Result;
use crate::migrate::MigrateOptions;
use crate::{
    Cluster, Context, Endpoint, Member, MembershipError, Settings, await_all_served, lost, mend,
    repair,
};

fn lost_slots(cluster: &Cluster) -> Result<SlotSet> {
    let mut lost = cluster.covered().complement();
    for master in cluster.masters().filter(|master| !master.is_up()) {
        let slots = &master.node().slots;
        let successor = cluster.replicas_of(master.id()).find(|replica| replica.is_up());
        if let (Some(successor), false) = (successor, slots.is_empty()) {
            let (master, successor) = (master.endpoint().clone(), successor.endpoint().clone());
            return Err(MembershipError::HasSuccessor { master, successor }.into());
        }
        lost = lost.union(slots);
    }
    Ok(lost)
}

/// The request to make an empty node the owner of all lost slots. What their masters held stays lost. A spare that is a member
/// already, after a rescue that was interrupted, is taken as it is.
#[derive(Clone, Debug, Default)]
pub struct Rescue {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The empty node.
    pub spare: Endpoint,
    /// How the keys of slots move that an interrupted run has left open.
    pub migration: MigrateOptions,
}

impl Operation for Rescue {
    const VERB: &'static str = "rescue";
    type Subject = Cluster;
    type Plan = SlotSet;
    /// The slots that it took over; where none were lost, nothing was done.
    type Report = SlotSet;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    /// The slots that nobody serves: those without an owner, and those whose master does not answer.
    ///
    /// # Errors
    /// [`Error::Membership`](crate::Error::Membership) where a lost master has a replica that is alive: it has the data, and should take over.
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<SlotSet> {
        lost_slots(cluster)
    }

    /// # Errors
    /// Those of [`crate::AddNode`]; [`Error::Membership`](crate::Error::Membership) for a master that answers, though with a
    /// refusal; [`Error::NotSettled`](crate::Error::NotSettled) for one that other nodes reach.
    fn apply(&self, lost: SlotSet, cluster: &mut Cluster, context: Context<'_>) -> Result<SlotSet> {
        if lost.is_empty() {
            // A rescue that was interrupted may have made it the owner, and not all may have learned of it.
            let is_ours = |it: &Member| it.endpoint() == &self.spare && !it.node().slots.is_empty();
            if cluster.masters().any(is_ours) {
                agree(cluster, mend::AGREE_DEADLINE, context)?;
            }
            return Ok(lost);
        }
        lost::confirm(cluster, context)?;
        let id = add_owner(cluster, &self.spare, context)?;
        cluster.rediscover()?;
        claim(cluster, id, &lost, context)?;
        await_all_served(cluster, context)?;
        Ok(lost)
    }
}

/// Makes `owner` the owner of slots that no other node serves, and waits until all reachable nodes agree. The
/// owner's config epoch is raised first: nodes that remember the lost master's claim would talk the owner out of
/// its own, and the lost master may come back.
fn claim(
    cluster: &mut Cluster,
    owner: NodeId,
    slots: &SlotSet,
    context: Context<'_>,
) -> Result<()> {
    let owner = NodeLabel { id: owner, address: cluster.member(owner)?.endpoint().to_string() };
    context.note(format!("Giving slots {slots} to {owner}"));
    let actions = [
        Action::BumpEpoch { node: owner.clone() },
        Action::Assign { node: owner.clone(), owner: owner.clone() },
        Action::Announce { owner: owner.clone() },
    ];
    for action in &actions {
        repair::perform(cluster, slots, action, &MigrateOptions::default(), context)?;
    }
    agree(cluster, mend::AGREE_DEADLINE, context)
}
