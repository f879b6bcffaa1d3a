//! Which dead nodes can leave a cluster.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::{Node, NodeId, NodeView, SharedTopology, Snapshot, counted};

/// What becomes of the dead nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ForgetPlan {
    /// Those that have nothing that would be missed.
    pub leaving: Vec<NodeId>,
    /// Those that stay, each with what keeps it.
    pub staying: Vec<(NodeId, Tie)>,
}

/// What keeps a dead node in its cluster: displayed, and serialised, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// Slots that it owns.
    Slots(usize),
    /// A living replica that follows it.
    Replica(NodeId),
    /// A node that does not take it for failed.
    Trust(NodeId),
}

impl Display for Tie {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Tie::Slots(slots) => write!(f, "it owns {}", counted(slots, "slot")),
            Tie::Replica(replica) => write!(f, "replica {replica} follows it"),
            Tie::Trust(by) => write!(f, "node {by} does not take it for failed"),
        }
    }
}

impl Serialize for Tie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Finds the nodes that do not answer. One that every node that does takes for failed, or has no address of, leaves, unless it
/// owns slots, which would have no owner then, or a living replica follows it.
pub fn plan_forget_failed(snapshot: &Snapshot) -> ForgetPlan {
    let mut plan = ForgetPlan::default();
    let is_silent = |node: &&Node| snapshot.view(node.id).is_none_or(|it| it.answer.is_err());
    for node in snapshot.nodes().into_iter().filter(is_silent) {
        match tie(snapshot, node.id) {
            None => plan.leaving.push(node.id),
            Some(tie) => plan.staying.push((node.id, tie)),
        }
    }
    plan
}

fn tie(snapshot: &Snapshot, id: NodeId) -> Option<Tie> {
    let views = || snapshot.views.iter().filter_map(NodeView::topology);
    let gone = |seen: &Node| seen.flags.is_failed() || seen.flags.is_without_address();
    let trusts = |view: &&SharedTopology| view.node(id).is_some_and(|seen| !gone(seen));
    if let Some(view) = views().find(trusts) {
        return view.myself().map(|by| Tie::Trust(by.id));
    }
    let slots = views().filter_map(|view| view.node(id)).map(|node| node.slots.len()).max();
    if let Some(slots @ 1..) = slots {
        return Some(Tie::Slots(slots));
    }
    let replica = snapshot.own_lines().find(|node| node.master == Some(id))?;
    Some(Tie::Replica(replica.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    fn id(digit: char) -> NodeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    /// Lines are an id's digit, flags, master's digit or -, and slots.
    fn snapshot(views: &[&[(char, &str, char, &str)]]) -> Snapshot {
        let view = |lines: &&[(char, &str, char, &str)]| {
            let line = |(node, flags, master, slots): &(char, &str, char, &str)| {
                let master = if *master == '-' { "-".into() } else { id(*master).to_string() };
                format!("{} h:1 {flags} {master} 0 0 0 connected {slots}\n", id(*node))
            };
            let text: String = lines.iter().map(line).collect();
            let topology: crate::Topology = text.parse().unwrap();
            NodeView::answered(Address::new("h", 1), topology)
        };
        Snapshot { views: views.iter().map(view).collect() }
    }

    #[test]
    fn only_who_is_dead_to_all_and_missed_by_nobody_leaves() {
        let a = ('a', "myself,master", '-', "0-1");
        let others = [
            ('c', "master,fail", '-', ""),
            ('d', "master,fail", '-', "2"),
            ('e', "master,noaddr", '-', ""),
            ('f', "slave,fail", 'a', ""),
        ];
        let b = ('b', "myself,slave", '9', "");
        let half = [('8', "master,fail?", '-', ""), ('9', "master,fail", '-', "")];
        let both = [others.as_slice(), half.as_slice()].concat();
        let plan = plan_forget_failed(&snapshot(&[
            &[&[a][..], &both].concat(),
            &[&[b][..], &others, &half[1..]].concat(),
        ]));
        assert_eq!(plan.leaving, ['c', 'e', 'f'].map(id));
        let stay = [('d', Tie::Slots(1)), ('8', Tie::Trust(id('a'))), ('9', Tie::Replica(id('b')))];
        assert_eq!(plan.staying, stay.map(|(node, tie)| (id(node), tie)));
    }
}
