//! What each node of a cluster says about all of them.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::{Address, Node, NodeId, SharedTopology};

/// What one node said when it was asked for `CLUSTER NODES`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// The node's id, as far as it is known: from its own answer, or from the view of the node that
    /// named it. None for an address that was given by a person and did not answer.
    pub id: Option<NodeId>,
    /// Where it was asked.
    pub asked: Address,
    /// Its answer, or why there is none: one line that ends without a stop.
    pub answer: Result<SharedTopology, String>,
    /// How much of its master's writes it has, as the offset of the replication stream in bytes. Only where it was
    /// asked for that (`slave_repl_offset` of `INFO replication`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication_offset: Option<u64>,
}

/// The views of all nodes of a cluster, taken at about the same time.
///
/// ```
/// use redistrib_cluster_model::{Address, NodeView, Snapshot, Topology};
///
/// let topology = Topology::parse(
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 myself,master - 0 0 0 connected 0-16383\n",
/// )?;
/// let snapshot = Snapshot { views: vec![NodeView::answered(Address::new("::1", 6379), topology)] };
/// assert_eq!(snapshot.nodes().len(), 1);
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// One view a node; the node that was asked first comes first. A node that was not asked counts
    /// as one that did not answer.
    pub views: Vec<NodeView>,
}

impl NodeView {
    /// The view of a node that answered; its id is the one it calls its own.
    pub fn answered(asked: Address, topology: impl Into<SharedTopology>) -> NodeView {
        let topology = topology.into();
        let id = topology.myself().map(|node| node.id);
        NodeView { id, asked, answer: Ok(topology), replication_offset: None }
    }

    /// The view of a node that did not answer.
    pub fn unreachable(id: Option<NodeId>, asked: Address, reason: impl Into<String>) -> NodeView {
        NodeView { id, asked, answer: Err(reason.into()), replication_offset: None }
    }

    /// What the node says, if it answered.
    pub fn topology(&self) -> Option<&SharedTopology> {
        self.answer.as_ref().ok()
    }

    /// What the node says of itself, if it answered.
    pub fn myself(&self) -> Option<&Node> {
        self.topology().and_then(SharedTopology::myself)
    }
}

impl Snapshot {
    /// The view of this node, whether it answered or not.
    pub fn view(&self, id: NodeId) -> Option<&NodeView> {
        self.views.iter().find(|view| view.id == Some(id))
    }

    /// Nodes as each describes itself; nodes that did not answer are missing.
    pub(crate) fn own_lines(&self) -> impl Iterator<Item = &Node> {
        self.views.iter().filter_map(NodeView::myself)
    }

    /// Every node that any view names, once: as it describes itself, or else as the first view that
    /// names it does. In the order of the first answer; those that it does not name come last, in the order of
    /// their ids. Nodes in handshake are left out: their ids are placeholders.
    pub fn nodes(&self) -> Vec<&Node> {
        let mut place = HashMap::new();
        let mut nodes: Vec<&Node> = Vec::new();
        // What views share is looked at once.
        let (mut bases, mut first) = (HashSet::new(), None);
        for view in self.views.iter().filter_map(NodeView::topology) {
            if bases.contains(&view.base()) {
                // The base may be the view's own: what it says of itself differs from nothing then.
                let own = view.differences().chain(view.myself());
                own.for_each(|node| add(&mut place, &mut nodes, node));
            } else {
                view.iter().for_each(|node| add(&mut place, &mut nodes, node));
                if view.knows_base() {
                    bases.insert(view.base());
                }
            }
            first.get_or_insert(nodes.len());
        }
        nodes[first.unwrap_or_default()..].sort_unstable_by_key(|node| node.id);
        nodes
    }
}

fn add<'a>(places: &mut HashMap<NodeId, usize>, nodes: &mut Vec<&'a Node>, node: &'a Node) {
    if node.flags.is_handshake() {
        return;
    }
    let at = *places.entry(node.id).or_insert(nodes.len());
    match nodes.get_mut(at) {
        None => nodes.push(node),
        Some(known) if node.flags.is_myself() => *known = node,
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharedNodes;

    /// Whoever's view was read first, and is the one that others are compared with.
    #[test]
    fn nodes_are_as_each_describes_itself() {
        let view = |own: usize| -> String {
            let line = |node: usize| {
                let (id, epoch) = (node.to_string().repeat(40), if node == own { 9 } else { 1 });
                let myself = if node == own { "myself," } else { "" };
                format!("{id} h:{node}@{node} {myself}master - 0 0 {epoch} connected\n")
            };
            (1..=3).map(line).collect()
        };
        for first in 1..=3 {
            let mut known = SharedNodes::default();
            known.read(view(first)).unwrap();
            let views = (1..=3).map(|own| {
                NodeView::answered(Address::new("h", own), known.read(view(own.into())).unwrap())
            });
            let snapshot = Snapshot { views: views.collect() };
            for node in snapshot.nodes() {
                assert!(node.flags.is_myself() && node.config_epoch == 9, "{first}: {node}");
            }
        }
    }
}
