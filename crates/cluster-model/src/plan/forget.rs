//! Which dead nodes can leave a cluster.

use serde::Serialize;

use crate::{Node, NodeId, NodeView, Snapshot};

/// What becomes of the dead nodes of a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ForgetPlan {
    /// Those that have nothing that would be missed.
    pub leaving: Vec<NodeId>,
    /// Those that stay, each with the reason.
    pub staying: Vec<(NodeId, String)>,
}

/// Finds the nodes that do not answer and that every node that does takes for failed, or has no address of. One that owns
/// slots stays: forgotten, its slots would have no owner. So does one that a living replica follows.
pub fn plan_forget_failed(snapshot: &Snapshot) -> ForgetPlan {
    let mut plan = ForgetPlan::default();
    for node in snapshot.nodes().into_iter().filter(|node| is_dead(snapshot, node)) {
        match reason_to_stay(snapshot, node.id) {
            None => plan.leaving.push(node.id),
            Some(reason) => plan.staying.push((node.id, reason)),
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

fn reason_to_stay(snapshot: &Snapshot, id: NodeId) -> Option<String> {
    let views = snapshot.views.iter().filter_map(NodeView::topology);
    let slots = views.filter_map(|view| view.node(id)).map(|node| node.slots.len()).max();
    if let Some(slots @ 1..) = slots {
        return Some(format!(
            "it owns {slots} slots: see `redis-trib fix` and `redis-trib rescue`"
        ));
    }
    let replica = snapshot.own_lines().find(|node| node.master == Some(id))?;
    Some(format!("replica {} follows it: see `redis-trib del-node`", replica.id))
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
        let staying: Vec<NodeId> = plan.staying.iter().map(|(id, _)| *id).collect();
        assert_eq!(staying, ['d', '9'].map(id));
        assert!(plan.staying[0].1.contains("1 slots") && plan.staying[1].1.contains("replica"));
    }
}
