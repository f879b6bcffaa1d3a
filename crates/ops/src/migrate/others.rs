//! The masters that are neither source nor target learn of the slots' new owner.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redistrib_cluster_model::NodeId;
use redistrib_resp::{Command, Reply};

use super::link::Link;
use crate::cluster::in_parallel;
use crate::error::Result;
use crate::{Cancel, Cluster, Endpoint, Member, Pair};

/// How many connections all of them get together, where each gets several.
const MOST_LANES: usize = 128;

/// What one of them said.
type Answer = (Endpoint, Result<Vec<Reply>>);

/// Whether a master is to be sent the new owner.
fn is_other(member: &Member, pair: Pair) -> bool {
    let is_of_pair = [pair.from, pair.to].contains(&member.id());
    member.is_up() && member.node().is_master() && !is_of_pair
}

/// All of them at once, over the cluster's own connections.
pub(super) fn tell(cluster: &mut Cluster, pair: Pair, commands: &[Command]) -> Vec<Answer> {
    let answers = cluster.broadcast(|member| is_other(member, pair), commands);
    let told = cluster.members().iter().zip(answers);
    told.filter_map(|(member, answer)| Some((member.endpoint().clone(), answer?))).collect()
}

/// Connections to them, for servers that wait for their replicas at each SETSLOT.
#[derive(Debug)]
pub(super) struct Others<'a> {
    links: BTreeMap<NodeId, Link<'a>>,
    cancel: &'a Cancel,
}

impl<'a> Others<'a> {
    pub(super) fn new(cancel: &'a Cancel) -> Self {
        Self { links: BTreeMap::new(), cancel }
    }

    /// All of them side by side, each over as many connections as it is slow.
    pub(super) fn tell(
        &mut self,
        cluster: &Cluster,
        pair: Pair,
        commands: &[Command],
    ) -> Vec<Answer> {
        let others: Vec<&Member> =
            cluster.masters().filter(|member| is_other(member, pair)).collect();
        let lanes = MOST_LANES / others.len().max(1);
        let mut told = Vec::with_capacity(others.len());
        for member in &others {
            if let Err(error) = self.connect(cluster, member.id(), lanes) {
                told.push((member.endpoint().clone(), Err(error)));
            }
        }
        let is_meant = |id| others.iter().any(|member| member.id() == id);
        let links = self.links.iter_mut().filter(|(id, _)| is_meant(**id));
        for (id, node, answer) in set_slots(links, commands) {
            // Later replies would be taken for those that are missing.
            if answer.is_err() {
                self.links.remove(&id);
            }
            told.push((node, answer));
        }
        told
    }

    fn connect(&mut self, cluster: &Cluster, id: NodeId, lanes: usize) -> Result<()> {
        if let Entry::Vacant(place) = self.links.entry(id) {
            // They hear of it from the target anyway.
            let link = Link::new(cluster.connect(id)?, self.cancel).with_settle(Duration::ZERO);
            place.insert(link.with_most_lanes(lanes));
        }
        Ok(())
    }
}

fn set_slots<'l, 'a: 'l>(
    links: impl Iterator<Item = (&'l NodeId, &'l mut Link<'a>)>,
    commands: &[Command],
) -> Vec<(NodeId, Endpoint, Result<Vec<Reply>>)> {
    let links: Vec<_> = links.map(|(id, link)| (*id, Mutex::new(link))).collect();
    in_parallel(&links, |(id, link)| {
        let mut link = link.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = link.set_each(commands);
        (*id, link.endpoint().clone(), answer)
    })
}
