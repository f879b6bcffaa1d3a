//! The same thing done on many nodes of a cluster at once.

use std::time::Duration;

use redistrib_resp::{Command, Reply};

use crate::commands;
use crate::error::{Error, Result};
use crate::{Cluster, Endpoint, Member, MembershipError};

/// Which nodes are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    #[default]
    All,
    /// The masters.
    Masters,
    /// The replicas.
    Replicas,
}

impl Which {
    /// Whether a node is meant.
    pub fn accepts(self, member: &Member) -> bool {
        match self {
            Self::All => true,
            Self::Masters => member.node().is_master(),
            Self::Replicas => !member.node().is_master(),
        }
    }
}

/// Sends one command to all nodes that are meant, and returns each node's reply or why there is none.
/// Error replies are replies.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, Which, call};
/// use redistrib_resp::Command;
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for (node, reply) in call(&mut cluster, Which::Masters, &Command::new("DBSIZE")) {
///     println!("{node}: {:?}", reply?.view().as_int());
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn call(
    cluster: &mut Cluster,
    which: Which,
    command: &Command,
) -> Vec<(Endpoint, Result<Reply>)> {
    let answers = cluster.broadcast(|member| which.accepts(member), std::slice::from_ref(command));
    let mut told = Vec::new();
    for (member, answer) in cluster.members().iter().zip(answers) {
        let Some(answer) = answer else { continue };
        let reply = answer.and_then(|mut replies| {
            replies.pop().ok_or_else(|| Error::Closed {
                node: member.endpoint().clone(),
                command: crate::conn::describe(command),
            })
        });
        told.push((member.endpoint().clone(), reply));
    }
    told
}

/// The shortest node timeout that is accepted, in milliseconds: below it nodes take each other for dead.
pub const LEAST_NODE_TIMEOUT: u64 = 100;

/// Makes sure that [`set_node_timeout`] would accept this timeout, and returns it in milliseconds.
///
/// # Errors
/// [`Error::Membership`] below [`LEAST_NODE_TIMEOUT`] milliseconds.
pub fn require_timeout(timeout: Duration) -> Result<u64> {
    match u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) {
        0..LEAST_NODE_TIMEOUT => {
            Err(MembershipError::ShortTimeout { least: LEAST_NODE_TIMEOUT }.into())
        }
        millis => Ok(millis),
    }
}

/// Sets `cluster-node-timeout` on every node and writes it to the nodes' configuration files. The result
/// tells of each node whether both worked.
///
/// # Errors
/// [`Error::Membership`] below [`LEAST_NODE_TIMEOUT`] milliseconds; nothing has been changed then.
pub fn set_node_timeout(
    cluster: &mut Cluster,
    timeout: Duration,
) -> Result<Vec<(Endpoint, Result<()>)>> {
    let millis = require_timeout(timeout)?;
    let commands =
        [commands::set_setting("cluster-node-timeout", millis), commands::rewrite_settings()];
    let answers = cluster.instruct(|_| true, &commands);
    let told = cluster.members().iter().zip(answers);
    Ok(told.filter_map(|(member, answer)| Some((member.endpoint().clone(), answer?))).collect())
}
