//! Servers that share an id, since one of them began with a copy of the other's `nodes.conf`.

use std::thread;
use std::time::Duration;

use redistrib_cluster_model::{Address, Node, NodeId, ServerInfo, Snapshot};

use super::candidate::Candidate;
use super::{bus, in_parallel};
use crate::{Cluster, Endpoint, Member};

/// Where more nodes have other addresses than this, all have moved, and nobody is asked.
const MOST: usize = 16;

/// Where two servers have one id, a node ends the link of the one when the other connects, several times a second: no link of
/// theirs is as old as this.
const YOUNG: Duration = Duration::from_secs(1);
/// How often nodes are asked again, how long after one another, and how many of them. One server's address displaces the other's
/// about twice a second.
const LOOKS: usize = 40;
const BETWEEN: Duration = Duration::from_millis(50);
const ASKED: usize = 8;
/// After so many looks, links that are the same still are those of nodes that have just met.
const MADE_ANEW: usize = 6;

/// Servers that share an id. At one moment all nodes may know the same one of them, so where nodes have lost a link or just made
/// one anew, they are asked again, and `snapshot` is what they said last.
pub(crate) fn servers(
    cluster: &mut Cluster,
    snapshot: &mut Snapshot,
    reported: &[Option<ServerInfo>],
) -> Vec<(NodeId, Address)> {
    let seen = seen(cluster, snapshot, reported);
    let Some(first) = cluster.members().first().map(Member::id) else { return seen };
    if !seen.is_empty() {
        return seen;
    }
    let links = bus::links(cluster, first);
    if !is_doubtful(cluster, reported, links.as_deref()) {
        return seen;
    }
    let asked: Vec<NodeId> = cluster.members().iter().map(Member::id).take(ASKED).collect();
    for look in 1..=LOOKS {
        thread::sleep(BETWEEN);
        cluster.refresh_of(|member| asked.contains(&member.id()));
        *snapshot = cluster.snapshot();
        let seen = self::seen(cluster, snapshot, reported);
        if !seen.is_empty() {
            return seen;
        }
        if look == MADE_ANEW && bus::links(cluster, first) == links {
            break;
        }
    }
    Vec::new()
}

/// Whether nodes lose links and make them anew: `links` is what the first has.
fn is_doubtful(
    cluster: &Cluster,
    reported: &[Option<ServerInfo>],
    links: Option<&[(NodeId, u64)]>,
) -> bool {
    let mut views = cluster.members().iter().filter_map(Member::topology);
    let lacks_link = views.any(|view| view.iter().any(Node::lacks_link));
    let now = || reported.first()?.as_ref()?.number("server_time_usec");
    let (Some(links), Some(now)) = (links, now()) else { return lacks_link };
    let oldest = Duration::from_micros(now).saturating_sub(YOUNG).as_millis();
    let others = cluster.members().iter().filter(|member| member.is_up()).count().saturating_sub(1);
    // One to each, and one from each.
    lacks_link
        || links.len() < 2 * others
        || links.iter().any(|(_, made)| u128::from(*made) > oldest)
}

/// Servers other than the member that was asked which answer by its id where some node knows it. `reported` is what the members
/// report, in their order.
fn seen(
    cluster: &Cluster,
    snapshot: &Snapshot,
    reported: &[Option<ServerInfo>],
) -> Vec<(NodeId, Address)> {
    let places = snapshot.elsewhere();
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
