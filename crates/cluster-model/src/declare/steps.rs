//! The steps from a cluster as it is to one as it is declared.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::{DeclaredLayout, lay_out};
use super::{Balance, Cost, DeclareError, Declared, Observed, ObservedNode, is_same};
use crate::plan::rebalance::{RebalanceBy, RebalanceCriteria, Weighed, plan_rebalance};
use crate::{NodeId, Slot, SlotRange, SlotSet};

/// What leads from one to the other; nothing where they are the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The steps, in their order.
    pub steps: Vec<PlanStep>,
    /// What is declared and cannot be had, in words.
    pub notes: Vec<String>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// What is done.
    #[serde(flatten)]
    pub change: Change,
    /// The masters that have fewer replicas after it than are declared, and fewer than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lowers: Vec<Lowered>,
    /// What it moves or copies, once [`Plan::price`] has reckoned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
}

/// A master with too few replicas for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lowered {
    /// The master.
    pub master: String,
    /// How many replicas it has then.
    pub replicas: usize,
}

/// What one step does. Nodes are called by their addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Change {
    /// A cluster is formed of new nodes.
    Create {
        /// The masters with their slots.
        masters: Vec<Owner>,
        /// The replicas with their masters.
        replicas: Vec<DeclaredReplica>,
    },
    /// Settings are set.
    Configure {
        /// On these nodes.
        nodes: Vec<String>,
        /// Which, and to what.
        settings: BTreeMap<String, String>,
        /// Whether into their own files, too.
        rewrite: bool,
    },
    /// A new node comes into the cluster.
    Join {
        /// The node.
        node: String,
        /// Its master; none where it becomes one without slots.
        master: Option<String>,
    },
    /// A replica takes the place of its master.
    Failover {
        /// The replica.
        node: String,
        /// The master.
        master: String,
    },
    /// A node follows another master than before.
    Follow {
        /// The node.
        node: String,
        /// The master.
        master: String,
    },
    /// Slots move with their keys.
    MoveSlots {
        /// From which master to which.
        moves: Vec<DeclaredMove>,
    },
    /// A node without slots leaves the cluster and is reset.
    Leave {
        /// The node.
        node: String,
        /// Its id.
        id: NodeId,
    },
}

/// A master and its slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// The master.
    pub node: String,
    /// A range of slots.
    pub slots: SlotSet,
}

/// A replica and its master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredReplica {
    /// The replica.
    pub node: String,
    /// The master.
    pub master: String,
}

/// Slots that go from one master to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeclaredMove {
    /// The master that gives.
    pub from: String,
    /// The master that takes.
    pub to: String,
    /// The slots.
    pub slots: SlotSet,
}

/// The steps that make the cluster what is declared. `load` is what each slot holds, keys or bytes, where that is what is
/// balanced.
///
/// # Errors
/// [`DeclareError::Layout`] where the nodes do not suffice for what is declared; [`DeclareError::Silent`] and
/// [`DeclareError::Uncovered`] for a cluster that has to be repaired first.
pub fn plan(declared: &Declared, observed: &Observed, load: &[u64]) -> Result<Plan, DeclareError> {
    let layout = lay_out(declared, observed)?;
    let mut draft = PlanDraft::new(declared, observed, &layout);
    draft.configure();
    if observed.members().next().is_none() {
        draft.create()?;
    } else {
        require_whole(declared, observed)?;
        draft.join_masters();
        draft.fail_over();
        draft.join_replicas();
        draft.begin_anew();
        draft.follow(MovesOfSlots::BeforeMoves);
        draft.move_slots(load)?;
        draft.follow(MovesOfSlots::AfterMoves);
        draft.leave();
    }
    Ok(Plan { steps: draft.steps, notes: layout.notes })
}

/// Makes sure that all slots have owners that answer, as all declared nodes do.
fn require_whole(declared: &Declared, observed: &Observed) -> Result<(), DeclareError> {
    let silent = |node: &&ObservedNode| !node.is_up;
    let is_declared = |node: &&ObservedNode| declared.nodes.iter().any(|it| it.at == node.at);
    if let Some(node) =
        observed.nodes.iter().filter(silent).find(|it| is_declared(it) || it.is_owner())
    {
        return Err(DeclareError::Silent(node.at.clone()));
    }
    match observed.covered().complement() {
        lost if lost.is_empty() => Ok(()),
        lost => Err(DeclareError::Uncovered(lost)),
    }
}

struct PlanDraft<'a> {
    declared: &'a Declared,
    layout: &'a DeclaredLayout,
    /// The cluster as it is after the steps so far.
    now: Observed,
    steps: Vec<PlanStep>,
}

/// Whether slots are where they are to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MovesOfSlots {
    BeforeMoves,
    AfterMoves,
}

impl<'a> PlanDraft<'a> {
    fn new(declared: &'a Declared, observed: &Observed, layout: &'a DeclaredLayout) -> Self {
        Self { declared, layout, now: observed.clone(), steps: Vec::new() }
    }

    fn step(&mut self, change: Change) {
        let after = self.now.after(&change);
        let lowers = lowered(&self.now, &after, self.declared.replicas);
        self.now = after;
        self.steps.push(PlanStep { change, lowers, cost: None });
    }

    /// Each declared node with the address of the master that it is to follow.
    fn wanted(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> + use<'a> {
        let (nodes, masters) = (&self.declared.nodes, &self.layout.masters);
        let at = |place: usize| nodes[place].at.as_str();
        masters.iter().enumerate().map(move |(place, master)| (at(place), master.map(at)))
    }

    fn masters(&self) -> Vec<&'a str> {
        self.wanted().filter(|(_, master)| master.is_none()).map(|(node, _)| node).collect()
    }

    fn is_member(&self, at: &str) -> bool {
        self.now.node(at).is_some_and(|node| node.is_member)
    }

    fn configure(&mut self) {
        let settings = &self.declared.settings;
        let differs = |seen: &ObservedNode| !seen.has_settings(settings);
        let nodes = self.declared.nodes.iter().map(|node| node.at.clone());
        let nodes: Vec<String> =
            nodes.filter(|at| self.now.node(at).is_some_and(differs)).collect();
        if nodes.is_empty() {
            return;
        }
        let other = |(name, value): &(&String, &String)| {
            let has = |at: &String| self.now.node(at)?.settings.get(*name);
            nodes.iter().any(|at| has(at).is_none_or(|has| !is_same(has, value)))
        };
        let changed = settings.iter().filter(other);
        let settings = changed.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.step(Change::Configure { nodes, settings, rewrite: self.declared.rewrite });
    }

    fn create(&mut self) -> Result<(), DeclareError> {
        let masters = self.masters();
        let weight = |at: &&str| {
            self.declared.nodes.iter().find(|node| node.at == **at).map_or(0.0, |node| node.weight)
        };
        let weights: Vec<f64> = masters.iter().map(weight).collect();
        let ranges = shares(&weights);
        let mut owners = Vec::new();
        for (node, range) in masters.iter().zip(ranges) {
            let slots = range.map(|range| range.iter().collect()).ok_or_else(|| {
                DeclareError::Layout(format!(
                    "{node} would get no slots in a new cluster: give it more weight"
                ))
            })?;
            owners.push(Owner { node: (*node).to_owned(), slots });
        }
        let replicas = self.wanted().filter_map(|(node, master)| {
            Some(DeclaredReplica { node: node.to_owned(), master: master?.to_owned() })
        });
        let change = Change::Create { masters: owners, replicas: replicas.collect() };
        self.step(change);
        Ok(())
    }

    fn join_masters(&mut self) {
        for node in self.masters() {
            if !self.is_member(node) {
                self.step(Change::Join { node: node.to_owned(), master: None });
            }
        }
    }

    /// Replicas take the places of owners that are to be no masters any more.
    fn fail_over(&mut self) {
        let masters = self.masters();
        for node in &masters {
            let Some(master) = self.now.node(node).and_then(|seen| seen.master.clone()) else {
                continue;
            };
            let is_owner = self.now.node(&master).is_some_and(ObservedNode::is_owner);
            if is_owner && !masters.contains(&master.as_str()) {
                self.step(Change::Failover { node: (*node).to_owned(), master });
            }
        }
    }

    fn join_replicas(&mut self) {
        for (node, master) in self.wanted() {
            let Some(master) = master.filter(|_| !self.is_member(node)) else { continue };
            let is_ready =
                self.now.node(master).is_some_and(|it| it.is_member && it.master.is_none());
            if is_ready {
                self.step(Change::Join { node: node.to_owned(), master: Some(master.to_owned()) });
            }
        }
    }

    /// A replica becomes a master without slots by leaving and coming again.
    fn begin_anew(&mut self) {
        for node in self.masters() {
            let seen = self.now.node(node).filter(|seen| seen.master.is_some());
            if let Some(id) = seen.map(|seen| seen.id) {
                self.step(Change::Leave { node: node.to_owned(), id });
                self.step(Change::Join { node: node.to_owned(), master: None });
            }
        }
        self.join_replicas();
    }

    /// Nodes follow the masters that they are to follow, those first whose former masters have enough without them. Until
    /// slots have moved, owners cannot, and the replicas of such as are to give theirs away stay with them.
    fn follow(&mut self, slots: MovesOfSlots) {
        let masters = self.masters();
        loop {
            let pending = self.wanted().filter_map(|(node, master)| {
                let (seen, master) = (self.now.node(node)?, master?);
                let stays = |former: &String| {
                    masters.contains(&former.as_str())
                        || self.now.node(former).is_none_or(|it| !it.is_owner())
                };
                let may = !seen.is_owner()
                    && (slots == MovesOfSlots::AfterMoves
                        || seen.master.as_ref().is_none_or(stays));
                (may && seen.master.as_deref() != Some(master)).then_some((node, master))
            });
            let lowers = |(node, master): &(&str, &str)| {
                let change =
                    Change::Follow { node: (*node).to_owned(), master: (*master).to_owned() };
                lowered(&self.now, &self.now.after(&change), self.declared.replicas).len()
            };
            let Some((node, master)) = pending.min_by_key(lowers) else { return };
            self.step(Change::Follow { node: node.to_owned(), master: master.to_owned() });
        }
    }

    fn move_slots(&mut self, load: &[u64]) -> Result<(), DeclareError> {
        let weights: BTreeMap<&str, f64> =
            self.declared.nodes.iter().map(|node| (node.at.as_str(), node.weight)).collect();
        let masters = self.masters();
        let takes_part =
            |seen: &&ObservedNode| seen.is_owner() || masters.contains(&seen.at.as_str());
        let parts: Vec<&ObservedNode> = self.now.members().filter(takes_part).collect();
        let weight = |seen: &ObservedNode| match masters.contains(&seen.at.as_str()) {
            true => weights.get(seen.at.as_str()).copied().unwrap_or_default(),
            false => 0.0,
        };
        let weighed = |seen: &&ObservedNode| Weighed {
            id: seen.id,
            slots: seen.slots.clone(),
            weight: weight(seen),
        };
        let weighed: Vec<Weighed> = parts.iter().map(weighed).collect();
        let measure = match self.declared.balance {
            Balance::Slots => RebalanceBy::Slots,
            Balance::Keys | Balance::Memory => RebalanceBy::Load(load),
        };
        let threshold = self.declared.threshold;
        let options = RebalanceCriteria { measure, threshold, use_empty_masters: true };
        let plan = plan_rebalance(&weighed, &options)
            .map_err(|error| DeclareError::Layout(error.to_string()))?;
        let name = |id| parts.iter().find(|seen| seen.id == id).map(|seen| seen.at.clone());
        let moves = plan.moves.into_iter().filter_map(|step| {
            Some(DeclaredMove { from: name(step.from)?, to: name(step.to)?, slots: step.slots })
        });
        let moves: Vec<DeclaredMove> = moves.collect();
        if !moves.is_empty() {
            self.step(Change::MoveSlots { moves });
        }
        Ok(())
    }

    /// Members that are not declared leave, replicas first.
    fn leave(&mut self) {
        let is_declared = |at: &str| self.declared.nodes.iter().any(|node| node.at == at);
        let mut leaving: Vec<ObservedNode> =
            self.now.members().filter(|seen| !is_declared(&seen.at)).cloned().collect();
        leaving.sort_by_key(|seen| seen.master.is_none());
        for seen in leaving {
            self.step(Change::Leave { node: seen.at, id: seen.id });
        }
    }
}

/// The masters that a step leaves with fewer replicas than are declared, and with fewer than they had.
fn lowered(before: &Observed, after: &Observed, declared: usize) -> Vec<Lowered> {
    let had = |seen: &ObservedNode| {
        let earlier = before.node(&seen.at)?;
        let shard = if earlier.is_owner() { Some(&earlier.at) } else { earlier.master.as_ref() };
        shard
            .filter(|at| before.node(at).is_some_and(ObservedNode::is_owner))
            .map(|at| before.good_replicas(at))
    };
    let lowered = |seen: &ObservedNode| {
        let replicas = after.good_replicas(&seen.at);
        let is_less = had(seen).is_none_or(|had| replicas < had);
        (replicas < declared && is_less).then(|| Lowered { master: seen.at.clone(), replicas })
    };
    after.members().filter(|seen| seen.is_owner()).filter_map(lowered).collect()
}

/// The slots of each master of a new cluster, one range after the other, as large as its weight; none where that comes to
/// no slot.
fn shares(weights: &[f64]) -> Vec<Option<SlotRange>> {
    let whole: f64 = weights.iter().sum();
    let mut sum = 0.0;
    let mut first = 0u16;
    let share = |weight: &f64| {
        sum += weight;
        let end = (f64::from(Slot::COUNT) * sum / whole).round();
        // Weights are finite and not negative, so that this is a number of slots, but for a whole of 0.
        let end = if end.is_finite() { (end as u16).min(Slot::COUNT) } else { first };
        let (from, below) = (first, end.max(first));
        first = below;
        (below > from)
            .then(|| SlotRange::new(Slot::from_range(from), Slot::from_range(below - 1)))?
    };
    weights.iter().map(share).collect()
}
