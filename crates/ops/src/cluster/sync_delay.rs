//! The seconds for which a master waits for more replicas before it sends its data to those that ask.

use std::collections::{BTreeSet, HashMap, HashSet};

use redistrib_cluster_model::{NodeId, ServerInfo};
use redistrib_resp::Command;

use crate::error::Result;
use crate::{Cluster, Context, Member, server_info};

const SYNC: &str = "repl-diskless-sync";
const DELAY: &str = "repl-diskless-sync-delay";

/// Does `act` while these masters have no delay, and then sets it to what it was: all the replicas that are to come are
/// known, so nobody gains by waiting. A server that does not let itself be set keeps its delay.
pub(crate) fn without_delay<T>(
    cluster: &mut Cluster,
    masters: &HashSet<NodeId>,
    context: Context<'_>,
    act: impl FnOnce(&mut Cluster) -> Result<T>,
) -> Result<T> {
    let delays = SyncDelays::lift(cluster, masters, context);
    let done = act(cluster);
    delays.restore(cluster, context);
    done
}

/// Masters whose delay has been lifted, each with what it was. Should it never be set back, replicas that come one after the
/// other get their data one after the other until the server is started again: nothing is lost by that.
#[derive(Debug, Default)]
struct SyncDelays {
    lifted: HashMap<NodeId, u64>,
}

impl SyncDelays {
    fn lift(cluster: &mut Cluster, masters: &HashSet<NodeId>, context: Context<'_>) -> Self {
        let asked = |it: &Member| it.is_up() && masters.contains(&it.id());
        let infos = server_info::ask_of(cluster, asked, &[SYNC, DELAY]);
        let infos = cluster.members().iter().zip(infos);
        let mut lifted: HashMap<NodeId, u64> =
            infos.filter_map(|(member, info)| Some((member.id(), delay(&info?.ok()?)?))).collect();
        if lifted.is_empty() {
            return Self::default();
        }
        let text = format!(
            "Replicas get their data at once: {DELAY} is 0 on their masters until they have it"
        );
        context.note(text);
        let answers = cluster.instruct(|it| lifted.contains_key(&it.id()), &[set(0)]);
        for (member, answer) in cluster.members().iter().zip(answers) {
            if matches!(answer, Some(Err(_))) {
                lifted.remove(&member.id());
            }
        }
        Self { lifted }
    }

    /// Sets the delays to what they were, and names the command where that fails.
    fn restore(self, cluster: &mut Cluster, context: Context<'_>) {
        let delays: BTreeSet<u64> = self.lifted.values().copied().collect();
        for delay in delays {
            let had_it = |member: &Member| self.lifted.get(&member.id()) == Some(&delay);
            let answers = cluster.instruct(had_it, &[set(delay)]);
            for (member, answer) in cluster.members().iter().zip(answers) {
                if let Some(Err(error)) = answer {
                    let node = member.endpoint();
                    context.warn(format!(
                        "{error}: set it back yourself, by CONFIG SET {DELAY} {delay} at {node}"
                    ));
                }
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
    crate::commands::set_setting(DELAY, delay)
}
