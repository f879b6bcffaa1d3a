//! Repairs: what closes open slots, gives lost slots an owner, and ends disputes.

mod decide;
mod display;
mod ownership;
#[cfg(test)]
mod tests;
mod unfit;

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::findings::{NodeLabel, SnapshotIndex};
use crate::fitness::Obstacle;
use crate::{NodeId, Slot, SlotSet, Snapshot};

/// How many keys each node holds in which slot; what is not entered counts as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    counts: HashMap<(NodeId, Slot), u64>,
}

/// What a repair may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FixOptions {
    /// Whether slots may be taken from masters that do not answer. What only they hold is lost to the
    /// cluster, even if they come back.
    pub take_from_silent_masters: bool,
}

/// One step of a repair, for all slots of the repair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Action {
    /// `SETSLOT … STABLE` on the node: takes its flags off the slots.
    Close {
        /// The node.
        node: NodeLabel,
    },
    /// `SETSLOT … IMPORTING peer` on the node. A node that does not own a slot runs MIGRATE and takes
    /// restored keys only while it imports the slot.
    Import {
        /// The node.
        node: NodeLabel,
        /// Where the slots come from, as far as the node is concerned.
        peer: NodeLabel,
    },
    /// `SETSLOT … MIGRATING peer` on the node.
    Export {
        /// The node.
        node: NodeLabel,
        /// Where the slots go.
        peer: NodeLabel,
    },
    /// All keys in the slots are moved with MIGRATE; nothing else changes. A key that is on both sides
    /// with two values must not be decided by the program.
    MoveKeys {
        /// The node that has the keys.
        from: NodeLabel,
        /// The node that gets them.
        to: NodeLabel,
    },
    /// A migration is brought to its end: the keys are moved, then the slots are committed to the
    /// target, the source and all other masters. The flags are set.
    Finish {
        /// The owner.
        from: NodeLabel,
        /// The owner to be.
        to: NodeLabel,
    },
    /// A migration is undone: the keys that the target has go back, and the slots are closed. The flags are set.
    TakeBack {
        /// The owner, which stays that.
        owner: NodeLabel,
        /// The node that was to be.
        target: NodeLabel,
    },
    /// `SETSLOT … NODE owner` on one node.
    Assign {
        /// The node that is told.
        node: NodeLabel,
        /// The owner.
        owner: NodeLabel,
    },
    /// `CLUSTER BUMPEPOCH` on the node, so that its claim beats those of others.
    BumpEpoch {
        /// The node.
        node: NodeLabel,
    },
    /// `SETSLOT … NODE owner` on all masters that answer, except the owner.
    Announce {
        /// The owner.
        owner: NodeLabel,
    },
    /// `CLUSTER FAILOVER TAKEOVER` on a replica, which makes it the owner of all slots of its master.
    TakeOver {
        /// The replica.
        replica: NodeLabel,
    },
}

/// Why a repair is needed, and what it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairReason {
    /// The target owns the slots already; the source must learn of it before it loses its keys.
    HalfCommitted,
    /// Several nodes own the slots; the one with most keys keeps them.
    SeveralOwners,
    /// A migration was interrupted; it is finished.
    Interrupted,
    /// A migration was interrupted, and its target cannot take more keys; it is undone.
    TargetUnfit,
    /// A migration was prepared and nothing was moved; its flags are taken off.
    Unstarted,
    /// Keys lie on nodes that do not own the slots; they go back to the owner.
    Astray,
    /// A flag was left behind; it is taken off.
    Leftover,
    /// The keys of a migration were on their way back, and nobody serves the slots meanwhile; they are brought back to the source.
    TakenBack,
    /// Nobody owns the slots, and some node has their keys; it becomes the owner.
    LostOwner,
    /// Nobody owns the slots or has keys of them; they are shared out.
    Unowned,
    /// The owner does not answer; its replica takes over.
    SilentMaster,
    /// The owner does not answer and has no replica that does; others get the slots without its keys.
    GivenUp,
    /// Other nodes have not heard who owns the slots.
    Unheard,
}

/// What repairs some slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// The slots.
    pub slots: SlotSet,
    /// Why.
    pub reason: RepairReason,
    /// Whether keys are moved to a node that has keys of the same slots, so that one key may turn up
    /// with two values.
    pub may_conflict: bool,
    /// The steps, in their order.
    pub actions: Vec<Action>,
}

/// Why some slots cannot be repaired now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Blocked {
    /// The owner does not answer, and slots of silent masters are not to be touched.
    OwnerSilent {
        /// The owner.
        owner: NodeLabel,
    },
    /// The target of the migration does not answer and may have keys.
    TargetSilent {
        /// The target.
        target: NodeLabel,
    },
    /// A replica takes over first; then the repair can be planned.
    AwaitsTakeOver {
        /// The replica.
        replica: NodeLabel,
    },
    /// They are on their way, and neither end can move their keys.
    Unfit {
        /// What stands in the way.
        obstacle: Obstacle,
    },
    /// No master answers that could own them.
    NoMaster,
}

/// All that repairs a cluster, as far as it can be repaired.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixPlan {
    /// The repairs, in the order in which they should be done: first where keys are in danger.
    pub repairs: Vec<Repair>,
    /// The slots that cannot be repaired now.
    pub blocked: Vec<(SlotSet, Blocked)>,
}

impl FixPlan {
    /// Whether nothing needs a repair, neither one that can be made nor one that cannot.
    pub fn is_empty(&self) -> bool {
        self.repairs.is_empty() && self.blocked.is_empty()
    }
}

impl KeyCounts {
    /// No keys anywhere.
    pub fn new() -> KeyCounts {
        KeyCounts::default()
    }

    /// Enters how many keys a node holds in a slot (`CLUSTER COUNTKEYSINSLOT`).
    pub fn insert(&mut self, node: NodeId, slot: Slot, count: u64) {
        if count > 0 {
            self.counts.insert((node, slot), count);
        }
    }

    /// How many keys the node holds in the slot.
    pub fn get(&self, node: NodeId, slot: Slot) -> u64 {
        self.counts.get(&(node, slot)).copied().unwrap_or_default()
    }
}

/// The slots whose keys must be counted, on every master that answers, before [`plan_fix`] can decide:
/// those that are open, have no owner that answers, or have several.
pub fn slots_to_count(snapshot: &Snapshot) -> SlotSet {
    let survey = SnapshotIndex::new(snapshot);
    let open = snapshot.open_slots();
    let mut slots = survey.claimed().complement();
    slots.extend(survey.contested().ranges());
    slots.extend(open.iter().flat_map(|open| open.slots.ranges()));
    slots
}

/// Plans what repairs a cluster: every state that an interrupted migration, a lost master or a
/// half-applied `SETSLOT` can leave.
///
/// - An interrupted migration whose two ends agree is finished.
/// - Where only one end knows of it: if the other end has no keys, the flag is taken off; if it has,
///   the migration is finished (when the owner sends) or undone (when it does not).
/// - Slots whose keys were on their way back from a target that refused more of them go back to the source.
/// - Slots of no owner go to the node with most of their keys, or else are shared out evenly among the
///   masters that own slots.
/// - Of several owners the target of a migration, or else the one with most keys, or else the one of the
///   highest epoch, keeps the slot; the keys of the others are moved to it before they learn of it, since a
///   server that learns of a better claim drops its keys.
/// - Slots of a master that does not answer are left alone unless the options say otherwise. Then the replica of
///   the highest [replication offset](crate::NodeView::replication_offset) takes over, or if none answers, its slots
///   are treated as having no owner.
/// - Owners that not all masters have learned of are announced; a replica learns of them by way of its master.
/// - A flag that only a replica has is taken off by way of its master.
///
/// A cluster that is healing by itself looks faulty for a moment, so the snapshot should be one that
/// has not changed for a while. When the repairs are done, a new plan may have more: what was blocked,
/// or hidden behind what was repaired.
///
/// ```
/// use redistrib_cluster_model::plan::fix::{FixOptions, KeyCounts, RepairReason, plan_fix};
/// use redistrib_cluster_model::{Address, NodeView, Snapshot, Topology};
///
/// let topology = Topology::parse(
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 ::1:6379 myself,master - 0 0 0 connected 0-9999\n",
/// )?;
/// let snapshot = Snapshot { views: vec![NodeView::answered(Address::new("::1", 6379), topology)] };
/// let plan = plan_fix(&snapshot, &KeyCounts::new(), FixOptions::default());
/// assert_eq!(plan.repairs[0].slots.to_string(), "10000-16383");
/// assert_eq!(plan.repairs[0].reason, RepairReason::Unowned);
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
pub fn plan_fix(snapshot: &Snapshot, keys: &KeyCounts, options: FixOptions) -> FixPlan {
    let ground = Ground::new(snapshot, keys, options);
    let mut outcome = Decisions::default();
    let open = snapshot.open_slots();
    let mut settled = SlotSet::new();
    for group in &open {
        for slot in group.slots.iter() {
            outcome.add(slot, decide::open_slot(&ground, slot, group));
        }
        settled = settled.union(&group.slots);
    }
    ownership::contested(&ground, &settled, &mut outcome);
    ownership::silent(&ground, &settled, &mut outcome);
    ownership::uncovered(&ground, &settled, &mut outcome);
    ownership::unheard(&ground, &settled, &mut outcome);
    ownership::misled(&ground, &settled, &mut outcome);
    ownership::forgotten(&ground, &settled, &mut outcome);
    outcome.into_plan()
}

/// What decisions are made from.
struct Ground<'a> {
    snapshot: &'a Snapshot,
    survey: SnapshotIndex<'a>,
    keys: &'a KeyCounts,
    options: FixOptions,
    /// The masters that answer.
    masters: Vec<NodeLabel>,
}

/// What is to be done about one slot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Decision {
    reason: RepairReason,
    may_conflict: bool,
    actions: Vec<Action>,
}

/// Decisions so far; slots for which the same is to be done come together.
#[derive(Default)]
struct Decisions {
    decided: BTreeMap<Decision, SlotSet>,
    blocked: BTreeMap<Blocked, SlotSet>,
}

impl<'a> Ground<'a> {
    fn new(snapshot: &'a Snapshot, keys: &'a KeyCounts, options: FixOptions) -> Ground<'a> {
        let survey = SnapshotIndex::new(snapshot);
        let own = survey.nodes.iter().filter(|node| node.is_master() && survey.answers(node.id));
        let masters = own.map(|node| survey.member(node.id)).collect();
        Ground { snapshot, survey, keys, options, masters }
    }

    fn keys(&self, node: &NodeLabel, slot: Slot) -> u64 {
        self.keys.get(node.id, slot)
    }

    /// The slots of which some master that answers holds keys.
    fn slots_with_keys(&self) -> SlotSet {
        let held = |(node, _): &&(NodeId, Slot)| self.masters.iter().any(|m| m.id == *node);
        self.keys.counts.keys().filter(held).map(|(_, slot)| *slot).collect()
    }

    /// Of the replicas of this node that answer, the one that has most of its writes; the first of equals.
    fn successor_of(&self, master: &NodeLabel) -> Option<NodeLabel> {
        let replicas = self.survey.nodes.iter().filter(|node| {
            node.is_replica() && node.master == Some(master.id) && self.survey.answers(node.id)
        });
        let offset = |id| self.snapshot.view(id).and_then(|view| view.replication_offset);
        let successor = replicas.rev().max_by_key(|node| offset(node.id))?;
        Some(self.survey.member(successor.id))
    }
}

impl Decisions {
    fn add(&mut self, slots: impl Into<SlotSet>, decision: Result<Decision, Blocked>) {
        let known = match decision {
            Ok(decision) => self.decided.entry(decision).or_default(),
            Err(blocked) => self.blocked.entry(blocked).or_default(),
        };
        known.extend(slots.into().ranges());
    }

    fn into_plan(self) -> FixPlan {
        let repair = |(decision, slots): (Decision, SlotSet)| {
            let Decision { reason, may_conflict, actions } = decision;
            Repair { slots, reason, may_conflict, actions }
        };
        FixPlan {
            repairs: self.decided.into_iter().map(repair).collect(),
            blocked: self.blocked.into_iter().map(|(blocked, slots)| (slots, blocked)).collect(),
        }
    }
}
