//! Before the first slot opens: whether the cluster is of one mind.

use std::collections::BTreeSet;

use redistrib_cluster_model::fitness::Gravity;
use redistrib_cluster_model::{Move, NodeId, SlotSet};

use super::atomic::finish_running_at;
use super::fitness;
use super::options::MigrateOptions;
use crate::agreement::disagreement;
use crate::error::{Error, Result};
use crate::served;
use crate::wait::{or_look, until_settled};
use crate::{Cluster, Context, Member, MoveError};

/// Checks that the moves can begin. What time alone can repair is waited for.
///
/// # Errors
/// [`Error::Move`] for what the user has to repair; [`Error::NotSettled`].
pub(super) fn check(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let both: BTreeSet<NodeId> = moves.iter().flat_map(|step| [step.from, step.to]).collect();
    finish_running_at(cluster, |member| both.contains(&member.id()), options, context)?;
    for step in moves {
        require_master(cluster, step.from)?;
        require_master(cluster, step.to)?;
    }
    refuse_silent_masters(cluster)?;
    let targets: BTreeSet<NodeId> = moves.iter().map(|step| step.to).collect();
    let mut first = true;
    until_settled(options.settle, context.cancel, || {
        // What discovery saw is fresh enough, unless it has to change.
        if !std::mem::take(&mut first) {
            cluster.refresh();
            cluster.reconnect();
            refuse_silent_masters(cluster)?;
        }
        let unready = disagreement(cluster, Member::is_master)
            .or_else(|| stranger(cluster, &targets))
            .or_else(|| unheard_epoch(cluster, moves));
        let unready =
            or_look(unready, || served::unready(cluster, |member| both.contains(&member.id())))?;
        Ok(unready.or_else(|| fitness::passing(cluster, moves)))
    })?;
    refuse_unfit(cluster, moves, context)?;
    refuse_open_slots(cluster, moves, context)?;
    refuse_wrong_owner(cluster, moves)
}

fn require_master(cluster: &Cluster, id: NodeId) -> Result<()> {
    let member = cluster.member(id)?;
    if !member.is_master() {
        return Err(MoveError::Replica { node: member.endpoint().clone(), id }.into());
    }
    match member.failure() {
        None => Ok(()),
        Some(error) => Err(MoveError::Silent { node: id, why: error.to_string() }.into()),
    }
}

/// A master that serves slots has to learn of the new owners. One that was not reached will not be by waiting.
fn refuse_silent_masters(cluster: &Cluster) -> Result<()> {
    let mut owners = cluster.masters().filter(|master| !master.node().slots.is_empty());
    owners.find_map(missing_master).map_or(Ok(()), Err)
}

/// The error for a master that cannot be reached.
pub(super) fn missing_master(master: &Member) -> Option<Error> {
    let (purpose, why) = ("before slots can move", master.failure()?.to_string());
    Some(MoveError::SilentMaster { master: master.id(), purpose, why }.into())
}

/// A target that does not know one of the masters yet: it would take the cluster for incomplete.
fn stranger(cluster: &Cluster, targets: &BTreeSet<NodeId>) -> Option<String> {
    let pairs = targets.iter().flat_map(|target| cluster.masters().map(move |m| (target, m)));
    for (target, master) in pairs {
        let target = cluster.member(*target).ok()?;
        let known = target.topology().and_then(|topology| topology.node(master.id()));
        if known.is_none_or(|node| node.flags.is_handshake()) {
            let (node, other) = (target.endpoint(), master.endpoint());
            return Some(format!("{node} does not know {other} yet"));
        }
    }
    None
}

/// A target that has not learned of its source's config epoch yet, as of one that has just been raised. It would
/// claim the slots under a lower one, and lose them again to a message that the source sent before it gave them up.
fn unheard_epoch(cluster: &Cluster, moves: &[Move]) -> Option<String> {
    moves.iter().find_map(|step| {
        let (source, target) = (cluster.member(step.from).ok()?, cluster.member(step.to).ok()?);
        let known = target.topology()?.node(step.from)?.config_epoch;
        let (node, other) = (target.endpoint(), source.endpoint());
        (known < source.node().config_epoch)
            .then(|| format!("{node} has not heard of the config epoch of {other} yet"))
    })
}

fn refuse_unfit(cluster: &mut Cluster, moves: &[Move], context: Context<'_>) -> Result<()> {
    let (refused, warned): (Vec<_>, Vec<_>) = fitness::obstacles(cluster, moves)
        .into_iter()
        .partition(|obstacle| obstacle.weight() == Gravity::Refusal);
    warned.iter().for_each(|obstacle| context.warn(obstacle.to_string()));
    if refused.is_empty() { Ok(()) } else { Err(Error::Unfit(refused)) }
}

/// Slots that are open are not moved. Others may be: what was interrupted is repaired before any verb comes here, unless it
/// cannot be at the moment.
fn refuse_open_slots(cluster: &Cluster, moves: &[Move], context: Context<'_>) -> Result<()> {
    for member in cluster.masters() {
        let node = member.node();
        let open: SlotSet =
            node.migrating.iter().chain(&node.importing).map(|(slot, _)| *slot).collect();
        let Some(first) = open.first() else { continue };
        let (node, seed) = (member.endpoint().clone(), cluster.seed().clone());
        let wanted = moves.iter().find_map(|step| step.slots.intersection(&open).first());
        if let Some(slot) = wanted {
            return Err(MoveError::Open { slot, node, seed }.into());
        }
        context.warn(format!(
            "slot {first} of {node} is open, since a migration was interrupted; other slots can move before it is repaired"
        ));
    }
    Ok(())
}

fn refuse_wrong_owner(cluster: &Cluster, moves: &[Move]) -> Result<()> {
    for step in moves {
        let source = cluster.member(step.from)?;
        let others = step.slots.difference(&source.node().slots);
        if !others.is_empty() {
            let node = source.endpoint().clone();
            return Err(MoveError::NotOwner { node, slots: others }.into());
        }
        if step.from == step.to {
            return Err(MoveError::SameNode(source.endpoint().clone()).into());
        }
    }
    Ok(())
}
