//! How far named nodes have come on the way to a planned cluster.

use std::collections::{HashMap, HashSet};

use crate::plan::create::CreatePlan;
use crate::{Address, Node, NodeId, SharedTopology, SlotSet};

/// How far they have come, all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Each is empty and alone.
    Nothing,
    /// What an interrupted creation of the same cluster left: doing the rest completes it.
    Part,
    /// The same, but some remember nodes that have been reset since: all must be reset before the cluster can be made.
    Remains,
    /// All of them see the planned cluster and nothing else.
    All,
}

/// One of the nodes, at the place in the list that the plan was made of.
#[derive(Debug)]
pub struct Named<'a> {
    /// How many keys it holds.
    pub keys: u64,
    /// What it says of itself and the others.
    pub view: &'a SharedTopology,
}

/// What the nodes are to be: each one's id, master and slots, in the order of the list that the plan was made of.
#[derive(Debug)]
pub struct Intended {
    nodes: Vec<IntendedNode>,
    places: HashMap<NodeId, usize>,
}

#[derive(Debug)]
struct IntendedNode {
    master: Option<NodeId>,
    slots: SlotSet,
}

impl Intended {
    /// The plan for the nodes of these ids.
    pub fn new(plan: &CreatePlan, ids: &[NodeId]) -> Self {
        let role = |_| IntendedNode { master: None, slots: SlotSet::new() };
        let mut nodes: Vec<IntendedNode> = ids.iter().map(role).collect();
        for master in &plan.masters {
            nodes[master.node].slots = SlotSet::from_iter(master.slots().iter());
        }
        for replica in &plan.replicas {
            nodes[replica.node].master = Some(ids[replica.master]);
        }
        let places = ids.iter().enumerate().map(|(place, id)| (*id, place)).collect();
        Self { nodes, places }
    }

    /// The places of the nodes that a view does not know by their ids yet.
    pub fn unknown_to(&self, view: &SharedTopology) -> Vec<usize> {
        self.places_without(view, |_, _| true)
    }

    /// The places of the nodes that a view does not see in the role and with the slots that they are to have.
    pub fn unlike(&self, view: &SharedTopology) -> Vec<usize> {
        self.places_without(view, |role, node| {
            node.master == role.master && node.slots == role.slots
        })
    }

    /// The places of the nodes of which a view has no line that `suits` them.
    fn places_without(
        &self,
        view: &SharedTopology,
        suits: impl Fn(&IntendedNode, &Node) -> bool,
    ) -> Vec<usize> {
        let place = |node: &Node| self.places.get(&node.id).copied();
        let suited = settled(view).filter_map(|node| Some((place(node)?, node)));
        let suited: HashSet<usize> = suited
            .filter(|(place, node)| suits(&self.nodes[*place], node))
            .map(|(place, _)| place)
            .collect();
        (0..self.nodes.len()).filter(|place| !suited.contains(place)).collect()
    }

    fn has(&self, id: NodeId) -> bool {
        self.places.contains_key(&id)
    }

    /// How far the nodes have come, which can be reached at `addresses` and no others. Nothing may be taken for an
    /// interrupted creation that holds keys, knows a node not named here, or has other slots or another master than planned.
    ///
    /// # Errors
    /// The place of the first node that is something else.
    pub fn reached(
        &self,
        nodes: &[Named<'_>],
        addresses: &HashSet<(String, u16)>,
    ) -> Result<Beginning, usize> {
        let complete = |node: &Named<'_>| {
            node.view.len() == self.nodes.len() && self.unlike(node.view).is_empty()
        };
        if nodes.iter().all(complete) {
            return Ok(Beginning::All);
        }
        let acceptable = |(place, node): (usize, &Named<'_>)| {
            node.keys == 0 && self.may_have_begun(place, node.view, addresses)
        };
        if let Some(place) = nodes.iter().enumerate().position(|it| !acceptable(it)) {
            return Err(place);
        }
        let untouched = |node: &Named<'_>| {
            node.view.len() == 1 && node.view.iter().all(|node| node.slots.is_empty())
        };
        let remembers = |node: &Named<'_>| settled(node.view).any(|other| !self.has(other.id));
        Ok(if nodes.iter().all(untouched) {
            Beginning::Nothing
        } else if nodes.iter().any(remembers) {
            Beginning::Remains
        } else {
            Beginning::Part
        })
    }

    /// Whether this is what a creation may have made of the node so far.
    fn may_have_begun(
        &self,
        place: usize,
        view: &SharedTopology,
        addresses: &HashSet<(String, u16)>,
    ) -> bool {
        let Some(myself) = view.myself() else { return false };
        let IntendedNode { master, slots, .. } = &self.nodes[place];
        let follows = match myself.master {
            None => true,
            // The master that it had may have been reset since.
            Some(id) => master.is_some_and(|planned| planned == id || !self.has(id)),
        };
        let owns = myself.slots.is_empty() || myself.slots == *slots;
        // Where a named node answers nobody else does, and what has no address is nowhere.
        let is_named = |node: &Node| {
            let Address { host, port, .. } = &node.address;
            node.flags.is_myself()
                || (self.has(node.id) && !node.flags.is_handshake())
                || node.flags.is_without_address()
                || addresses.contains(&(host.to_string(), *port))
        };
        follows && owns && !myself.has_open_slots() && view.iter().all(is_named)
    }
}

/// The nodes whose ids are their own: in a handshake it is a placeholder.
fn settled(view: &SharedTopology) -> impl Iterator<Item = &Node> {
    view.iter().filter(|node| !node.flags.is_handshake())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;
    use crate::plan::create::{Dealing, plan_create};

    /// Nodes `a`, `b` (masters) and `c` (replica of `a`) at ports 1 to 3.
    fn reached(views: [&str; 3], keys: [u64; 3]) -> Result<Beginning, usize> {
        let ports = 1..=3;
        let nodes: Vec<Address> = ports.clone().map(|port| Address::new("h", port)).collect();
        let mut plan = plan_create(&nodes, 0, 1, Dealing::InTurn).unwrap();
        let half = plan_create(&nodes[..2], 0, 1, Dealing::InTurn).unwrap();
        plan.masters = half.masters;
        plan.replicas = plan_create(&nodes, 1, 1, Dealing::InTurn).unwrap().replicas;
        plan.replicas.truncate(1);
        (plan.replicas[0].node, plan.replicas[0].master) = (2, 0);
        let ids: Vec<NodeId> =
            ["a", "b", "c"].map(|digit| digit.repeat(40).parse().unwrap()).to_vec();
        let views = views.map(topology);
        let named: Vec<Named<'_>> =
            views.iter().zip(keys).map(|(view, keys)| Named { keys, view }).collect();
        let addresses = ports.map(|port| ("h".to_owned(), port)).collect();
        Intended::new(&plan, &ids).reached(&named, &addresses)
    }

    /// The first letter is the node itself; `A` is one with its slots, `c>a` a replica, `e@1` one known at port 1, `e?2`
    /// a handshake with port 2, `e-` one without address.
    fn topology(text: &str) -> SharedTopology {
        let lines = text.split(' ').enumerate().map(|(place, word)| {
            let mut letters = word.chars();
            let letter = letters.next().unwrap();
            let id = letter.to_ascii_lowercase().to_string().repeat(40);
            let slots = match letter {
                'A' => "0-8191",
                'B' => "8192-16383",
                'X' => "7",
                _ => "",
            };
            let myself = if place == 0 { "myself," } else { "" };
            let (mark, rest) = (letters.next(), letters.as_str());
            let master = if mark == Some('>') { rest.repeat(40) } else { "-".into() };
            let role = if mark == Some('>') { "slave" } else { "master" };
            let more = match mark {
                Some('?') => ",handshake",
                Some('-') => ",noaddr",
                _ => "",
            };
            let port = match letter.to_ascii_lowercase() {
                'a' => "1",
                'b' => "2",
                'c' => "3",
                _ if rest.is_empty() => "9",
                _ => rest,
            };
            format!("{id} h:{port} {myself}{role}{more} {master} 0 0 0 connected {slots}\n")
        });
        lines.collect::<String>().parse::<Topology>().unwrap().into()
    }

    #[test]
    fn what_a_creation_leaves_is_told_from_what_is_somebody_elses() {
        let done = ["A B c>a", "B A c>a", "c>a A B"];
        for (views, expected) in [
            (["a", "b", "c"], Ok(Beginning::Nothing)),
            (done, Ok(Beginning::All)),
            (["A", "b", "c"], Ok(Beginning::Part)),
            (["A b", "B a", "c"], Ok(Beginning::Part)),
            (["A e?2", "B", "c"], Ok(Beginning::Part)),
            (["A B c", "B A c>a", "c>a A B"], Ok(Beginning::Part)),
            (["a", "B e@1 c", "c B e@1"], Ok(Beginning::Remains)),
            (["a", "B e-", "c>e e@1"], Ok(Beginning::Remains)),
            // Somebody else is known, or met.
            (["A d", "B", "c"], Err(0)),
            (["A", "B", "c e?9"], Err(2)),
            (["A B c>a", "B A c>a", "c>a A B d"], Err(2)),
            // Not what this plan would make of them.
            (["a", "b", "A"], Err(2)),
            (["a>b", "B", "c"], Err(0)),
            (["a", "b", "c>b"], Err(2)),
        ] {
            assert_eq!(reached(views, [0; 3]), expected, "{views:?}");
        }
        assert_eq!(reached(done, [9, 0, 9]), Ok(Beginning::All));
        assert_eq!(reached(["A", "B", "c"], [0, 1, 0]), Err(1));
        assert_eq!(reached(["a", "b", "c"], [0, 0, 1]), Err(2));
    }
}
