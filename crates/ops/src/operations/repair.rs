//! The steps of a repair, carried out.

use std::time::Duration;

use redistrib_cluster_model::plan::fix::Action;
use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_resp::Command;

use crate::commands::{self, Without};
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, mend};
use crate::wait::until_settled;
use crate::{Cluster, Context, Member, Pair, Refusal};

/// How long a replica may take to become a master.
const TAKE_OVER_DEADLINE: Duration = Duration::from_secs(10);

/// Does one step for these slots.
///
/// # Errors
/// Those of [`crate::Connection::call`] and of the migration engine.
pub(crate) fn perform(
    cluster: &mut Cluster,
    slots: &SlotSet,
    action: &Action,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let mut tell = |node: &redistrib_cluster_model::NodeLabel,
                    command: &dyn Fn(Slot) -> Command| {
        let commands: Vec<Command> = slots.iter().map(command).collect();
        mend::tell(cluster, node.id, &commands, options, context)
    };
    match action {
        Action::Close { node } => match tell(node, &commands::stable) {
            // Its last slots have gone meanwhile and it follows their new owner; should it keep flags, the next look finds them.
            Err(error) if error.refused() == Some(Refusal::NotAMaster) => Ok(()),
            told => told,
        },
        Action::Import { node, peer } => tell(node, &|slot| commands::importing(slot, peer.id)),
        Action::Export { node, peer } => tell(node, &|slot| commands::migrating(slot, peer.id)),
        Action::Assign { node, owner } => tell(node, &|slot| commands::assign(slot, owner.id)),
        Action::Announce { owner } => announce(cluster, owner.id, slots, options, context),
        Action::BumpEpoch { node } => {
            mend::tell(cluster, node.id, &[commands::bump_epoch()], options, context)
        }
        Action::MoveKeys { from, to } => {
            let pair = Pair { from: from.id, to: to.id };
            mend::move_keys(cluster, pair, slots, options, context).map(drop)
        }
        Action::Finish { from, to } => {
            let pair = Pair { from: from.id, to: to.id };
            // A try that stopped at a key with two values may have brought others over.
            cluster.refresh_of(|member| member.id() == from.id);
            let left = slots.intersection(&cluster.member(from.id)?.node().slots);
            match mend::finish(cluster, pair, &left, options, context) {
                // The other direction repairs the slots just as well.
                Err(error @ Error::TakenBack { .. }) => {
                    context.warn(error.to_string());
                    Ok(())
                }
                outcome => outcome.map(drop),
            }
        }
        Action::TakeBack { owner, target } => {
            let pair = Pair { from: owner.id, to: target.id };
            mend::take_back(cluster, pair, slots, options, context)
        }
        Action::TakeOver { replica } => take_over(cluster, replica.id, context),
    }
}

/// Sends all other masters the owner of the slots.
fn announce(
    cluster: &mut Cluster,
    owner: NodeId,
    slots: &SlotSet,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let commands: Vec<Command> = slots.iter().map(|slot| commands::assign(slot, owner)).collect();
    let others = |member: &Member| member.is_up() && member.is_master() && member.id() != owner;
    let answers = cluster.instruct(others, &commands);
    let members = cluster.members().iter().map(Member::id).zip(answers);
    let not_yet: Vec<NodeId> =
        members.filter(|(_, answer)| matches!(answer, Some(Err(_)))).map(|(id, _)| id).collect();
    not_yet.into_iter().try_for_each(|id| mend::tell(cluster, id, &commands, options, context))
}

/// Makes a replica the master in place of its own, which does not answer, unless the cluster has elected
/// another since that was seen.
fn take_over(cluster: &mut Cluster, replica: NodeId, context: Context<'_>) -> Result<()> {
    cluster.refresh();
    if has_master(cluster, replica)? {
        return Ok(());
    }
    let command = commands::failover(Without::Votes);
    if let Err(error) = cluster.member_mut(replica)?.connection()?.call(&command) {
        cluster.refresh();
        return if has_master(cluster, replica)? { Ok(()) } else { Err(error) };
    }
    until_settled(TAKE_OVER_DEADLINE, context.cancel, || {
        cluster.refresh();
        let member = cluster.member(replica)?;
        Ok((!has_master(cluster, replica)?)
            .then(|| format!("{} has not taken over yet", member.endpoint())))
    })
}

/// Whether a node is a master or follows one that answers.
fn has_master(cluster: &Cluster, id: NodeId) -> Result<bool> {
    let member = cluster.member(id)?;
    let follows = |id| cluster.member(id).is_ok_and(|master| master.is_up() && master.is_master());
    Ok(member.is_master() || member.node().master.is_some_and(follows))
}
