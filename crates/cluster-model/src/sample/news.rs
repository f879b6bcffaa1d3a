//! What has happened between two looks at a cluster.

use std::fmt;

use super::{LockHolder, NodeSample, NodeState, Sample};
use crate::{SlotSet, counted, is_or_are};

/// Something that has happened.
///
/// Its [`Display`](fmt::Display) is one line without a stop; it carries text that came from servers, so it must be
/// escaped before it reaches a terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A node is in the cluster that was not.
    Joined {
        /// Its address.
        node: String,
    },
    /// A node is in the cluster no more.
    Left {
        /// Its address.
        node: String,
    },
    /// The state of a node has changed.
    State {
        /// Its address.
        node: String,
        /// How it was.
        was: NodeState,
        /// How it is.
        is: NodeState,
    },
    /// A replica has become a master.
    Promoted {
        /// Its address.
        node: String,
        /// The address of the master whose slots it has taken over; none where that has none of it.
        instead: Option<String>,
    },
    /// A node follows a master that it did not follow.
    Follows {
        /// Its address.
        node: String,
        /// The master's.
        master: String,
    },
    /// Slots have a new owner.
    Moved {
        /// The slots.
        slots: SlotSet,
        /// Who had them; none where nobody was known to.
        from: Option<String>,
        /// Who has them.
        to: String,
    },
    /// A tool has begun to change the cluster.
    Locked(LockHolder),
    /// A tool has ended.
    Unlocked(LockHolder),
}

impl News {
    /// Whether it is bad.
    pub fn is_bad(&self) -> bool {
        match self {
            Self::State { is, .. } => !matches!(is, NodeState::Up | NodeState::Unasked),
            _ => false,
        }
    }
}

/// What has happened between two samples of one cluster to its nodes; [`super::Owners`] has those of slots.
pub fn news(before: &Sample, now: &Sample) -> Vec<News> {
    let mut news = of_nodes(before, now);
    let process = |holder: &LockHolder| (holder.pid, holder.host.clone(), holder.verb.clone());
    if before.holder.as_ref().map(process) != now.holder.as_ref().map(process) {
        news.extend(before.holder.clone().map(News::Unlocked));
        news.extend(now.holder.clone().map(News::Locked));
    }
    news
}

fn of_nodes(before: &Sample, now: &Sample) -> Vec<News> {
    let mut news = Vec::new();
    for node in &now.nodes {
        match before.node(node.node.id) {
            None => news.push(News::Joined { node: node.address.clone() }),
            Some(old) => news.extend(of_node(old, node, before, now)),
        }
    }
    let gone = before.nodes.iter().filter(|old| now.node(old.node.id).is_none());
    news.extend(gone.map(|old| News::Left { node: old.address.clone() }));
    news
}

fn of_node(old: &NodeSample, new: &NodeSample, before: &Sample, now: &Sample) -> Vec<News> {
    let node = || new.address.clone();
    let mut news = Vec::new();
    // That a node is healthy is no news where nothing was known of it.
    let is_first = old.state == NodeState::Unasked && new.state == NodeState::Up;
    if old.state != new.state && !is_first {
        news.push(News::State { node: node(), was: old.state, is: new.state });
    }
    let took_over = old.node.is_replica() && new.node.is_master();
    if took_over {
        let master = old.node.master.and_then(|id| before.node(id));
        let master = master.filter(|it| !it.node.slots.intersection(&new.node.slots).is_empty());
        news.push(News::Promoted { node: node(), instead: master.map(|it| it.address.clone()) });
    }
    if let Some(master) = new.node.master.filter(|id| old.node.master != Some(*id)) {
        let address = now.node(master).map_or_else(|| master.to_string(), |it| it.address.clone());
        news.push(News::Follows { node: node(), master: address });
    }
    news
}

impl fmt::Display for News {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Joined { node } => write!(f, "{node} has joined the cluster"),
            Self::Left { node } => write!(f, "{node} has left the cluster"),
            Self::State { node, is: NodeState::Down, .. } => write!(f, "{node} does not answer"),
            Self::State { node, was: NodeState::Down, is } => {
                write!(f, "{node} answers again ({})", is.word())
            }
            Self::State { node, was: NodeState::Unasked, is } => {
                write!(f, "{node} is {}", is.word())
            }
            Self::State { node, was, is } => {
                write!(f, "{node} is {} (was {})", is.word(), was.word())
            }
            Self::Promoted { node, instead: Some(old) } => {
                write!(f, "failover: {node} is master in place of {old}")
            }
            Self::Promoted { node, instead: None } => write!(f, "{node} is a master now"),
            Self::Follows { node, master } => write!(f, "{node} follows {master}"),
            Self::Moved { slots, from: Some(from), to } => {
                write!(f, "{} went from {from} to {to}", counted(slots.len(), "slot"))
            }
            Self::Moved { slots, from: None, to } => {
                let (count, are) = (counted(slots.len(), "slot"), is_or_are(slots.len()));
                write!(f, "{count} that nobody had {are} {to}'s")
            }
            Self::Locked(LockHolder { verb, host, pid, .. }) => {
                write!(f, "{verb} is changing the cluster (process {pid} on {host})")
            }
            Self::Unlocked(LockHolder { verb, host, pid, .. }) => {
                write!(f, "{verb} (process {pid} on {host}) has ended")
            }
        }
    }
}
