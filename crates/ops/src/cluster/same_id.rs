//! Servers that share an id, since one of them began with a copy of the other's `nodes.conf`.

use std::thread;
use std::time::Duration;

use redistrib_cluster_model::{Address, NodeId, ServerInfo, Snapshot};

use super::candidate::Candidate;
use super::in_parallel;
use crate::{Cluster, Endpoint, Member};

/// Where more nodes have other addresses than this, all have moved, and nobody is asked.
const MOST: usize = 16;

/// How often nodes that lack links are looked at again, and how far apart.
const LOOKS: usize = 12;
const PAUSE: Duration = Duration::from_millis(25);

/// Servers other than the member that was asked which answer by its id where some node knows it. `reported` is what the members
/// report, in their order.
pub(crate) fn servers(
    cluster: &mut Cluster,
    snapshot: &Snapshot,
    reported: &[Option<ServerInfo>],
) -> Vec<(NodeId, Address)> {
    let places = places(cluster, snapshot);
    if places.is_empty() || places.len() > MOST {
        return Vec::new();
    }
    let asked = |id: NodeId| {
        let mut members = cluster.members().iter().map(Member::id).zip(reported);
        members.find(|(member, _)| *member == id)?.1.as_ref()?.field("run_id")
    };
    let answers = in_parallel(&places, |(id, at)| {
        let found =
            Candidate::look(&Endpoint::tcp(at.host.as_str(), at.port), cluster.settings()).ok()?;
        // One server may have several addresses.
        let run = found.info.field("run_id")?;
        Some(found.node.id == *id && asked(*id).is_some_and(|own| own != run))
    });
    let answers = places.into_iter().zip(answers);
    answers.filter(|(_, is_other)| *is_other == Some(true)).map(|(place, _)| place).collect()
}

/// Addresses under which some node knows one that answers elsewhere. Of two servers with one id the others take now the one and
/// now the other's address, so that all may agree at a moment; but since Redis 7.0 the two take each other's bus links away ten times a
/// second: who lacks links is looked at until they change.
fn places(cluster: &mut Cluster, snapshot: &Snapshot) -> Vec<(NodeId, Address)> {
    let mut places = snapshot.elsewhere();
    let witnesses = snapshot.without_links();
    for _ in 0..LOOKS {
        if !places.is_empty() || witnesses.is_empty() {
            break;
        }
        thread::sleep(PAUSE);
        cluster.refresh_of(|member| witnesses.contains(&member.id()));
        places = cluster.snapshot().elsewhere();
    }
    places
}
