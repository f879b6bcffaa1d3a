//! The nodes that are probed.

use std::time::Instant;

use redistrib_cluster_model::NodeId;

use super::probe::Probe;
use super::timeline::Track;
use crate::error::Result;
use crate::{Cluster, Pair};

/// How many masters beside source and target are probed: each costs a thread, and they stand for the rest.
const MOST_BYSTANDERS: usize = 3;

/// Which nodes are probed.
#[derive(Debug)]
pub(super) struct Watched(Vec<NodeId>);

impl Watched {
    /// The pair, and a few masters that have nothing to do with it.
    pub(super) fn choose(cluster: &Cluster, pair: Pair) -> Self {
        let masters = cluster.masters().filter(|member| member.is_up()).map(|member| member.id());
        let bystanders = masters.filter(|id| *id != pair.from && *id != pair.to);
        Self([pair.from, pair.to].into_iter().chain(bystanders.take(MOST_BYSTANDERS)).collect())
    }

    /// Starts a probe for each.
    pub(super) fn start(&self, cluster: &Cluster, origin: Instant) -> Result<Probes> {
        let probes = self.0.iter().map(|id| {
            let endpoint = cluster.member(*id)?.endpoint();
            Ok((*id, Probe::start(endpoint, cluster.settings(), origin)?))
        });
        probes.collect::<Result<_>>().map(Probes)
    }
}

/// Probes at work.
#[derive(Debug)]
pub(super) struct Probes(Vec<(NodeId, Probe)>);

impl Probes {
    /// Stops them.
    pub(super) fn finish(self) -> Result<Vec<Track>> {
        let tracks = self
            .0
            .into_iter()
            .map(|(node, probe)| probe.finish().map(|samples| Track { node, samples }));
        tracks.collect()
    }
}
