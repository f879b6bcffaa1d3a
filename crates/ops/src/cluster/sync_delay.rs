//! The seconds for which a master waits for more replicas before it sends its data to those that ask.

use std::collections::HashMap;

use redistrib_cluster_model::{NodeId, ServerInfo};
use redistrib_resp::Command;

use crate::{Cluster, Context, Step, server_info};

const SYNC: &str = "repl-diskless-sync";
const DELAY: &str = "repl-diskless-sync-delay";

/// Masters of a new cluster whose delay has been lifted, each with what it was. All their replicas are there and there is
/// nothing to send, so nobody gains by waiting. Should it never be set back, replicas that come one after the other get their data one
/// after the other until the server is started again: nothing is lost by that.
#[derive(Debug, Default)]
pub(crate) struct SyncDelays {
    lifted: Vec<(NodeId, u64)>,
}

impl SyncDelays {
    /// Lifts the delay where a master with replicas has one. A server that does not let itself be set keeps it.
    pub(crate) fn lift(cluster: &mut Cluster, context: Context<'_>) -> Self {
        let told = server_info::ask(cluster, &[SYNC, DELAY]);
        let delayed = cluster.members().iter().zip(told).filter_map(|(member, info)| {
            let has_replica = cluster.replicas_of(member.id()).next().is_some();
            Some((member.id(), delay(&info?)?)).filter(|_| has_replica)
        });
        let delayed: HashMap<NodeId, u64> = delayed.collect();
        if delayed.is_empty() {
            return Self::default();
        }
        let text = format!(
            "Replicas get their data at once: {DELAY} is 0 on their masters until they have it"
        );
        context.step(Step::Other { text });
        let answers = cluster.broadcast(|it| delayed.contains_key(&it.id()), &[set(0)]);
        let asked = cluster.members().iter().zip(answers);
        let lifted = asked.filter_map(|(member, answer)| {
            let replies = answer?.ok()?;
            let is_set = replies.iter().all(|reply| reply.view().as_error().is_none());
            is_set.then_some((member.id(), *delayed.get(&member.id())?))
        });
        Self { lifted: lifted.collect() }
    }

    /// Sets the delays to what they were, and names the command where that fails.
    pub(crate) fn restore(self, cluster: &mut Cluster, context: Context<'_>) {
        for (id, delay) in self.lifted {
            let Ok(member) = cluster.member_mut(id) else { continue };
            let set = member.connection().and_then(|node| node.call(&set(delay)));
            if let Err(error) = set {
                let node = member.endpoint();
                context.warn(format!(
                    "{error}: set it back yourself: `redis-trib exec {node} CONFIG SET {DELAY} {delay}`"
                ));
            }
        }
    }
}

/// How long a server waits, if it does.
fn delay(info: &ServerInfo) -> Option<u64> {
    let is_diskless = info.setting(SYNC) == Some("yes");
    info.setting_number(DELAY).filter(|delay| is_diskless && *delay > 0)
}

fn set(delay: u64) -> Command {
    Command::new("CONFIG").arg("SET").arg(DELAY).arg(delay)
}
