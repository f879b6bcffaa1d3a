//! Ids that no node of a cluster is to know any more.

use std::time::{Duration, Instant};

use redistrib_cluster_model::NodeId;

use crate::error::Error;
use crate::{Cluster, Member, Refusal, commands};

/// How long what nodes sent each other may be under way on a busy machine.
const NEWS_TIME: Duration = Duration::from_secs(1);

/// Such ids, of one node that leaves or was reset.
///
/// For a minute, a server learns from nobody's gossip of an id that it was told to forget, but only if it knew that id then: one that
/// did not learns it even from what others sent before they forgot it.
#[derive(Debug)]
pub(crate) struct Forgotten {
    ids: Vec<NodeId>,
    /// When a node was seen last that may learn one of them.
    risk_seen: Option<Instant>,
}

impl Forgotten {
    /// The id of a node that has no handshake under way.
    pub(crate) fn one(id: NodeId) -> Self {
        Self { ids: vec![id], risk_seen: None }
    }

    /// The ids that a node had before it was reset. Of a handshake that was under way then, such an id may be what the other
    /// side learns, whether it was told to forget it or not.
    pub(crate) fn former(ids: &[NodeId]) -> Self {
        Self { ids: ids.to_vec(), risk_seen: (!ids.is_empty()).then(Instant::now) }
    }

    /// Makes every reachable node but the one concerned forget them. Returns why some have not; nodes that have forgotten
    /// them already are no error.
    pub(crate) fn tell(&mut self, cluster: &mut Cluster) -> Vec<Error> {
        let mut failures = Vec::new();
        for id in &self.ids {
            let others = |member: &Member| member.is_up() && member.id() != *id;
            let answers = cluster.instruct(others, &[commands::forget(*id)]);
            let refused = answers.into_iter().flatten().filter_map(Result::err);
            let is_unknown = |error: &Error| error.refused() == Some(Refusal::UnknownNode);
            let (unknown, others): (Vec<Error>, Vec<Error>) = refused.partition(is_unknown);
            if !unknown.is_empty() {
                self.risk_seen = Some(Instant::now());
            }
            failures.extend(others);
        }
        failures
    }

    /// Who knows one of them by what the nodes answered last, or may learn it yet, in words; who does is told to forget it.
    pub(crate) fn amiss(&mut self, cluster: &mut Cluster) -> Option<String> {
        let Some(known) = self.ids.iter().find_map(|id| still_knows(cluster, *id)) else {
            let at_risk = self.risk_seen.is_some_and(|last| last.elapsed() < NEWS_TIME);
            let last = self.ids.last().filter(|_| at_risk)?;
            return Some(format!("the nodes may still learn of node {last}"));
        };
        let failure = self.tell(cluster).into_iter().next();
        let why = failure.map(|error| format!(": {error}")).unwrap_or_default();
        Some(known + &why)
    }
}

/// A node other than that of this id which knows it, in words.
fn still_knows(cluster: &Cluster, id: NodeId) -> Option<String> {
    let knows = |member: &&Member| {
        member.id() != id && member.topology().is_some_and(|view| view.node(id).is_some())
    };
    let witness = cluster.members().iter().find(knows)?;
    Some(format!("{} still knows node {id}", witness.endpoint()))
}
