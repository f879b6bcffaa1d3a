//! Slots that are on their way between nodes, or were left so.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::{NodeLabel, SnapshotIndex};
use crate::{NodeId, Slot, SlotSet, Snapshot};

/// Slots that are open in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenSlots {
    /// The slots.
    pub slots: SlotSet,
    /// How they stand.
    #[serde(flatten)]
    pub state: OpenState,
    /// What that amounts to.
    pub kind: OpenKind,
}

/// One node's flag on an open slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpenFlag {
    /// The node that has the flag.
    pub node: NodeLabel,
    /// The node at the other end.
    pub peer: NodeLabel,
}

/// What the nodes that answer say of an open slot, each of itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OpenState {
    /// The nodes that call it their own.
    pub owners: Vec<NodeLabel>,
    /// The node that owns it as the others say, if no node that answers calls it its own.
    pub absent_owner: Option<NodeLabel>,
    /// The nodes that send it away (`[slot->-peer]`).
    pub migrating: Vec<OpenFlag>,
    /// The nodes that take it in (`[slot-<-peer]`).
    pub importing: Vec<OpenFlag>,
    /// Those of all these nodes that do not answer; what flags they have is not known.
    pub silent: Vec<NodeLabel>,
}

/// What the state of an open slot amounts to, and so what would close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OpenKind {
    /// The owner sends it to a node that takes it in: a migration under way, or interrupted.
    Pair,
    /// The owner sends it to a node that does not take it in (or does not answer).
    OnlyMigrating,
    /// One node takes it in, and the owner does not send it: a migration interrupted between its first two
    /// steps, or one whose source has been replaced.
    OnlyImporting,
    /// Several nodes take it in, and the owner does not send it.
    SeveralImporters,
    /// The target has made it its own, and the source has not learned of it yet.
    HalfCommitted,
    /// It has arrived where it was going, and a flag was left behind.
    Leftover,
    /// Nobody owns it.
    NoOwner,
    /// Its owner does not answer.
    OwnerSilent,
    /// Several nodes own it.
    SeveralOwners,
    /// Flags that no single migration leaves.
    Tangled,
}

impl OpenState {
    /// What it amounts to.
    pub fn kind(&self) -> OpenKind {
        match &self.owners[..] {
            [] if self.absent_owner.is_some() => OpenKind::OwnerSilent,
            [] => OpenKind::NoOwner,
            [owner] => self.kind_with_owner(owner),
            [one, other] => match (&self.migrating[..], &self.importing[..]) {
                ([way], []) if way.joins(one, other) || way.joins(other, one) => {
                    OpenKind::HalfCommitted
                }
                _ => OpenKind::SeveralOwners,
            },
            _ => OpenKind::SeveralOwners,
        }
    }

    fn kind_with_owner(&self, owner: &NodeLabel) -> OpenKind {
        match (&self.migrating[..], &self.importing[..]) {
            ([out], [into]) if out.joins(owner, &into.node) && into.peer == *owner => {
                OpenKind::Pair
            }
            ([out], []) if out.node == *owner => OpenKind::OnlyMigrating,
            ([out], []) if out.peer == *owner => OpenKind::Leftover,
            ([], [into]) if into.node == *owner => OpenKind::Leftover,
            ([], [_]) => OpenKind::OnlyImporting,
            ([], [_, _, ..]) if self.importing.iter().all(|way| way.node != *owner) => {
                OpenKind::SeveralImporters
            }
            _ => OpenKind::Tangled,
        }
    }
}

impl OpenFlag {
    /// Whether it is between these two, in this direction.
    pub(crate) fn joins(&self, node: &NodeLabel, peer: &NodeLabel) -> bool {
        self.node == *node && self.peer == *peer
    }
}

/// The flags on one slot: node and peer of each.
#[derive(Default)]
struct Flagged {
    migrating: Vec<(NodeId, NodeId)>,
    importing: Vec<(NodeId, NodeId)>,
}

impl Snapshot {
    /// All open slots, as their nodes describe them, in groups of like state; the group of the
    /// lowest slot first.
    pub fn open_slots(&self) -> Vec<OpenSlots> {
        let flagged = self.flagged();
        if flagged.is_empty() {
            return Vec::new();
        }
        let survey = SnapshotIndex::new(self);
        let absent = survey.absent_owners();
        let mut groups: HashMap<OpenState, SlotSet> = HashMap::new();
        for (slot, flags) in &flagged {
            let absent = absent.iter().find(|(_, slots)| slots.contains(*slot));
            let state = state(&survey, *slot, flags, absent.map(|(id, _)| *id));
            groups.entry(state).or_default().insert(*slot);
        }
        let groups = groups.into_iter();
        let mut groups: Vec<OpenSlots> =
            groups.map(|(state, slots)| OpenSlots { slots, kind: state.kind(), state }).collect();
        groups.sort_by_key(|group| group.slots.first());
        groups
    }

    fn flagged(&self) -> BTreeMap<Slot, Flagged> {
        let mut flagged: BTreeMap<Slot, Flagged> = BTreeMap::new();
        let add = |flags: &mut Vec<_>, flag| {
            // The same node may be in the snapshot under two addresses.
            if !flags.contains(&flag) {
                flags.push(flag);
            }
        };
        // Replicas of Valkey 9 repeat their master's flags.
        for node in self.own_lines().filter(|node| node.is_master()) {
            for (slot, peer) in &node.migrating {
                add(&mut flagged.entry(*slot).or_default().migrating, (node.id, *peer));
            }
            for (slot, peer) in &node.importing {
                add(&mut flagged.entry(*slot).or_default().importing, (node.id, *peer));
            }
        }
        flagged
    }
}

fn state(
    survey: &SnapshotIndex<'_>,
    slot: Slot,
    flags: &Flagged,
    absent: Option<NodeId>,
) -> OpenState {
    let ways = |flags: &[(NodeId, NodeId)]| -> Vec<OpenFlag> {
        let way = |(node, peer)| OpenFlag { node: survey.member(node), peer: survey.member(peer) };
        flags.iter().copied().map(way).collect()
    };
    let peers = flags.migrating.iter().chain(&flags.importing).map(|(_, peer)| *peer);
    let mut silent: Vec<NodeId> = peers.chain(absent).filter(|id| !survey.answers(*id)).collect();
    silent.sort_unstable();
    silent.dedup();
    OpenState {
        owners: survey.members(survey.owners(slot)),
        absent_owner: absent.map(|id| survey.member(id)),
        migrating: ways(&flags.migrating),
        importing: ways(&flags.importing),
        silent: survey.members(silent),
    }
}
