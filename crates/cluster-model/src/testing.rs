//! Clusters made up for tests: each node knows all others, and its own open slots.

use crate::{Address, Flags, Node, NodeId, NodeView, Slot, SlotSet, Snapshot, Topology};

/// The id of the `n`th node.
pub(crate) fn id(n: u8) -> NodeId {
    NodeId::from_bytes([n; 20])
}

pub(crate) fn slot(number: u16) -> Slot {
    Slot::new(number).unwrap()
}

pub(crate) fn slots(text: &str) -> SlotSet {
    text.parse().unwrap()
}

pub(crate) fn master(n: u8, owned: &str) -> Node {
    Node {
        id: id(n),
        address: Address::new("h", 7000 + u16::from(n)),
        aux: Vec::new(),
        flags: Flags::parse("master"),
        master: None,
        ping_sent: 0,
        pong_received: 0,
        config_epoch: u64::from(n),
        link_connected: true,
        slots: slots(owned),
        migrating: Vec::new(),
        importing: Vec::new(),
    }
}

pub(crate) fn replica(n: u8, of: u8) -> Node {
    Node { flags: Flags::parse("slave"), master: Some(id(of)), ..master(n, "") }
}

/// Three masters that share the slots as create would have it.
pub(crate) fn three_masters() -> Vec<Node> {
    vec![master(1, "0-5460"), master(2, "5461-10922"), master(3, "10923-16383")]
}

/// The views of nodes that all answer and know what each says of itself.
pub(crate) fn snapshot(nodes: &[Node]) -> Snapshot {
    let view = |me: &Node| {
        let mut seen = nodes.to_vec();
        for node in &mut seen {
            if node.id == me.id {
                node.flags = Flags::parse(&format!("myself,{}", node.flags));
            } else {
                node.migrating.clear();
                node.importing.clear();
            }
        }
        let topology = Topology { nodes: seen, ..Topology::default() };
        NodeView::answered(me.address.clone(), topology)
    };
    Snapshot { views: nodes.iter().map(view).collect() }
}

/// What the node of view `n` says of itself, to change it.
pub(crate) fn own(snapshot: &mut Snapshot, n: usize) -> &mut Node {
    seen(snapshot, n, n)
}

/// What the node of view `n` says of the node of view `of`, to change it.
pub(crate) fn seen(snapshot: &mut Snapshot, n: usize, of: usize) -> &mut Node {
    snapshot.views[n].answer.as_mut().unwrap().at_mut(of)
}

/// The node of view `n` has awaited an answer of the node of view `of` since then.
pub(crate) fn set_awaited(snapshot: &mut Snapshot, n: usize, of: usize, sent: i64) {
    snapshot.views[n].answer.as_mut().unwrap().set_awaited(of, sent);
}

/// Makes the node of view `n` silent.
pub(crate) fn silence(snapshot: &mut Snapshot, n: usize) {
    snapshot.views[n].answer = Err("connection refused".into());
}
