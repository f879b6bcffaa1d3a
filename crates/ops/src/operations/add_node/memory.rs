//! Whether a cluster remembers a node as one to forget, and for how long.

use std::time::Duration;

use redistrib_cluster_model::{NodeId, Waits};
use redistrib_resp::{Command, Reply};

use crate::candidate::Candidate;
use crate::error::Result;
use crate::{Cluster, Member, Refusal, commands, server_info};

/// How long servers keep the ids of nodes that they were told to forget (`CLUSTER_BLACKLIST_TTL`).
const FORGOTTEN_FOR: Duration = Duration::from_secs(60);

/// How long news may take to reach every node: each learns of each other within half a node timeout.
pub(super) fn gossip_round(cluster: &mut Cluster) -> Duration {
    let timeout = longest(cluster, "cluster-node-timeout", Duration::from_millis);
    timeout.unwrap_or(Waits::default().node_timeout) / 2 + Duration::from_secs(2)
}

/// How long the nodes keep the ids of those that they were told to forget. Newer servers have a setting for it.
pub(super) fn memory_time(cluster: &mut Cluster) -> Duration {
    longest(cluster, "cluster-blacklist-ttl", Duration::from_secs).unwrap_or(FORGOTTEN_FOR)
}

/// The greatest value of a setting, where every node that answers reports it.
fn longest(
    cluster: &mut Cluster,
    setting: &str,
    unit: impl Fn(u64) -> Duration,
) -> Option<Duration> {
    let infos = server_info::ask(cluster, &[setting]);
    let values =
        infos.iter().flatten().map(|info| info.as_ref().ok()?.setting_number(setting).map(&unit));
    values.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What a cluster remembers of a node that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Nothing.
    Blank,
    /// Some node will make the others forget it, or it will make them forget one of theirs.
    Forgotten,
    /// Not everybody could be asked.
    Unsure,
}

/// Asks whether ids are on lists of forgotten ones. Servers since Redis 7.2, which send each other such ids, answer OK where
/// they are to forget what they have forgotten already, and an error where they never knew it. Older ones know
/// a node again as soon as it has introduced itself.
pub(super) fn memory_of(cluster: &mut Cluster, new: &mut Candidate) -> Result<Memory> {
    let others: Vec<NodeId> = cluster.members().iter().map(Member::id).collect();
    let forgets: Vec<Command> =
        others.into_iter().filter(|other| *other != new.node.id).map(commands::forget).collect();
    new.connection.send(&forgets)?;
    let answers = forgets.iter().map(|command| new.connection.receive(command));
    let mut answers = answers.collect::<Result<Vec<_>>>()?;
    let command = commands::forget(new.node.id);
    let id = new.node.id;
    let others = cluster
        .broadcast(|member| member.is_up() && member.id() != id, std::slice::from_ref(&command));
    answers.extend(others.into_iter().flatten().flatten().flatten());
    let unknown =
        |reply: &Reply| reply.view().as_error().map(Refusal::of) == Some(Refusal::UnknownNode);
    if answers.iter().any(|reply| reply.view().as_error().is_none()) {
        return Ok(Memory::Forgotten);
    }
    let all_asked =
        !cluster.members().iter().any(|member| !member.is_up() && !is_lost(cluster, member));
    let all_told = answers.iter().all(unknown);
    Ok(if all_asked && all_told { Memory::Blank } else { Memory::Unsure })
}

/// Whether the whole cluster takes a node for dead: then it makes nobody forget anything.
fn is_lost(cluster: &Cluster, member: &Member) -> bool {
    let mut views = cluster.members().iter().filter_map(Member::topology);
    views.all(|view| view.node(member.id()).is_none_or(|node| node.flags.is_failed()))
}
