//! Keys that targets threw away while slots moved, because they had no memory for them.
//!
//! With a `maxmemory-policy` that evicts, a server takes what comes and drops what it chooses. For a cache that is what
//! was asked for; still nobody should have to find out by himself.

use std::collections::BTreeSet;

use redistrib_cluster_model::{NodeId, counted};

use crate::commands::replies::info_in;
use crate::{Cluster, Context, Endpoint};

/// How many keys each target had evicted before.
#[derive(Debug)]
pub(super) struct Evictions<'a> {
    targets: &'a BTreeSet<NodeId>,
    before: Vec<Option<u64>>,
}

impl<'a> Evictions<'a> {
    pub(super) fn begin(cluster: &mut Cluster, targets: &'a BTreeSet<NodeId>) -> Self {
        let before = count(cluster, targets).into_iter().map(|(_, keys)| keys).collect();
        Self { targets, before }
    }

    /// Warns of the targets that have evicted keys since. Those that do not report it are left out.
    pub(super) fn tell(&self, cluster: &mut Cluster, context: Context<'_>) {
        for ((node, now), before) in count(cluster, self.targets).into_iter().zip(&self.before) {
            let since = now.zip(*before).map_or(0, |(now, before)| now.saturating_sub(before));
            if since > 0 {
                context.warn(format!(
                    "{node} has evicted {} meanwhile, by its maxmemory-policy: it has no memory for all",
                    counted(since, "key")
                ));
            }
        }
    }
}

/// `evicted_keys` of the targets, in the order of the cluster's members.
fn count(cluster: &mut Cluster, targets: &BTreeSet<NodeId>) -> Vec<(Endpoint, Option<u64>)> {
    let is_target = |member: &crate::Member| targets.contains(&member.id());
    let answers = cluster.broadcast(is_target, &[crate::commands::info_of("stats")]);
    let answered = cluster.members().iter().zip(answers);
    answered
        .filter_map(|(member, answer)| {
            let replies = answer?.ok().unwrap_or_default();
            let info = replies.first().map(info_in);
            Some((member.endpoint().clone(), info.and_then(|info| info.number("evicted_keys"))))
        })
        .collect()
}
