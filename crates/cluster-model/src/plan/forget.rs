//! Which dead nodes can leave a cluster.

use std::fmt::{self, Display, Formatter};

use serde::{Serialize, Serializer};

use crate::{Node, NodeId, NodeView, Snapshot};

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
}

impl Display for Tie {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Tie::Slots(slots) => write!(f, "it owns {slots} slots"),
            Tie::Replica(replica) => write!(f, "replica {replica} follows it"),
        }
    }
}

impl Serialize for Tie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Finds the nodes that do not answer and that every node that does takes for failed, or has no address of. One that owns
/// slots stays: forgotten, its slots would have no owner. So does one that a living replica follows.
pub fn plan_forget_failed(snapshot: &Snapshot) -> ForgetPlan {
    let mut plan = ForgetPlan::default();
    for node in snapshot.nodes().into_iter().filter(|node| is_dead(snapshot, node)) {
        match tie(snapshot, node.id) {
            None => plan.leaving.push(node.id),
            Some(tie) => plan.staying.push((node.id, tie)),
        }
    }
    plan
}

fn is_dead(snapshot: &Snapshot, node: &Node) -> bool {
    let gone = |seen: &Node| seen.flags.is_failed() || seen.flags.is_without_address();
    let mut views = snapshot.views.iter().filter_map(NodeView::topology);
    snapshot.view(node.id).is_none_or(|view| view.answer.is_err())
        && views.all(|view| view.node(node.id).is_none_or(gone))
}

fn tie(snapshot: &Snapshot, id: NodeId) -> Option<Tie> {
    let views = snapshot.views.iter().filter_map(NodeView::topology);
    let slots = views.filter_map(|view| view.node(id)).map(|node| node.slots.len()).max();
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
        let replica = Tie::Replica(id('b'));
        assert_eq!(plan.staying, [(id('d'), Tie::Slots(1)), (id('9'), replica)]);
    }
}
