//! All nodes of a cluster, as one of them describes them.

mod error;
mod lines;
mod parse;
mod shared;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use error::{Field, ParseError, Problem};
pub use shared::{SharedNodes, SharedTopology};

use crate::{Node, NodeId, Slot, SlotSet};

/// One node's view of its cluster: what `CLUSTER NODES` or a nodes.conf file says.
///
/// Its [`Display`](fmt::Display) is that text again.
///
/// ```
/// use redistrib_cluster_model::Topology;
///
/// let text = "\
/// ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 172.16.1.100:6379 myself,master - 0 0 0 connected 0-5000
/// 7349f132ca8cefc148b203ff3e02f8afb1692962 172.16.1.30:6379 master - 0 1497917554765 2 connected 10001-16383
/// ";
/// let topology = Topology::parse(text)?;
/// assert_eq!(topology.masters().count(), 2);
/// assert_eq!(topology.covered().complement().to_string(), "5001-10000");
/// assert_eq!(topology.to_string(), text);
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
///
/// Many views of one cluster share what they say alike as [`SharedTopology`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Topology {
    /// The nodes, in the order of the text.
    pub nodes: Vec<Node>,
    /// The highest epoch that the node has seen in the cluster. Only nodes.conf has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_epoch: Option<u64>,
    /// The epoch of the last election in which the node voted. Only nodes.conf has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_vote_epoch: Option<u64>,
}

impl Topology {
    /// Reads the answer to `CLUSTER NODES` of any server since 3.0.
    ///
    /// Flags and address fields that are not known are kept. Empty lines are passed over. The memory
    /// used is proportional to the text.
    ///
    /// # Errors
    /// [`ParseError`] names the line and the field that is missing or malformed.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Topology, ParseError> {
        parse::topology(text.as_ref(), parse::Vars::Refused)
    }

    /// Reads a nodes.conf file: the same lines, and one of `vars` with the epochs.
    ///
    /// # Errors
    /// As for [`Topology::parse`].
    pub fn parse_nodes_conf(text: impl AsRef<[u8]>) -> Result<Topology, ParseError> {
        parse::topology(text.as_ref(), parse::Vars::Allowed)
    }
}

impl Topology {
    /// The nodes, in the order of the text.
    pub fn iter(&self) -> std::slice::Iter<'_, Node> {
        self.nodes.iter()
    }

    /// How many nodes there are, of every state.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The node that printed the text.
    pub fn myself(&self) -> Option<&Node> {
        self.iter().find(|node| node.flags.is_myself())
    }

    /// The node of this id.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.iter().find(|node| node.id == id)
    }

    /// All masters, failed ones and those without slots included.
    pub fn masters(&self) -> impl Iterator<Item = &Node> {
        self.iter().filter(|node| node.is_master())
    }

    /// All replicas.
    pub fn replicas(&self) -> impl Iterator<Item = &Node> {
        self.iter().filter(|node| node.is_replica())
    }

    /// The replicas of this master.
    pub fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = &Node> {
        self.replicas().filter(move |node| node.master == Some(master))
    }

    /// The node that owns this slot.
    pub fn owner(&self, slot: Slot) -> Option<&Node> {
        self.iter().find(|node| node.slots.contains(slot))
    }

    /// The slots that have an owner.
    pub fn covered(&self) -> SlotSet {
        self.iter().flat_map(|node| node.slots.ranges()).collect()
    }

    /// Who owns what, in the order of node ids; nodes without slots are left out. Two views agree
    /// when these are equal.
    pub fn ownership(&self) -> Vec<(NodeId, &SlotSet)> {
        ownership(self.iter())
    }

    /// [`Topology::ownership`] as a text, `id:0-5460|id:…`, as redis-trib.rb compared it.
    pub fn signature(&self) -> String {
        let parts = self
            .ownership()
            .into_iter()
            .map(|(id, slots)| format!("{id}:{}", slots.to_string().replace(' ', ",")));
        parts.collect::<Vec<_>>().join("|")
    }
}

/// Who owns what, in the order of node ids.
fn ownership<'a>(nodes: impl Iterator<Item = &'a Node>) -> Vec<(NodeId, &'a SlotSet)> {
    let owners = nodes.filter(|node| !node.slots.is_empty());
    let mut ownership: Vec<_> = owners.map(|node| (node.id, &node.slots)).collect();
    ownership.sort_unstable();
    ownership
}

/// Reads the answer to `CLUSTER NODES`: [`Topology::parse`].
///
/// ```
/// use redistrib_cluster_model::Topology;
/// let topology: Topology =
///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 myself,master - 0 0 0 connected".parse()?;
/// assert_eq!(topology.len(), 1);
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
impl FromStr for Topology {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Topology, ParseError> {
        Topology::parse(text)
    }
}

/// The nodes, in the order of the text.
///
/// ```
/// # let topology = redistrib_cluster_model::Topology::default();
/// for node in &topology {
///     println!("{} {}", node.id, node.slots);
/// }
/// ```
impl<'a> IntoIterator for &'a Topology {
    type Item = &'a Node;
    type IntoIter = std::slice::Iter<'a, Node>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The text that servers print; with the `vars` line of nodes.conf when the epochs are known.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|node| writeln!(f, "{node}"))?;
        if self.current_epoch.is_none() && self.last_vote_epoch.is_none() {
            return Ok(());
        }
        f.write_str("vars")?;
        if let Some(epoch) = self.current_epoch {
            write!(f, " currentEpoch {epoch}")?;
        }
        if let Some(epoch) = self.last_vote_epoch {
            write!(f, " lastVoteEpoch {epoch}")?;
        }
        writeln!(f)
    }
}
