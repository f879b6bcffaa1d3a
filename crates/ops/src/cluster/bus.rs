//! What waits to be sent on the cluster bus.

use std::collections::HashSet;

use redistrib_cluster_model::{Backlog, NodeId, ServerInfo};
use redistrib_resp::{Command, View};

use crate::{Cluster, Member};

/// What a link of the bus takes where nothing waits.
const IDLE_LINK: u64 = 16 << 10;

/// What nodes have to send to others (`CLUSTER LINKS`, since 7.0). Only those are asked whose links take much more
/// memory (`told`, in the order of the members) than links do where nothing waits: the answer is long in a large cluster.
pub(crate) fn backlogs(cluster: &mut Cluster, told: &[Option<ServerInfo>]) -> Vec<Backlog> {
    let links = 2 * cluster.members().len() as u64;
    let is_full = |info: &ServerInfo| {
        info.number("mem_cluster_links").is_some_and(|bytes| bytes > links * IDLE_LINK)
    };
    let asked = cluster.members().iter().zip(told);
    let asked = asked.filter(|(_, info)| info.as_ref().is_some_and(is_full));
    let asked: HashSet<NodeId> = asked.map(|(member, _)| member.id()).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let command = Command::new("CLUSTER").arg("LINKS");
    let answers = cluster.broadcast(|member| asked.contains(&member.id()), &[command]);
    let told = cluster.members().iter().map(Member::id).zip(answers);
    let replies = told.filter_map(|(id, answer)| Some((id, answer?.ok()?)));
    replies
        .flat_map(|(from, replies)| {
            let links = replies.iter().flat_map(|reply| reply.elements());
            links.filter_map(|link| read(from, link)).collect::<Vec<_>>()
        })
        .collect()
}

/// Reads one link: names and values in turn.
fn read(from: NodeId, link: View<'_>) -> Option<Backlog> {
    let field = |name: &str| {
        let mut names = link.elements().step_by(2).zip(link.elements().skip(1).step_by(2));
        names.find_map(|(key, value)| (key.as_str() == Some(name)).then_some(value))
    };
    Some(Backlog {
        from,
        to: field("node")?.as_str()?.parse().ok()?,
        bytes: u64::try_from(field("send-buffer-used")?.as_int()?).ok()?,
    })
}
