//! Who does not see a new node as it is to be seen yet.

use redistrib_cluster_model::{Address, Node, NodeId, SharedTopology};

use crate::candidate::Candidate;
use crate::error::Result;
use crate::{Cluster, Endpoint};

/// Who does not know whom, in words: the new node one that answers, or the other way round.
pub(super) fn stranger(cluster: &mut Cluster, new: &mut Candidate) -> Result<Option<String>> {
    new.refresh()?;
    cluster.refresh();
    let (id, node) = (new.node.id, new.connection.endpoint());
    let knows = |topology: &SharedTopology, id| {
        topology.node(id).is_some_and(|node| !node.flags.is_handshake())
    };
    let amiss = cluster.members().iter().filter(|it| it.id() != id).find_map(|member| {
        let other = member.endpoint();
        match member.topology() {
            Some(view) if !knows(view, id) => {
                Some(format!("{other} does not know {node} yet: can it reach its bus port?"))
            }
            Some(_) if !knows(&new.topology, member.id()) => {
                Some(format!("{node} does not know {other} yet: can it reach its bus port?"))
            }
            _ => None,
        }
    });
    Ok(amiss)
}

pub(super) fn unfinished_handshake(new: &Candidate) -> Option<String> {
    unfinished(new.connection.endpoint(), &new.topology, |_| true)
}

/// A handshake between the node of this id and another that either of them sees, in words.
pub(crate) fn handshake_under_way(cluster: &Cluster, id: NodeId) -> Option<String> {
    let address = &cluster.known(id)?.address;
    // A node that nobody has met yet does not know its own host.
    let is_its_own = |other: &Address| {
        other.port == address.port && (address.host.is_empty() || other.host == address.host)
    };
    cluster.members().iter().find_map(|member| {
        let is_meant = |other: &Node| member.id() == id || is_its_own(&other.address);
        unfinished(member.endpoint(), member.topology()?, is_meant)
    })
}

fn unfinished(
    node: &Endpoint,
    view: &SharedTopology,
    is_meant: impl Fn(&Node) -> bool,
) -> Option<String> {
    let other = view.iter().find(|other| other.flags.is_handshake() && is_meant(other))?;
    Some(format!("{node} has not finished its handshake with {}", other.address))
}

/// Which reachable node does not see the new one in its role yet, or still shakes hands with it, in words.
pub(super) fn seen_by_all(
    cluster: &mut Cluster,
    new: &Node,
    master: Option<NodeId>,
) -> Result<Option<String>> {
    cluster.refresh();
    let port = new.address.port;
    let shakes_hands = |node: &Node| node.flags.is_handshake() && node.address.port == port;
    let sees = |topology: &SharedTopology| {
        topology.node(new.id).is_some_and(|it| it.master == master && it.slots == new.slots)
            && !topology.iter().any(shakes_hands)
    };
    let blind =
        cluster.members().iter().find(|member| member.topology().is_some_and(|it| !sees(it)));
    Ok(blind.map(|member| {
        let node = member.endpoint();
        format!("{node} does not see the new node in its role yet: can it reach its bus port?")
    }))
}
