//! A spare node takes over the slots of masters that are lost for good.

use redistrib_cluster_model::findings::Member as Owner;
use redistrib_cluster_model::plan::fix::Action;
use redistrib_cluster_model::{NodeId, SlotSet};

use crate::add_node::add_owner;
use crate::agreement::agree;
use crate::error::Result;
use crate::migrate::MigrateOptions;
use crate::{
    Cluster, Context, Endpoint, MembershipError, Settings, Step, await_all_served, fix, lost,
    repair,
};

/// The slots that nobody serves: those without an owner, and those whose master does not answer.
///
/// # Errors
/// [`Error::Membership`](crate::Error::Membership) where a lost master has a replica that is alive: it has the data, and should take over.
pub fn lost_slots(cluster: &Cluster) -> Result<SlotSet> {
    let mut lost = cluster.covered().complement();
    for master in cluster.masters().filter(|master| !master.is_up()) {
        let slots = &master.node().slots;
        let heir = cluster.replicas_of(master.id()).find(|replica| replica.is_up());
        if let (Some(heir), false) = (heir, slots.is_empty()) {
            let (master, heir) = (master.endpoint().clone(), heir.endpoint().clone());
            return Err(MembershipError::HasHeir { master, heir }.into());
        }
        lost = lost.union(slots);
    }
    Ok(lost)
}

/// Adds the empty node `spare` to the cluster of `existing` and makes it the owner of all lost slots. What
/// their masters held stays lost. Returns the slots when all nodes that answer serve clients; where none are lost, nothing is done. A spare that is a member already,
/// after a rescue that was interrupted, is taken as it is.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Context, Settings, Silent, rescue_cluster};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let spare = "127.0.0.1:7006".parse()?;
/// let slots = rescue_cluster(&"127.0.0.1:7000".parse()?, &spare, &Settings::default(), context)?;
/// println!("{spare} has taken over {slots}");
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`lost_slots`] and [`crate::add_node`]; [`Error::Membership`](crate::Error::Membership) for a master that answers, though with a refusal; [`Error::NotSettled`](crate::Error::NotSettled) for one that other nodes see well.
pub fn rescue_cluster(
    existing: &Endpoint,
    spare: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<SlotSet> {
    let mut cluster = Cluster::discover(existing, settings)?;
    let lost = lost_slots(&cluster)?;
    if lost.is_empty() {
        // A rescue that was interrupted may have made it the owner, and not all may have heard of it.
        if cluster.masters().any(|it| it.endpoint() == spare && !it.node().slots.is_empty()) {
            agree(&mut cluster, fix::AGREE_DEADLINE, context)?;
        }
        return Ok(lost);
    }
    lost::confirm(&mut cluster, context)?;
    let id = add_owner(&mut cluster, spare, context)?;
    let mut cluster = Cluster::discover(existing, settings)?;
    claim(&mut cluster, id, &lost, context)?;
    await_all_served(&mut cluster, context)?;
    Ok(lost)
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
    let owner = Owner { id: owner, address: cluster.member(owner)?.endpoint().to_string() };
    context.step(Step::Other { text: format!("Giving slots {slots} to {owner}") });
    let actions = [
        Action::BumpEpoch { node: owner.clone() },
        Action::Assign { node: owner.clone(), owner: owner.clone() },
        Action::Announce { owner: owner.clone() },
    ];
    for action in &actions {
        repair::perform(cluster, slots, action, &MigrateOptions::default(), context)?;
    }
    agree(cluster, fix::AGREE_DEADLINE, context)
}
