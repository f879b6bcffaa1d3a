//! Views of one cluster that share what they say alike.
//!
//! A thousand nodes describe a thousand nodes each. Nearly all of these descriptions are the same but for the times of
//! the last ping and pong, and are kept once.

use std::collections::HashMap;
use std::sync::Arc;

use super::Topology;
use crate::{Node, NodeId};

/// A view of which the nodes may be shared with other views. The times of pings and pongs of a node that is shared are
/// those of the view that described it first.
pub type SharedTopology = Topology<Arc<Node>>;

/// Descriptions of nodes that views share.
///
/// ```
/// use redistrib_cluster_model::{SharedNodes, Topology};
/// use std::sync::Arc;
///
/// let seen = |pong: u64| format!(
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 master - 0 {pong} 0 connected 0-16383\n"
/// );
/// let mut known = SharedNodes::default();
/// let one = known.share(Topology::parse(seen(1))?);
/// let two = known.share(Topology::parse(seen(2))?);
/// assert!(Arc::ptr_eq(&one.nodes[0], &two.nodes[0]));
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct SharedNodes {
    known: HashMap<NodeId, Vec<Arc<Node>>>,
}

impl SharedNodes {
    /// A node has few descriptions: its own, that of the others, one or two of nodes that are behind. More are not
    /// searched through.
    const MOST_VERSIONS: usize = 8;

    /// The view, with what is known already shared.
    pub fn share(&mut self, topology: Topology) -> SharedTopology {
        let Topology { nodes, current_epoch, last_vote_epoch } = topology;
        // Collecting would go on using the room of the nodes, many times what is needed.
        let mut shared = Vec::with_capacity(nodes.len());
        shared.extend(nodes.into_iter().map(|node| self.share_node(node)));
        Topology { nodes: shared, current_epoch, last_vote_epoch }
    }

    fn share_node(&mut self, node: Node) -> Arc<Node> {
        let known = self.known.entry(node.id).or_default();
        if let Some(same) = known.iter().find(|other| is_same(other, &node)) {
            return Arc::clone(same);
        }
        let node = Arc::new(node);
        if known.len() < Self::MOST_VERSIONS {
            known.push(Arc::clone(&node));
        }
        node
    }
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

impl From<Topology> for SharedTopology {
    fn from(topology: Topology) -> SharedTopology {
        SharedNodes::default().share(topology)
    }
}
