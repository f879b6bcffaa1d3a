//! What the nodes of a simulated cluster are, and how each describes them all.

use std::fmt::Write as _;

use redistrib_cluster_model::{Address, Flags, Node, NodeId, Slot, SlotSet};

use super::{Fault, Options};

/// All nodes, by their places.
#[derive(Debug)]
pub(super) struct State {
    nodes: Vec<Node>,
    /// Which nodes know each other: those of the same number.
    groups: Vec<usize>,
    lines: Vec<Line>,
}

/// A node's line without what each viewer says otherwise: `myself`, the time of the last pong, and its own open slots.
#[derive(Debug)]
struct Line {
    address: String,
    role: String,
    rest: String,
}

/// The id of the node at this place.
pub(super) fn id(place: usize) -> NodeId {
    let number = (place as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    let mut bytes = [0; 20];
    bytes[4..].copy_from_slice(&number.to_be_bytes());
    NodeId::from_bytes(bytes)
}

impl State {
    pub(super) fn new(options: &Options, ports: &[u16]) -> Self {
        let masters = options.masters;
        let node = |(place, port): (usize, &u16)| {
            let replica = place.checked_sub(masters).filter(|_| !options.unformed);
            let from = |place: usize| (place * usize::from(Slot::COUNT) / masters) as u16;
            let slots = from(place)..from(place + 1).max(from(place));
            let slots = if place < masters && !options.unformed { slots } else { 0..0 };
            Node {
                id: id(place),
                address: Address { bus_port: Some(*port), ..Address::new("127.0.0.1", *port) },
                aux: Vec::new(),
                flags: Flags::parse(if replica.is_some() { "slave" } else { "master" }),
                master: replica.map(|replica| id(replica % masters)),
                ping_sent: 0,
                pong_received: 0,
                config_epoch: if options.unformed { 0 } else { (place % masters + 1) as u64 },
                link_connected: true,
                slots: slots.filter_map(|slot| Slot::new(slot).ok()).collect(),
                migrating: Vec::new(),
                importing: Vec::new(),
            }
        };
        let nodes: Vec<Node> = ports.iter().enumerate().map(node).collect();
        let groups = (0..nodes.len()).map(|place| if options.unformed { place } else { 0 });
        Self { lines: nodes.iter().map(Line::of).collect(), groups: groups.collect(), nodes }
    }

    pub(super) fn node(&self, place: usize) -> &Node {
        &self.nodes[place]
    }

    pub(super) fn place_of(&self, id: NodeId) -> Option<usize> {
        self.nodes.iter().position(|node| node.id == id)
    }

    pub(super) fn place_at(&self, port: u16) -> Option<usize> {
        self.nodes.iter().position(|node| node.address.port == port)
    }

    /// How many nodes this one knows, and how many of them are masters with slots.
    pub(super) fn known_to(&self, place: usize) -> (usize, usize) {
        let known = (0..self.nodes.len()).filter(|other| self.groups[*other] == self.groups[place]);
        let known: Vec<usize> = known.collect();
        let owners = known.iter().filter(|other| !self.nodes[**other].slots.is_empty());
        (known.len(), owners.count())
    }

    /// Changes a node.
    pub(super) fn change(&mut self, place: usize, change: impl FnOnce(&mut Node)) {
        change(&mut self.nodes[place]);
        self.lines[place] = Line::of(&self.nodes[place]);
    }

    /// From now on the two nodes know each other, and all whom they know.
    pub(super) fn meet(&mut self, one: usize, two: usize) {
        let (one, two) = (self.groups[one], self.groups[two]);
        self.groups.iter_mut().filter(|group| **group == two).for_each(|group| *group = one);
    }

    /// Gives a slot to a node, under a new epoch where it is the node's own to say.
    pub(super) fn assign(&mut self, teller: usize, slot: Slot, owner: usize) {
        let earlier = self.nodes.iter().position(|node| node.slots.contains(slot));
        let epochs = self.nodes.iter().map(|node| node.config_epoch);
        let next = epochs.max().unwrap_or_default() + 1;
        if earlier != Some(owner) {
            if let Some(earlier) = earlier {
                self.change(earlier, |node| {
                    node.slots.remove(slot);
                });
            }
            self.change(owner, |node| {
                node.slots.insert(slot);
            });
        }
        let imports = self.nodes[teller].importing.iter().any(|(open, _)| *open == slot);
        self.change(teller, |node| {
            node.migrating.retain(|(open, _)| *open != slot);
            node.importing.retain(|(open, _)| *open != slot);
            if teller == owner && imports {
                node.config_epoch = next;
            }
        });
    }

    /// The cluster as the node at this place sees it.
    pub(super) fn view(&self, viewer: usize, fault: Option<Fault>) -> String {
        let mut text = String::with_capacity(self.nodes.len() * 160);
        let myself = if fault == Some(Fault::Lie) { viewer + 1 } else { viewer };
        for place in 0..self.nodes.len() {
            if self.groups[place] != self.groups[viewer] {
                continue;
            }
            let other = match (fault, place) {
                (Some(Fault::Disagree), 0 | 1) => Some(Line::of(&self.otherwise(place))),
                _ => None,
            };
            let Line { address, role, rest } = other.as_ref().unwrap_or(&self.lines[place]);
            // No two nodes have learned of each other at the same time.
            let pong = 1_790_000_000_000 + (place * 7919 + viewer * 104_729) % 1_000_000;
            let flag = if place == myself { "myself," } else { "" };
            text.extend([address, flag, role]);
            let _ = write!(text, "{pong}");
            text.push_str(rest);
            if place == myself {
                let node = &self.nodes[place];
                let out = node.migrating.iter().map(|(slot, to)| format!(" [{slot}->-{to}]"));
                let into = node.importing.iter().map(|(slot, from)| format!(" [{slot}-<-{from}]"));
                text.extend(out.chain(into));
            }
            text.push('\n');
        }
        text
    }

    /// One of the first two nodes as it is seen where the first slot is taken for the second's.
    fn otherwise(&self, place: usize) -> Node {
        let mut node = self.nodes[place].clone();
        let first = Slot::new(0).into_iter().collect::<SlotSet>();
        node.slots = match place {
            0 => node.slots.difference(&first),
            _ => node.slots.union(&first),
        };
        node
    }
}

impl Line {
    fn of(node: &Node) -> Self {
        let Address { host, port, bus_port, .. } = &node.address;
        let role = if node.is_replica() { "slave" } else { "master" };
        let master = node.master.map_or_else(|| "-".to_owned(), |master| master.to_string());
        let slots = node.slots.to_string();
        let blank = if slots.is_empty() { "" } else { " " };
        Self {
            address: format!("{} {host}:{port}@{} ", node.id, bus_port.unwrap_or_default()),
            role: format!("{role} {master} 0 "),
            rest: format!(" {} connected{blank}{slots}", node.config_epoch),
        }
    }
}
