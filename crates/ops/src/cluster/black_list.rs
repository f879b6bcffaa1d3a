//! Ids that nodes were told to forget, and take nobody of for a while.

use std::collections::{BTreeSet, HashSet};

use redistrib_cluster_model::{Finding, NodeId};
use redistrib_resp::Command;

use crate::Cluster;

/// Of more ids than this nobody is asked: something else is wrong then.
const MOST: usize = 16;

/// Returns 1 where an id is on the list of a server since Redis 7.2, which answers OK where it is to forget what it has forgotten, and
/// an error where it never knew it. That nobody is forgotten by asking takes the look and the question in one: a script.
const ASK: &str = "if string.find('\\n' .. redis.call('CLUSTER', 'NODES'), '\\n' .. ARGV[1] .. ' ', 1, true) then return 0 end \
                   return redis.pcall('CLUSTER', 'FORGET', ARGV[1]).ok and 1 or 0";

/// Who keeps which ids on its list, of those that [`Finding::UnknownTo`] names: node by node, with the id. A server that does not say so
/// is left out.
pub(crate) fn black_lists(
    cluster: &mut Cluster,
    findings: &[Finding],
) -> HashSet<(NodeId, NodeId)> {
    let (mut ids, mut asked) = (BTreeSet::new(), HashSet::new());
    for finding in findings {
        if let Finding::UnknownTo { node, by } = finding {
            ids.insert(node.id);
            asked.extend(by.iter().map(|member| member.id));
        }
    }
    if ids.is_empty() || ids.len() > MOST {
        return HashSet::new();
    }
    let ask = |id: &NodeId| Command::new("EVAL").arg(ASK).arg(0).arg(id.to_string());
    let questions: Vec<Command> = ids.iter().map(ask).collect();
    let answers = cluster.broadcast(|member| asked.contains(&member.id()), &questions);
    let nodes = cluster.members().iter().map(|member| member.id());
    let answers = nodes.zip(answers).filter_map(|(node, answer)| Some((node, answer?.ok()?)));
    let listed = answers.flat_map(|(node, replies)| {
        let each = ids.iter().zip(replies);
        let listed = each.filter(|(_, reply)| reply.view().as_int() == Some(1));
        listed.map(|(id, _)| (node, *id)).collect::<Vec<_>>()
    });
    listed.collect()
}
