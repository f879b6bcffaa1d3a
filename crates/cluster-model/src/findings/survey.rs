//! A snapshot made ready for questions.

use std::collections::HashMap;

use super::NodeLabel;
use crate::{Node, NodeId, SharedTopology, Slot, SlotRange, SlotSet, Snapshot};

/// Indexes over a snapshot that several findings and planners need.
pub(crate) struct SnapshotIndex<'a> {
    /// Every node, as it describes itself, or as others do if it does not answer.
    pub(crate) nodes: Vec<&'a Node>,
    /// The views of the nodes that answered, by the id of the node.
    pub(crate) views: Vec<(NodeId, &'a SharedTopology)>,
    places: HashMap<NodeId, usize>,
    /// Where each node that answered was reached.
    reached: HashMap<NodeId, String>,
    /// The masters that answer, with the slots that each calls its own.
    claims: Vec<(NodeId, &'a SlotSet)>,
    /// The slots that some node calls its own.
    claimed: SlotSet,
    /// The slots that more than one node calls its own.
    contested: SlotSet,
}

impl<'a> SnapshotIndex<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot) -> SnapshotIndex<'a> {
        let nodes = snapshot.nodes();
        let mut survey = SnapshotIndex {
            places: nodes.iter().enumerate().map(|(place, node)| (node.id, place)).collect(),
            nodes,
            views: Vec::new(),
            reached: HashMap::new(),
            claims: Vec::new(),
            claimed: SlotSet::new(),
            contested: SlotSet::new(),
        };
        for view in &snapshot.views {
            if let (Some(id), Ok(topology)) = (view.id, &view.answer) {
                survey.views.push((id, topology));
                survey.reached.entry(id).or_insert_with(|| view.asked.to_string());
            }
        }
        survey.add_claims();
        survey
    }

    fn add_claims(&mut self) {
        let masters = self.nodes.iter().filter(|node| node.is_master() && self.answers(node.id));
        self.claims = masters.map(|node| (node.id, &node.slots)).collect();
        // Ranges in ascending order overlap what came before exactly where they are contested.
        let mut ranges: Vec<SlotRange> =
            self.claims.iter().flat_map(|(_, slots)| slots.ranges()).collect();
        ranges.sort_unstable();
        let mut end: Option<Slot> = None;
        for range in ranges {
            let overlap = end.and_then(|end| SlotRange::new(range.first(), range.last().min(end)));
            self.contested.extend(overlap);
            self.claimed.insert_range(range);
            end = end.max(Some(range.last()));
        }
    }

    /// Each node that `which` accepts, with who describes it so; in the order of the views. What views share is looked
    /// through once.
    pub(crate) fn seen(&self, which: impl Fn(&Node) -> bool) -> Vec<(NodeId, &'a Node)> {
        let mut bases: HashMap<*const (), Vec<usize>> = HashMap::new();
        let mut seen = Vec::new();
        for (viewer, view) in &self.views {
            let places = bases.entry(view.base()).or_insert_with(|| view.search_base(&which));
            let alike = places.iter().filter_map(|place| view.alike(*place));
            let others = view.differences().filter(|node| which(node));
            seen.extend(alike.chain(others).map(|node| (*viewer, node)));
        }
        seen
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&'a Node> {
        self.places.get(&id).map(|place| self.nodes[*place])
    }

    /// The node as it describes itself, if it answered.
    pub(crate) fn own(&self, id: NodeId) -> Option<&'a Node> {
        self.node(id).filter(|_| self.answers(id))
    }

    /// Whether the node answered.
    pub(crate) fn answers(&self, id: NodeId) -> bool {
        self.reached.contains_key(&id)
    }

    pub(crate) fn member(&self, id: NodeId) -> NodeLabel {
        let announced = self.node(id).map(|node| &node.address);
        let address = match announced {
            Some(address) if !address.host.is_empty() && address.port != 0 => address.to_string(),
            _ => self.reached.get(&id).cloned().unwrap_or_default(),
        };
        NodeLabel { id, address }
    }

    pub(crate) fn members(&self, ids: impl IntoIterator<Item = NodeId>) -> Vec<NodeLabel> {
        ids.into_iter().map(|id| self.member(id)).collect()
    }

    /// The masters that answer, with the slots that each calls its own.
    pub(crate) fn claims(&self) -> &[(NodeId, &'a SlotSet)] {
        &self.claims
    }

    /// The nodes that call the slot their own.
    pub(crate) fn owners(&self, slot: Slot) -> impl Iterator<Item = NodeId> + '_ {
        self.claims.iter().filter(move |(_, slots)| slots.contains(slot)).map(|(id, _)| *id)
    }

    /// The slots that more than one node calls its own.
    pub(crate) fn contested(&self) -> &SlotSet {
        &self.contested
    }

    /// The slots that some node calls its own.
    pub(crate) fn claimed(&self) -> &SlotSet {
        &self.claimed
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
