//! Which nodes are members of one cluster, whatever addresses they know of each other.

use serde::Serialize;
use thiserror::Error;

use crate::{Address, NodeId, NodeView, SharedTopology, SlotSet, Snapshot};

/// What comes of introducing members to each other again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MeetPlan {
    /// Who is introduced: the id, and the address at which the node was asked.
    pub members: Vec<(NodeId, Address)>,
    /// Members that were not asked and that nobody has a connection to.
    pub missing: Vec<Absent>,
    /// Members that would give up slots, because another claims them with a newer configuration epoch.
    pub yielding: Vec<Yielding>,
}

/// A member that was not asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Its id.
    pub id: NodeId,
    /// The address that the others have of it.
    pub address: Address,
    /// Slots that belong to it as far as the others know.
    pub slots: SlotSet,
}

/// A member whose claim is older than another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Yielding {
    /// The member that gives up slots, and what keys it has in them.
    pub node: NodeId,
    /// Who gets them.
    pub to: NodeId,
    /// The slots.
    pub slots: SlotSet,
}

/// Why nodes are not introduced to each other.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MeetError {
    /// Two addresses lead to nodes with one id.
    #[error(
        "{0} and {1} have the same node id: one node under two addresses, or a copied nodes.conf"
    )]
    SameId(Address, Address),
    /// Some nodes are no members of the cluster that most of them are members of.
    #[error("{}", list(.0))]
    Strangers(Vec<(Address, String)>),
}

fn list(strangers: &[(Address, String)]) -> String {
    let lines: Vec<String> = strangers.iter().map(|(node, why)| format!("{node} {why}")).collect();
    lines.join("; ")
}

/// Finds the largest group of nodes in which each is known to others that it knows, by id. A node that has been forgotten,
/// or has forgotten its cluster by a reset, is no member any more. Nodes without an answer are left out.
///
/// # Errors
/// [`MeetError`], also where only one of the nodes is left to be introduced.
pub fn plan_meet(snapshot: &Snapshot) -> Result<MeetPlan, MeetError> {
    let asked: Vec<Answering<'_>> = snapshot.views.iter().filter_map(Answering::new).collect();
    for (place, one) in asked.iter().enumerate() {
        if let Some(twin) = asked[..place].iter().find(|other| other.id == one.id) {
            return Err(MeetError::SameId(twin.address.clone(), one.address.clone()));
        }
    }
    let group = largest_group(&asked);
    let (inside, outside): (Vec<_>, Vec<_>) = asked.iter().partition(|it| group.contains(&it.id));
    if !outside.is_empty() {
        let strangers = outside.iter().map(|it| (it.address.clone(), why_outside(it, &inside)));
        return Err(MeetError::Strangers(strangers.collect()));
    }
    Ok(MeetPlan {
        members: inside.iter().map(|it| (it.id, it.address.clone())).collect(),
        missing: missing(snapshot, &group),
        yielding: yielding(&inside),
    })
}

/// A node that has answered.
struct Answering<'a> {
    id: NodeId,
    address: &'a Address,
    topology: &'a SharedTopology,
}

impl<'a> Answering<'a> {
    fn new(view: &'a NodeView) -> Option<Self> {
        let topology = view.topology()?;
        Some(Self { id: topology.myself()?.id, address: &view.asked, topology })
    }

    fn knows(&self, id: NodeId) -> bool {
        self.topology.node(id).is_some_and(|node| !node.flags.is_handshake())
    }
}

/// The first of the largest groups of nodes that know each other, directly or by way of others.
fn largest_group(asked: &[Answering<'_>]) -> Vec<NodeId> {
    let mut largest = Vec::new();
    for first in asked {
        if largest.contains(&first.id) {
            continue;
        }
        let (mut group, mut reached) = (vec![first.id], vec![first]);
        while let Some(one) = reached.pop() {
            for other in asked.iter().filter(|other| one.knows(other.id) && other.knows(one.id)) {
                if !group.contains(&other.id) {
                    group.push(other.id);
                    reached.push(other);
                }
            }
        }
        if group.len() > largest.len() {
            largest = group;
        }
    }
    largest
}

/// Why a node is no member, in words that follow its address.
fn why_outside(node: &Answering<'_>, members: &[&Answering<'_>]) -> String {
    let known_to = members.iter().find(|member| member.knows(node.id));
    match (members.iter().find(|member| node.knows(member.id)), known_to) {
        (Some(member), _) => format!("has been forgotten by {}, which it knows", member.address),
        (None, Some(member)) => {
            format!("does not know {}, which knows it: it has been reset", member.address)
        }
        (None, None) => {
            format!("is a stranger to the other {}: neither knows the other's id", members.len())
        }
    }
}

fn missing(snapshot: &Snapshot, group: &[NodeId]) -> Vec<Absent> {
    let views = || snapshot.views.iter().filter_map(NodeView::topology);
    let has_link = |id| {
        views()
            .filter_map(|view| view.node(id))
            .any(|it| it.link_connected && !it.flags.is_failed())
    };
    let absent = snapshot.nodes().into_iter().filter(|node| !group.contains(&node.id));
    absent
        .filter(|node| !has_link(node.id))
        .map(|node| Absent {
            id: node.id,
            address: node.address.clone(),
            slots: node.slots.clone(),
        })
        .collect()
}

/// Each pair of members that claim the same slots. Servers follow the greater epoch; of equal ones the members choose.
fn yielding(members: &[&Answering<'_>]) -> Vec<Yielding> {
    let own = || members.iter().filter_map(|it| it.topology.myself()).filter(|it| it.is_master());
    let mut found = Vec::new();
    for node in own() {
        for to in own().filter(|to| (to.config_epoch, to.id) > (node.config_epoch, node.id)) {
            let slots = SlotSet::from_iter(node.slots.iter().filter(|it| to.slots.contains(*it)));
            if !slots.is_empty() {
                found.push(Yielding { node: node.id, to: to.id, slots });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;

    fn id(digit: char) -> NodeId {
        digit.to_string().repeat(40).parse().unwrap()
    }

    /// A view of each node: its id's digit, its epoch and slots, and the digits of the nodes that it knows.
    fn snapshot(nodes: &[(char, u64, &str, &str)]) -> Snapshot {
        let view = |(place, (own, epoch, slots, others)): (usize, &(char, u64, &str, &str))| {
            let mut text =
                format!("{} h:1 myself,master - 0 0 {epoch} connected {slots}\n", id(*own));
            for other in others.chars() {
                text += &format!("{} old:1 master - 0 0 0 disconnected\n", id(other));
            }
            let topology: Topology = text.parse().unwrap();
            NodeView::answered(Address::new("now", place as u16 + 1), topology)
        };
        Snapshot { views: nodes.iter().enumerate().map(view).collect() }
    }

    #[test]
    fn members_are_known_by_id_whatever_their_addresses() {
        // a and c know each other by way of b alone.
        let nodes = [('a', 1, "0-9", "b"), ('b', 2, "10", "acd"), ('c', 3, "11", "bd")];
        let plan = plan_meet(&snapshot(&nodes)).unwrap();
        let ids: Vec<NodeId> = plan.members.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, ['a', 'b', 'c'].map(id));
        assert_eq!(plan.missing.iter().map(|it| it.id).collect::<Vec<_>>(), [id('d')]);
        assert!(plan.yielding.is_empty());
    }

    #[test]
    fn strangers_forgotten_nodes_and_reset_ones_are_no_members() {
        let members = [('a', 1, "", "be"), ('b', 2, "", "ae")];
        for (stranger, why) in [
            (('c', 0, "0", ""), "stranger to the other 2"),
            (('d', 0, "0", "a"), "forgotten by now:2"),
            (('e', 0, "", ""), "does not know now:2"),
        ] {
            let nodes = [&[stranger][..], &members].concat();
            let error = plan_meet(&snapshot(&nodes)).unwrap_err();
            let MeetError::Strangers(found) = &error else { panic!("{error}") };
            assert!(found.len() == 1 && found[0].0 == Address::new("now", 1), "{error}");
            assert!(error.to_string().contains(why), "{error}");
        }
        let twins = [members[0], members[0]];
        assert!(matches!(plan_meet(&snapshot(&twins)), Err(MeetError::SameId(..))));
    }

    #[test]
    fn who_would_give_up_slots_is_told() {
        let plan = plan_meet(&snapshot(&[('a', 1, "0-9", "b"), ('b', 7, "5-20", "a")])).unwrap();
        let slots = SlotSet::from_iter(plan.yielding[0].slots.iter());
        assert_eq!((plan.yielding.len(), plan.yielding[0].node, slots.len()), (1, id('a'), 5));
    }
}
