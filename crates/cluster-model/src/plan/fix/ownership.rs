//! Repairs of slots that are not open.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::Case;
use super::{Action, Blocked, Decision, Decisions, Ground, RepairReason};
use crate::findings::{NodeLabel, SnapshotIndex};
use crate::plan::spread::spread;
use crate::{Node, NodeId, SharedTopology, SlotSet};

static NOTHING: SlotSet = SlotSet::new();

/// Slots of several owners.
pub(super) fn contested(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    for slot in ground.survey.contested().difference(settled).iter() {
        outcome.add(slot, Case::new(ground, slot, None).unite());
    }
}

/// Slots whose owner does not answer.
pub(super) fn silent(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    let mut orphaned = SlotSet::new();
    for (owner, slots) in ground.survey.absent_owners() {
        let owner = ground.survey.member(owner);
        let decision = if !ground.options.take_from_silent_masters {
            Err(Blocked::OwnerSilent { owner })
        } else if let Some(replica) = ground.successor_of(&owner) {
            let actions = vec![Action::TakeOver { replica }];
            Ok(Decision { reason: RepairReason::SilentMaster, may_conflict: false, actions })
        } else {
            orphaned = orphaned.union(&slots.difference(settled));
            continue;
        };
        // What is open has been found to be blocked already.
        let left = if decision.is_ok() { slots } else { slots.difference(settled) };
        outcome.add(left, decision);
    }
    give_away(ground, &orphaned, RepairReason::GivenUp, outcome);
}

/// Slots that nobody owns.
pub(super) fn uncovered(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    let mut slots = ground.survey.claimed().complement().difference(settled);
    for (_, owned) in ground.survey.absent_owners() {
        slots = slots.difference(&owned);
    }
    give_away(ground, &slots, RepairReason::Unowned, outcome);
}

/// Slots with keys go to who has most of them, all others are shared out among the masters that own slots, or
/// among all if none does. The reason is given for those of which no node has keys.
fn give_away(ground: &Ground<'_>, slots: &SlotSet, reason: RepairReason, outcome: &mut Decisions) {
    let full = slots.intersection(&ground.slots_with_keys());
    let mut empty = slots.difference(&full);
    for slot in full.iter() {
        outcome.add(slot, Case::new(ground, slot, None).elect());
    }
    let owned = |id: NodeId| ground.survey.node(id).map_or(0, |node| node.slots.len());
    let serving = ground.masters.iter().any(|node| owned(node.id) > 0);
    let taker = |id| (owned(id), if owned(id) > 0 || !serving { 1.0 } else { 0.0 });
    let takers: Vec<(usize, f64)> = ground.masters.iter().map(|node| taker(node.id)).collect();
    let Some(given) = spread(empty.len(), &takers) else {
        return outcome.add(empty, Err(Blocked::NoMaster));
    };
    for (owner, count) in ground.masters.iter().zip(given) {
        let part = empty.take_first(count);
        if let Some(slot) = part.first() {
            // No node has keys or flags of any of them, so what is true of one is true of all.
            outcome.add(part, Case::new(ground, slot, None).with_owner(owner, reason));
        }
    }
}

/// Slots of one owner of whom some other master has not heard.
pub(super) fn unheard(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    let survey = &ground.survey;
    let left_out = settled.union(survey.contested());
    let claimants: BTreeSet<NodeId> = survey.claims().iter().map(|(owner, _)| *owner).collect();
    let mut unheard: BTreeMap<NodeId, SlotSet> = BTreeMap::new();
    for (_, topology) in survey.views.iter().filter(|(viewer, _)| claimants.contains(viewer)) {
        for (owner, missed) in missed(survey, &left_out, topology) {
            unheard.entry(owner).or_default().extend(missed.ranges());
        }
    }
    for (owner, slots) in unheard {
        let owner = survey.member(owner);
        let actions = vec![Action::BumpEpoch { node: owner.clone() }, Action::Announce { owner }];
        let decision = Decision { reason: RepairReason::Unheard, may_conflict: false, actions };
        outcome.add(slots, Ok(decision));
    }
}

/// The slots of one owner that a view gives to somebody else, or to nobody; but for those left out.
fn missed(
    survey: &SnapshotIndex<'_>,
    left_out: &SlotSet,
    view: &SharedTopology,
) -> BTreeMap<NodeId, SlotSet> {
    let seen: BTreeMap<NodeId, &SlotSet> = view.ownership().into_iter().collect();
    let missed = survey.claims().iter().filter_map(|(owner, claimed)| {
        let seen = seen.get(owner).copied().unwrap_or(&NOTHING);
        if seen == *claimed {
            return None;
        }
        let missed = claimed.difference(seen).difference(left_out);
        (!missed.is_empty()).then_some((*owner, missed))
    });
    missed.collect()
}

/// Owners of whom a replica has not heard though its master has. A master of Valkey hands each SETSLOT on to its replicas: one that
/// named a node which had just been replaced by its replica gives the slots back to that node in their eyes, under the epoch of the
/// new owner, so that no message of that takes them away again. Telling the master once more reaches them.
pub(super) fn misled(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    let survey = &ground.survey;
    let left_out = settled.union(survey.contested());
    let views: BTreeMap<NodeId, &SharedTopology> = survey.views.iter().copied().collect();
    for (replica, master) in replicas(ground) {
        let Some((view, masters)) = views.get(&replica.id).zip(views.get(&master.id)) else {
            continue;
        };
        for (owner, slots) in missed(survey, &left_out, view) {
            let heard = masters.node(owner).map_or(&NOTHING, |node| &node.slots);
            let slots = slots.intersection(heard);
            if !slots.is_empty() {
                let actions =
                    vec![Action::Assign { node: master.clone(), owner: survey.member(owner) }];
                let reason = RepairReason::Unheard;
                outcome.add(slots, Ok(Decision { reason, may_conflict: false, actions }));
            }
        }
    }
}

/// The replicas of masters that answer, each with its master.
fn replicas<'a>(ground: &'a Ground<'_>) -> impl Iterator<Item = (&'a Node, &'a NodeLabel)> {
    let nodes = ground.survey.nodes.iter().copied();
    nodes.filter(|node| node.is_replica()).filter_map(|replica| {
        let master = ground.masters.iter().find(|it| Some(it.id) == replica.master)?;
        Some((replica, master))
    })
}

/// Flags that a replica has kept and its master has not. A master of Valkey hands each SETSLOT on to its replicas, so
/// closing the slot there once more reaches them.
pub(super) fn forgotten(ground: &Ground<'_>, settled: &SlotSet, outcome: &mut Decisions) {
    for (replica, master) in replicas(ground) {
        let flags = replica.migrating.iter().chain(&replica.importing);
        let flagged: SlotSet = flags.map(|(slot, _)| *slot).collect();
        let left = flagged.difference(settled);
        if !left.is_empty() {
            let actions = vec![Action::Close { node: master.clone() }];
            let reason = RepairReason::Leftover;
            outcome.add(left, Ok(Decision { reason, may_conflict: false, actions }));
        }
    }
}
