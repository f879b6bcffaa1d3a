//! A member follows another master than before.

use std::time::Duration;

use redistrib_cluster_model::NodeId;

use crate::commands;
use crate::error::{Error, Result};
use crate::served::await_served;
use crate::wait::until_settled;
use crate::{Cluster, Context, Member};

/// How long news of it may take to reach every node.
const NEWS_DEADLINE: Duration = Duration::from_secs(20);
/// How long a server may take to drop the keys of slots that it has given away.
const DROP_DEADLINE: Duration = Duration::from_secs(3);

/// Makes a replica, or a master without slots and keys, follow `master`, and returns when all nodes that answer see it and it has
/// its master's data.
///
/// # Errors
/// [`crate::Error::NoSuchNode`]; the server's refusal where it holds keys or slots; [`crate::Error::NotSettled`]; those of
/// [`await_all_served`](crate::await_all_served).
pub(crate) fn follow(
    cluster: &mut Cluster,
    node: NodeId,
    master: NodeId,
    context: Context<'_>,
) -> Result<()> {
    cluster.member(master)?;
    let command = commands::replicate(master);
    let connection = cluster.member_mut(node)?.connection()?;
    let may_pass = |error: &Error| error.refusal().is_some();
    connection.call_until_accepted(&command, DROP_DEADLINE, context.cancel, may_pass)?;
    until_settled(NEWS_DEADLINE, context.cancel, || {
        cluster.refresh();
        let is_blind = |member: &&Member| {
            let seen = member.topology().and_then(|view| view.node(node));
            seen.is_some_and(|seen| seen.master != Some(master))
        };
        let witness = cluster.members().iter().find(is_blind);
        Ok(witness.map(|it| format!("{} does not see that {node} follows {master}", it.endpoint())))
    })?;
    let endpoint = cluster.member(node)?.endpoint().clone();
    await_served(cluster.seed(), &endpoint, cluster.settings(), context)
}
