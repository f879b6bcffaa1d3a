//! A snapshot made ready for questions.

use std::collections::{BTreeMap, HashMap};

use super::Member;
use crate::{Node, NodeId, Slot, SlotSet, Snapshot, Topology};

/// Indexes over a snapshot that several findings and planners need.
pub(crate) struct Survey<'a> {
    /// Every node, as it describes itself, or as others do if it does not answer.
    pub(crate) nodes: Vec<&'a Node>,
    /// The views of the nodes that answered, by the id of the node.
    pub(crate) views: Vec<(NodeId, &'a Topology)>,
    places: HashMap<NodeId, usize>,
    /// Where each node that answered was reached.
    reached: HashMap<NodeId, String>,
    /// By slot, the first of the nodes that call it their own.
    first_owner: Vec<Option<NodeId>>,
    /// The nodes beyond the first, for the few slots that several call their own.
    other_owners: BTreeMap<Slot, Vec<NodeId>>,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> Survey<'a> {
        let nodes = snapshot.nodes();
        let mut survey = Survey {
            places: nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect(),
            nodes,
            views: Vec::new(),
            reached: HashMap::new(),
            first_owner: vec![None; usize::from(Slot::COUNT)],
            other_owners: BTreeMap::new(),
        };
        for view in &snapshot.views {
            if let (Some(id), Ok(topology)) = (view.id, &view.answer) {
                survey.views.push((id, topology));
                survey.reached.entry(id).or_insert_with(|| view.asked.to_string());
            }
        }
        for node in snapshot.own_lines().filter(|node| node.is_master()) {
            node.slots.iter().for_each(|slot| survey.add_owner(slot, node.id));
        }
        survey
    }

    fn add_owner(&mut self, slot: Slot, id: NodeId) {
        match &mut self.first_owner[slot.index()] {
            none @ None => *none = Some(id),
            // One node can be in the snapshot under two of its addresses.
            Some(first) if *first == id => {}
            Some(_) => {
                let others = self.other_owners.entry(slot).or_default();
                if !others.contains(&id) {
                    others.push(id);
                }
            }
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&'a Node> {
        self.places.get(&id).map(|place| self.nodes[*place])
    }

    /// Whether the node answered.
    pub(crate) fn answers(&self, id: NodeId) -> bool {
        self.reached.contains_key(&id)
    }

    pub(crate) fn member(&self, id: NodeId) -> Member {
        let announced = self.node(id).map(|node| &node.address);
        let address = match announced {
            Some(address) if !address.host.is_empty() && address.port != 0 => address.to_string(),
            _ => self.reached.get(&id).cloned().unwrap_or_default(),
        };
        Member { id, address }
    }

    pub(crate) fn members(&self, ids: impl IntoIterator<Item = NodeId>) -> Vec<Member> {
        ids.into_iter().map(|id| self.member(id)).collect()
    }

    /// The nodes that call the slot their own.
    pub(crate) fn owners(&self, slot: Slot) -> impl Iterator<Item = NodeId> + '_ {
        let others = self.other_owners.get(&slot).into_iter().flatten();
        self.first_owner[slot.index()].iter().chain(others).copied()
    }

    /// The slots that more than one node calls its own.
    pub(crate) fn contested(&self) -> impl Iterator<Item = Slot> + '_ {
        self.other_owners.keys().copied()
    }

    /// The slots that some node calls its own.
    pub(crate) fn claimed(&self) -> SlotSet {
        Slot::all().filter(|slot| self.first_owner[slot.index()].is_some()).collect()
    }

    /// The nodes that do not answer, with the slots that the others say they own and that no node
    /// that answers calls its own.
    pub(crate) fn absent_owners(&self) -> Vec<(NodeId, SlotSet)> {
        let mut left = self.claimed().complement();
        let absent = self.nodes.iter().filter(|node| !self.answers(node.id));
        let mut owners = Vec::new();
        for node in absent {
            let slots = node.slots.intersection(&left);
            if !slots.is_empty() {
                left = left.difference(&slots);
                owners.push((node.id, slots));
            }
        }
        owners
    }
}
