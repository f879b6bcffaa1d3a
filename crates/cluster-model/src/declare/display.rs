//! Steps in words.

use std::fmt;

use super::{Change, DeclaredMove, DeclaredReplica, Observed, Owner};
use crate::{SlotSet, counted};

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Change::Create { masters, replicas } => {
                let (owners, others) =
                    (counted(masters.len(), "master"), counted(replicas.len(), "replica"));
                write!(f, "form a cluster of {owners} and {others}")
            }
            Change::Configure { nodes, settings, rewrite } => {
                let pairs: Vec<String> =
                    settings.iter().map(|(name, value)| format!("{name} {value:?}")).collect();
                write!(f, "set {} on {}", pairs.join(", "), counted(nodes.len(), "node"))?;
                f.write_str(if *rewrite { ", and write it into their files" } else { "" })
            }
            Change::Join { node, master: None } => {
                write!(f, "add {node} as a master without slots")
            }
            Change::Join { node, master: Some(master) } => {
                write!(f, "add {node} as a replica of {master}")
            }
            Change::Failover { node, master } => {
                write!(f, "let {node} take the place of its master {master}")
            }
            Change::Follow { node, master } => write!(f, "let {node} follow {master}"),
            Change::MoveSlots { moves } => {
                let count: usize = moves.iter().map(|it| it.slots.len()).sum();
                write!(f, "move {}", counted(count, "slot"))
            }
            Change::Leave { node, .. } => write!(f, "take {node} out of the cluster and reset it"),
        }
    }
}

impl Change {
    /// What concerns single nodes of it, a line for each, where the sentence does not say so.
    pub fn details(&self) -> Vec<String> {
        match self {
            Change::Create { masters, replicas } => {
                let follower =
                    |it: &DeclaredReplica| format!("{} as a replica of {}", it.node, it.master);
                let master = |it: &Owner| format!("{} with slots {}", it.node, it.slots);
                masters.iter().map(master).chain(replicas.iter().map(follower)).collect()
            }
            Change::MoveSlots { moves } => {
                let each =
                    |it: &DeclaredMove| format!("{} from {} to {}", it.slots.len(), it.from, it.to);
                moves.iter().map(each).collect()
            }
            Change::Configure { nodes, .. } => nodes.clone(),
            _ => Vec::new(),
        }
    }

    /// Whether the cluster is as this change makes it.
    pub fn is_done(&self, now: &Observed) -> bool {
        let follows = |node: &str, master: Option<&str>| {
            now.node(node).is_some_and(|it| it.is_member && it.master.as_deref() == master)
        };
        let owns = |node: &str, slots: &SlotSet| {
            now.node(node).is_some_and(|it| slots.difference(&it.slots).is_empty())
        };
        match self {
            Change::Create { masters, replicas } => {
                masters.iter().all(|it| owns(&it.node, &it.slots))
                    && replicas.iter().all(|it| follows(&it.node, Some(&it.master)))
            }
            Change::Configure { nodes, settings, .. } => {
                let is_set = |at: &String| now.node(at).is_some_and(|it| it.has_settings(settings));
                nodes.iter().all(is_set)
            }
            Change::Join { node, master } => follows(node, master.as_deref()),
            Change::Follow { node, master } => follows(node, Some(master)),
            Change::Failover { node, master } => {
                follows(node, None) && now.node(master).is_none_or(|it| !it.is_owner())
            }
            Change::MoveSlots { moves } => moves.iter().all(|it| owns(&it.to, &it.slots)),
            Change::Leave { id, .. } => !now.members().any(|it| it.id == *id),
        }
    }
}
