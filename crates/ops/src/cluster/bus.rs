//! The cluster bus: which nodes have links, and what waits to be sent on them.

use std::collections::HashSet;
use std::time::Duration;

use redistrib_cluster_model::{Backlog, Node, NodeId, ServerInfo};
use redistrib_resp::{Command, View};

use super::unanswered::Unanswered;
use crate::commands::replies::count_of;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Context, Member};

/// How long nodes that reach each other may be without a link: servers connect again ten times a second.
pub(crate) const LINK_DEADLINE: Duration = Duration::from_secs(3);
/// What a link of the bus takes where nothing waits.
const IDLE_LINK: u64 = 16 << 10;

/// Waits until nodes that have just met have the links that `check` would miss, those from or to the nodes that `which` accepts.
/// Where they do not come, that is for `check` to report.
///
/// # Errors
/// [`Error::Cancelled`].
pub(crate) fn await_links(
    cluster: &mut Cluster,
    which: impl Fn(NodeId) -> bool,
    context: Context<'_>,
) -> Result<()> {
    let linked = until_settled(LINK_DEADLINE, context.cancel, || {
        cluster.refresh();
        Ok(cluster.members().iter().find_map(|member| missing_link(member, &which)))
    });
    match linked {
        Err(Error::NotSettled { .. }) => Ok(()),
        outcome => outcome,
    }
}

/// A link that a member lacks, in words.
fn missing_link(member: &Member, which: impl Fn(NodeId) -> bool) -> Option<String> {
    let is_asked = |node: &&Node| which(member.id()) || which(node.id);
    let other = member.topology()?.iter().filter(is_asked).find(|node| node.lacks_link())?;
    Some(format!("{} has no bus link to {}", member.endpoint(), other.address))
}

/// What nodes have to send to others (`CLUSTER LINKS`, since 7.0). Only those are asked whose links take much more
/// memory (by `reported`, in the order of the members) than links do where nothing waits: the answer is long in a large cluster.
pub(crate) fn backlogs(
    cluster: &mut Cluster,
    reported: &[Option<ServerInfo>],
    unanswered: &mut Unanswered,
) -> Vec<Backlog> {
    let links = 2 * cluster.members().len() as u64;
    let is_full = |info: &ServerInfo| {
        info.number("mem_cluster_links").is_some_and(|bytes| bytes > links * IDLE_LINK)
    };
    let asked = cluster.members().iter().zip(reported);
    let asked = asked.filter(|(_, info)| info.as_ref().is_some_and(is_full));
    let asked: HashSet<NodeId> = asked.map(|(member, _)| member.id()).collect();
    if asked.is_empty() {
        return Vec::new();
    }
    let command = Command::new("CLUSTER").arg("LINKS");
    let answers = cluster.broadcast(|member| asked.contains(&member.id()), &[command]);
    let answers = cluster.members().iter().map(Member::id).zip(answers);
    let answers = answers.filter_map(|(id, answer)| Some((id, answer?)));
    let replies = answers.filter_map(|(id, answer)| {
        unanswered.note(id, "CLUSTER LINKS", &answer);
        Some((id, answer.ok()?))
    });
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
        bytes: count_of(field("send-buffer-used")?)?,
    })
}
