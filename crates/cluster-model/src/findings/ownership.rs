//! Findings about who owns which slots.

use std::collections::{BTreeMap, HashMap};

use super::{Finding, NodeLabel, Opinion, SnapshotIndex};
use crate::{NodeId, Slot, SlotSet};

/// Who owns what, as a view says it.
type Ownership<'a> = Vec<(NodeId, &'a SlotSet)>;

pub(super) fn disagreement(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut groups: HashMap<Ownership<'_>, Vec<NodeId>> = HashMap::new();
    // What views share is looked through once.
    let mut shared: HashMap<*const (), (Ownership<'_>, Vec<NodeId>)> = HashMap::new();
    for (viewer, view) in &survey.views {
        match view.shared_owners() {
            None => groups.entry(view.ownership()).or_default().push(*viewer),
            Some(base) => {
                let (_, viewers) =
                    shared.entry(base).or_insert_with(|| (view.ownership(), Vec::new()));
                viewers.push(*viewer);
            }
        }
    }
    for (ownership, viewers) in shared.into_values() {
        groups.entry(ownership).or_default().extend(viewers);
    }
    if groups.len() < 2 {
        return;
    }
    let place: HashMap<NodeId, usize> =
        survey.views.iter().enumerate().map(|(place, (viewer, _))| (*viewer, place)).collect();
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.iter_mut().for_each(|(_, viewers)| viewers.sort_by_key(|viewer| place.get(viewer)));
    // The largest group first; ids decide between equals, so that the order is always the same.
    groups.sort_by(|(_, a), (_, b)| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    let slots = disputed(groups.iter().map(|(ownership, _)| ownership));
    let opinions = groups.into_iter().map(|(ownership, nodes)| {
        let claims = ownership.iter().map(|(id, owned)| (*id, owned.intersection(&slots)));
        let owners: Vec<(NodeLabel, SlotSet)> = claims
            .filter(|(_, owned)| !owned.is_empty())
            .map(|(id, owned)| (survey.member(id), owned))
            .collect();
        let owned = owners.iter().flat_map(|(_, owned)| owned.ranges()).collect();
        let unowned = slots.difference(&owned);
        Opinion { nodes: survey.members(nodes), owners, unowned }
    });
    findings.push(Finding::Disagreement { opinions: opinions.collect(), slots });
}

/// The slots to which not all of these give the same owner.
fn disputed<'a, 'b: 'a>(mut views: impl Iterator<Item = &'a Ownership<'b>>) -> SlotSet {
    let table = |ownership: &Ownership<'_>| {
        let mut owners: Vec<Option<NodeId>> = vec![None; usize::from(Slot::COUNT)];
        for (id, slots) in ownership {
            slots.iter().for_each(|slot| owners[slot.index()] = Some(*id));
        }
        owners
    };
    let Some(first) = views.next().map(table) else { return SlotSet::new() };
    let mut differs = vec![false; first.len()];
    for other in views.map(table) {
        for (differs, (one, other)) in differs.iter_mut().zip(first.iter().zip(&other)) {
            *differs |= one != other;
        }
    }
    Slot::all().filter(|slot| differs[slot.index()]).collect()
}

/// Slots without an owner, and slots whose owner does not answer.
pub(super) fn coverage(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut slots = survey.claimed().complement();
    let absent = survey.absent_owners();
    absent.iter().for_each(|(_, owned)| slots = slots.difference(owned));
    // When nothing answered at all, nothing is known of slots, and other findings say so.
    if !slots.is_empty() && !survey.views.is_empty() {
        findings.push(Finding::Uncovered { slots });
    }
    findings.extend(
        absent
            .into_iter()
            .map(|(owner, slots)| Finding::Unserved { slots, owner: survey.member(owner) }),
    );
}

pub(super) fn multiple_owners(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut groups: BTreeMap<Vec<NodeId>, SlotSet> = BTreeMap::new();
    for slot in survey.contested().iter() {
        groups.entry(survey.owners(slot).collect()).or_default().insert(slot);
    }
    findings.extend(
        groups.into_iter().map(|(owners, slots)| Finding::MultipleOwners {
            slots,
            owners: survey.members(owners),
        }),
    );
}

/// Masters that claim their slots at the same epoch.
pub(super) fn epochs(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut masters: BTreeMap<u64, Vec<NodeId>> = BTreeMap::new();
    let claims = survey.nodes.iter().filter(|node| node.is_master() && !node.slots.is_empty());
    for node in claims.filter(|node| survey.answers(node.id)) {
        masters.entry(node.config_epoch).or_default().push(node.id);
    }
    masters.retain(|_, masters| masters.len() > 1);
    findings.extend(masters.into_iter().map(|(epoch, masters)| Finding::EpochCollision {
        epoch,
        masters: survey.members(masters),
    }));
}
