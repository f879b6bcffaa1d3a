//! Views of one cluster that share what they say alike.
//!
//! A thousand nodes describe a thousand nodes each. Nearly all of these descriptions are the same but for the times of
//! the last ping and pong. So one view is kept whole, as the base of the others, and of each other that in which it differs: the
//! memory grows with the nodes and with what they disagree on, not with the square of the cluster.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::lines::{self, NodeLines};
use super::{ParseError, Topology};
use crate::{Node, NodeId, Slot, SlotSet};

/// A view that may share what it says with other views.
///
/// A node has the times of pings and pongs that the base says; [`SharedTopology::awaited`] has those of pings that this view
/// says to be unanswered. Of lines with one and the same id the first counts.
///
/// ```
/// use redistrib_cluster_model::{SharedNodes, SharedTopology};
///
/// let seen = |flags: &str| format!(
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 {flags} - 0 0 0 connected 0-16383\n"
/// );
/// let mut known = SharedNodes::default();
/// let one: SharedTopology = known.read(seen("myself,master"))?;
/// let other = known.read(seen("master,fail?"))?;
/// assert!(one.myself().is_some() && other.myself().is_none());
/// assert_eq!(other.ownership(), one.ownership());
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Topology", into = "Topology")]
pub struct SharedTopology {
    base: Arc<Base>,
    /// The nodes of the base that the view describes in another way, or does not know, in the order of their places.
    changed: Vec<(usize, Option<Arc<Node>>)>,
    /// The nodes that the base does not know.
    added: Vec<Arc<Node>>,
    /// The nodes whose answer to a ping is awaited, with the time of that ping.
    awaited: Vec<(NodeId, i64)>,
}

/// A view that others are compared with.
#[derive(Debug, Default)]
struct Base {
    nodes: Vec<Arc<Node>>,
    places: HashMap<NodeId, usize>,
    myself: Option<usize>,
}

impl Base {
    /// The base that a topology is, of lines with one id the first.
    fn of(topology: Topology) -> Self {
        let mut base = Self::default();
        base.nodes.reserve_exact(topology.nodes.len());
        for node in topology.nodes {
            let place = base.nodes.len();
            if let std::collections::hash_map::Entry::Vacant(free) = base.places.entry(node.id) {
                free.insert(place);
                base.nodes.push(Arc::new(node));
            }
        }
        base.myself = base.nodes.iter().position(|node| node.flags.is_myself());
        base
    }
}

impl SharedTopology {
    /// The nodes: those of the base in its order, then the others.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        let mut changed = self.changed.iter().peekable();
        let nodes =
            self.base.nodes.iter().enumerate().filter_map(move |(place, node)| {
                match changed.next_if(|(at, _)| *at == place) {
                    Some((_, other)) => other.as_deref(),
                    None => Some(node.as_ref()),
                }
            });
        nodes.chain(self.added.iter().map(AsRef::as_ref))
    }

    /// How many nodes the view knows.
    pub fn len(&self) -> usize {
        let unknown = self.changed.iter().filter(|(_, node)| node.is_none()).count();
        self.base.nodes.len() - unknown + self.added.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The node that printed the text.
    pub fn myself(&self) -> Option<&Node> {
        let mut own = self.differences().filter(|node| node.flags.is_myself());
        // The node that the base is the view of is another in most views.
        own.next()
            .or_else(|| self.alike(self.base.myself?))
            .or_else(|| self.iter().find(|node| node.flags.is_myself()))
    }

    /// The node of this id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        match self.base.places.get(&id) {
            Some(place) => self.at(*place),
            None => self.added.iter().find(|node| node.id == id).map(AsRef::as_ref),
        }
    }

    /// All masters, failed ones and those without slots included.
    pub fn masters(&self) -> impl Iterator<Item = &Node> {
        self.iter().filter(|node| node.is_master())
    }

    /// The replicas of this master.
    pub fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = &Node> {
        self.iter().filter(move |node| node.is_replica() && node.master == Some(master))
    }

    /// The node that owns this slot.
    pub fn owner(&self, slot: Slot) -> Option<&Node> {
        self.iter().find(|node| node.slots.contains(slot))
    }

    /// Who owns what, as [`Topology::ownership`] returns it.
    pub fn ownership(&self) -> Vec<(NodeId, &SlotSet)> {
        super::ownership(self.iter())
    }

    /// Whether two views give all slots the same owners.
    pub fn agrees_with(&self, other: &SharedTopology) -> bool {
        match (self.shared_owners(), other.shared_owners()) {
            (Some(one), Some(two)) if one == two => true,
            _ => self.ownership() == other.ownership(),
        }
    }

    /// The nodes whose answer to a ping is awaited, with the time of that ping in milliseconds since 1970.
    pub fn awaited(&self) -> impl Iterator<Item = (&Node, i64)> {
        self.awaited.iter().filter_map(|(id, sent)| Some((self.node(*id)?, *sent)))
    }

    /// What distinguishes the base of a view from that of another.
    pub(crate) fn base(&self) -> *const () {
        Arc::as_ptr(&self.base).cast()
    }

    /// The base, where all owners of slots are those that the base says.
    pub(crate) fn shared_owners(&self) -> Option<*const ()> {
        let alike = |(place, other): &(usize, Option<Arc<Node>>)| {
            let slots = &self.base.nodes[*place].slots;
            other.as_ref().map_or(slots.is_empty(), |other| other.slots == *slots)
        };
        let alike =
            self.changed.iter().all(alike) && self.added.iter().all(|node| node.slots.is_empty());
        alike.then(|| self.base())
    }

    /// Whether the view knows all nodes of its base.
    pub(crate) fn knows_base(&self) -> bool {
        self.changed.iter().all(|(_, node)| node.is_some())
    }

    /// The nodes that the view does not describe as its base does.
    pub(crate) fn differences(&self) -> impl Iterator<Item = &Node> {
        let changed = self.changed.iter().filter_map(|(_, node)| node.as_deref());
        changed.chain(self.added.iter().map(AsRef::as_ref))
    }

    /// The places in the base of what `which` accepts.
    pub(crate) fn search_base(&self, which: impl Fn(&Node) -> bool) -> Vec<usize> {
        let nodes = self.base.nodes.iter().enumerate();
        nodes.filter(|(_, node)| which(node)).map(|(place, _)| place).collect()
    }

    /// Whether the view says of the node at this place what the base says, which is returned then.
    pub(crate) fn alike(&self, place: usize) -> Option<&Node> {
        let is_changed = self.changed.binary_search_by_key(&place, |(at, _)| *at).is_ok();
        (!is_changed).then(|| self.base.nodes[place].as_ref())
    }

    fn at(&self, place: usize) -> Option<&Node> {
        match self.changed.binary_search_by_key(&place, |(at, _)| *at) {
            Ok(at) => self.changed[at].1.as_deref(),
            Err(_) => self.base.nodes.get(place).map(AsRef::as_ref),
        }
    }

    /// How many nodes it says something else of.
    fn distance(&self) -> usize {
        self.changed.len() + self.added.len()
    }

    /// What it says of the node at this place, to change it.
    #[cfg(test)]
    pub(crate) fn at_mut(&mut self, place: usize) -> &mut Node {
        let at = self.changed.binary_search_by_key(&place, |(at, _)| *at).unwrap_or_else(|at| {
            self.changed.insert(at, (place, Some(Arc::clone(&self.base.nodes[place]))));
            at
        });
        Arc::make_mut(self.changed[at].1.as_mut().unwrap())
    }

    #[cfg(test)]
    pub(crate) fn set_awaited(&mut self, place: usize, sent: i64) {
        self.awaited = vec![(self.base.nodes[place].id, sent)];
    }

    #[cfg(test)]
    pub(crate) fn push(&mut self, node: Node) {
        self.added.push(Arc::new(node));
    }
}

/// Whether both say the same but for the times of pongs, whatever they share.
impl PartialEq for SharedTopology {
    fn eq(&self, other: &SharedTopology) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|node| other.node(node.id).is_some_and(|theirs| is_same(theirs, node)))
            && self.awaited == other.awaited
    }
}

impl Eq for SharedTopology {}

/// The nodes, a line each, as servers print them.
impl fmt::Display for SharedTopology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|node| writeln!(f, "{node}"))
    }
}

/// A view that shares nothing.
impl From<Topology> for SharedTopology {
    fn from(topology: Topology) -> SharedTopology {
        let awaited = |node: &Node| (node.ping_sent != 0).then_some((node.id, node.ping_sent));
        let base = Base::of(topology);
        SharedTopology {
            awaited: base.nodes.iter().filter_map(|node| awaited(node)).collect(),
            base: Arc::new(base),
            changed: Vec::new(),
            added: Vec::new(),
        }
    }
}

/// The nodes as the view describes them.
impl From<SharedTopology> for Topology {
    fn from(view: SharedTopology) -> Topology {
        let mut nodes: Vec<Node> = view.iter().cloned().collect();
        let pings: HashMap<NodeId, i64> = view.awaited.iter().copied().collect();
        for node in &mut nodes {
            node.ping_sent = pings.get(&node.id).copied().unwrap_or_default();
        }
        Topology { nodes, ..Topology::default() }
    }
}

/// What views of one cluster share.
#[derive(Debug, Default)]
pub struct SharedNodes {
    /// The views that others are compared with, the one that suited last first.
    bases: Vec<(Arc<Base>, NodeLines)>,
    /// What views say other than their base: mostly the same in many of them.
    known: HashMap<NodeId, Vec<Arc<Node>>>,
}

impl SharedNodes {
    /// Views that no base is like become one themselves, as long as there are few.
    const MOST_BASES: usize = 8;
    /// Small differences do not call for another base, however small the cluster.
    const FEW: usize = 4;

    /// Reads the answer to `CLUSTER NODES`, of which only what differs from earlier ones is kept.
    ///
    /// # Errors
    /// Those of [`Topology::parse`].
    pub fn read(&mut self, text: impl AsRef<[u8]>) -> Result<SharedTopology, ParseError> {
        let text = text.as_ref();
        let mut nearest: Option<SharedTopology> = None;
        for place in 0..self.bases.len() {
            let view = self.compare(place, text)?;
            if view.distance() <= Self::FEW + view.len() / 4 {
                self.bases[..=place].rotate_right(1);
                return Ok(view);
            }
            nearest = match nearest {
                Some(near) if near.distance() <= view.distance() => Some(near),
                _ => Some(view),
            };
        }
        match nearest {
            Some(view) if self.bases.len() >= Self::MOST_BASES => Ok(view),
            _ => {
                let view = SharedTopology::from(Topology::parse(text)?);
                let places = &view.base.places;
                let lines = NodeLines::of(text, places.len(), |id| places.get(&id).copied());
                self.bases.insert(0, (Arc::clone(&view.base), lines));
                Ok(view)
            }
        }
    }

    /// In what a text differs from a base. A line that the base has, too, is not parsed: only its times differ.
    fn compare(&mut self, base: usize, text: &[u8]) -> Result<SharedTopology, ParseError> {
        let (base, lines) = &self.bases[base];
        let (mut changed, mut added, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seen, mut strangers) = (vec![false; base.nodes.len()], HashSet::new());
        let mut next = 0;
        for (number, line) in lines::of(text).enumerate() {
            let place_of = |line| base.places.get(&lines::id(line)?).copied();
            let alike = |place| Some((place, lines.alike(place, line)?));
            if let Some((place, ping)) = alike(next).or_else(|| alike(place_of(line)?)) {
                next = place + 1;
                if !std::mem::replace(&mut seen[place], true) && ping != 0 {
                    awaited.push((base.nodes[place].id, ping));
                }
                continue;
            }
            let parsed = Topology::parse(line);
            let parsed = parsed.map_err(|error| ParseError { line: number + 1, ..error })?;
            let Some(node) = parsed.nodes.into_iter().next() else { continue };
            let place = base.places.get(&node.id).copied();
            let is_first = match place {
                Some(place) => !std::mem::replace(&mut seen[place], true),
                None => strangers.insert(node.id),
            };
            if !is_first {
                continue;
            }
            if node.ping_sent != 0 {
                awaited.push((node.id, node.ping_sent));
            }
            match place {
                Some(place) if is_same(&base.nodes[place], &node) => {}
                Some(place) => changed.push((place, Some(share(&mut self.known, node)))),
                None => added.push(share(&mut self.known, node)),
            }
        }
        let unknown = seen.iter().enumerate().filter(|(_, seen)| !**seen);
        changed.extend(unknown.map(|(place, _)| (place, None)));
        changed.sort_unstable_by_key(|(place, _)| *place);
        changed.shrink_to_fit();
        Ok(SharedTopology { base: Arc::clone(base), changed, added, awaited })
    }
}

/// A node has few descriptions: its own, that of the others, one or two of nodes that are behind. More are not searched
/// through.
const MOST_VERSIONS: usize = 8;

/// The node, with what is known already shared.
fn share(known: &mut HashMap<NodeId, Vec<Arc<Node>>>, node: Node) -> Arc<Node> {
    let known = known.entry(node.id).or_default();
    if let Some(same) = known.iter().find(|other| is_same(other, &node)) {
        return Arc::clone(same);
    }
    let node = Arc::new(node);
    if known.len() < MOST_VERSIONS {
        known.push(Arc::clone(&node));
    }
    node
}

/// Whether two descriptions differ in times alone.
fn is_same(one: &Node, two: &Node) -> bool {
    // Every field is named, so that a new one is not forgotten.
    let Node {
        id,
        address,
        aux,
        flags,
        master,
        ping_sent: _,
        pong_received: _,
        config_epoch,
        link_connected,
        slots,
        migrating,
        importing,
    } = one;
    *config_epoch == two.config_epoch
        && *slots == two.slots
        && *flags == two.flags
        && *master == two.master
        && *link_connected == two.link_connected
        && *id == two.id
        && *address == two.address
        && *aux == two.aux
        && *migrating == two.migrating
        && *importing == two.importing
}
