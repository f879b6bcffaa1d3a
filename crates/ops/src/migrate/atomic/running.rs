//! Jobs that an earlier run began and the servers are still at.

use std::thread;
use std::time::Duration;

use redistrib_resp::{Command, Reply};

use super::field;
use crate::error::{Error, Result};
use crate::{Cluster, Context, Member, Step, Stop};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);
/// The states in which a job is at its end, in the words of both kinds of server.
const ENDED: [&str; 6] = ["success", "failed", "cancelled", "completed", "canceled", "done"];

/// Waits until the servers have ended the atomic migrations that they are at: a tool that dies leaves them to the
/// servers. Tells whether there were any; then the cluster has been looked at again.
///
/// # Errors
/// [`Error::Cancelled`]. A server that does not answer, or knows no such migrations, is at none.
pub fn finish_running(cluster: &mut Cluster, context: Context<'_>) -> Result<bool> {
    let mut told = false;
    while let Some(node) = busy_node(cluster) {
        if !told {
            let text = format!("Waiting for the migration that {node} is carrying out");
            context.step(Step::Other { text });
            told = true;
        }
        if context.cancel.wish() != Stop::No {
            let what = format!("{node} goes on with a migration that an earlier run began");
            return Err(Error::Cancelled(what));
        }
        thread::sleep(LOOK);
    }
    if told {
        cluster.refresh();
    }
    Ok(told)
}

fn busy_node(cluster: &mut Cluster) -> Option<String> {
    let questions = [
        Command::new("CLUSTER").arg("GETSLOTMIGRATIONS"),
        Command::new("CLUSTER").arg("MIGRATION").arg("STATUS").arg("ALL"),
    ];
    let answers = cluster.broadcast(|member| member.is_up() && member.is_master(), &questions);
    let mut answered: Vec<(&Member, Vec<Reply>)> = cluster
        .members()
        .iter()
        .zip(answers)
        .filter_map(|(member, answer)| Some((member, answer?.ok()?)))
        .collect();
    answered.retain(|(_, replies)| replies.iter().any(is_running));
    answered.first().map(|(member, _)| member.endpoint().to_string())
}

/// Whether a list of jobs has one that goes on. An error reply is no list.
fn is_running(jobs: &Reply) -> bool {
    let mut states = jobs.view().elements().map(|job| field(job, "state"));
    states.any(|state| !state.is_empty() && !ENDED.contains(&state))
}
