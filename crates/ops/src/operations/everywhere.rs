//! The same thing done on many nodes of a cluster at once.

use std::time::Duration;

use redistrib_resp::{Command, Reply};

use super::operation::Operation;
use crate::commands;
use crate::error::{Error, Result};
use crate::{Cluster, Context, Endpoint, Member, MembershipError, Settings};

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
    let mut replies = Vec::new();
    for (member, answer) in cluster.members().iter().zip(answers) {
        let Some(answer) = answer else { continue };
        let reply = answer.and_then(|mut replies| {
            replies.pop().ok_or_else(|| Error::Closed {
                node: member.endpoint().clone(),
                command: Some(crate::conn::describe(command)),
            })
        });
        replies.push((member.endpoint().clone(), reply));
    }
    replies
}

/// The shortest node timeout that is accepted, in milliseconds: below it nodes take each other for dead.
const LEAST_NODE_TIMEOUT: u64 = 100;

/// Makes sure that a node timeout is not too short, and returns it in milliseconds.
///
/// # Errors
/// [`Error::Membership`] below 100 milliseconds.
pub fn require_timeout(timeout: Duration) -> Result<u64> {
    match u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX) {
        0..LEAST_NODE_TIMEOUT => {
            Err(MembershipError::ShortTimeout { least: LEAST_NODE_TIMEOUT }.into())
        }
        millis => Ok(millis),
    }
}

/// The request to set `cluster-node-timeout` on every node and write it to the nodes' configuration files.
#[derive(Clone, Debug, Default)]
pub struct SetTimeout {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The timeout, at least 100 milliseconds.
    pub timeout: Duration,
}

/// What a [`SetTimeout`] would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutPlan {
    /// The timeout, in milliseconds.
    pub timeout_ms: u64,
    /// The nodes that get it.
    pub nodes: Vec<Endpoint>,
}

impl Operation for SetTimeout {
    const VERB: &'static str = "set-timeout";
    type Subject = Cluster;
    type Plan = TimeoutPlan;
    /// Of each node whether it is set and written.
    type Report = Vec<(Endpoint, Result<()>)>;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    /// # Errors
    /// Those of [`require_timeout`].
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<TimeoutPlan> {
        let timeout_ms = require_timeout(self.timeout)?;
        let nodes = cluster.members().iter().map(|member| member.endpoint().clone());
        Ok(TimeoutPlan { timeout_ms, nodes: nodes.collect() })
    }

    fn apply(
        &self,
        plan: TimeoutPlan,
        cluster: &mut Cluster,
        _context: Context<'_>,
    ) -> Result<Self::Report> {
        let set = commands::set_setting("cluster-node-timeout", plan.timeout_ms);
        let answers = cluster.instruct(|_| true, &[set, commands::rewrite_settings()]);
        let answered = cluster.members().iter().zip(answers);
        Ok(answered
            .filter_map(|(member, answer)| Some((member.endpoint().clone(), answer?)))
            .collect())
    }
}
