//! One operation at a time: a lock that needs no key in the user's data and dies with its holder.
//!
//! On a connection to each master the tool names itself, and then looks at the names of all clients. So of two tools, on
//! every master that both have, one sees the other, or both do. The master with the lowest node id comes before the others: two
//! tools that know the same masters meet there, where both steps are one transaction, and one of the tools continues. The
//! others are taken side by side. Tools that do not agree on which one is the lowest may both see each other, and
//! then both let go.

mod holder;
mod keeper;

use std::time::Duration;

use redistrib_cluster_model::NodeId;
use redistrib_resp::{Command, Reply};

pub use holder::Holder;
pub(crate) use holder::Listed;

use crate::cluster::in_parallel;
use crate::commands;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Endpoint, Refusal, Settings, limits};
use keeper::Keeper;

/// How many connections are to be left for the work under the lock.
const WORKING: usize = 32;
/// The shortest time after which servers close idle connections.
const SHORTEST: Duration = Duration::from_secs(1);
/// How long a node may say that it is not ready, before the operation goes on without its word.
const UNREADY: Duration = Duration::from_secs(5);

/// Holds a cluster until it is dropped.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Cluster, Context, Settings, Silent, lock::Lock};
/// let cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let cancel = Cancel::new();
/// let _held = Lock::take(&cluster, "reshard", Context::new(&Silent, &cancel))?;
/// // What changes the cluster goes here.
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Lock {
    keeper: Keeper,
    me: Holder,
}

impl Lock {
    /// Takes the lock on all masters that can be reached. `verb` is the operation that others see.
    ///
    /// Where a server's ACL does not let clients be listed or named, that is reported as a warning, and the
    /// lock is held without that server.
    ///
    /// # Errors
    /// [`Error::Locked`] when another tool holds it; [`Error::OpenFiles`] where this process may not have as many connections
    /// as there are masters; those of [`Connection::open`].
    pub fn take(cluster: &Cluster, verb: &str, context: Context<'_>) -> Result<Self> {
        let up = cluster.masters().filter(|member| member.is_up());
        let nodes = up.map(|member| (member.id(), member.endpoint().clone())).collect();
        Self::take_on(nodes, cluster.settings(), verb, context)
    }

    /// Takes the lock on nodes that are no cluster yet.
    ///
    /// # Errors
    /// Those of [`Lock::take`].
    pub(crate) fn take_on(
        mut nodes: Vec<(NodeId, Endpoint)>,
        settings: &Settings,
        verb: &str,
        context: Context<'_>,
    ) -> Result<Self> {
        require_files(nodes.len())?;
        nodes.sort();
        let me = Holder::new(verb);
        let keeper = Keeper::start();
        let take = |(_, node): &(NodeId, Endpoint), how| {
            let mut connection = Connection::open(node, settings)?;
            let patience = claim(&mut connection, &me, how, context)?;
            keeper.add(connection, patience);
            Ok(())
        };
        let (arbiter, others) = nodes.split_at(nodes.len().min(1));
        arbiter.iter().try_for_each(|node| take(node, Claim::Arbiter))?;
        let taken = in_parallel(others, |node| take(node, Claim::Other));
        taken.into_iter().collect::<Result<()>>()?;
        Ok(Self { keeper, me })
    }

    /// Takes it on one node more: on a master that was none when the lock was taken, or that has restarted since.
    ///
    /// # Errors
    /// Those of [`Lock::take`].
    pub(crate) fn extend_to(
        &self,
        node: &Endpoint,
        settings: &Settings,
        context: Context<'_>,
    ) -> Result<()> {
        let mut connection = Connection::open(node, settings)?;
        let patience = claim(&mut connection, &self.me, Claim::Other, context)?;
        self.keeper.add(connection, patience);
        Ok(())
    }
}

/// Makes sure that the process may have as many connections more, before any is made, and some to work with.
fn require_files(connections: usize) -> Result<()> {
    let (limit, needed) = (limits::open_files(), limits::files_with(connections + WORKING));
    if needed <= limit {
        return Ok(());
    }
    Err(Error::OpenFiles { limit, needed: Some(needed) })
}

/// Where others may come between the naming and the look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Of two tools one continues: naming and look are one transaction.
    Arbiter,
    /// Both would let go. Whoever is here has the arbiter already.
    Other,
}

/// Names the connection, and makes sure that nobody else's name is there. Returns how long the server leaves connections idle.
fn claim(
    connection: &mut Connection,
    me: &Holder,
    claim: Claim,
    context: Context<'_>,
) -> Result<Duration> {
    let name = Command::new("CLIENT").arg("SETNAME").arg(me.name());
    let list = Command::new("CLIENT").arg("LIST");
    let all = match claim {
        Claim::Arbiter => commands::transaction([name.clone(), list.clone()]),
        Claim::Other => vec![name.clone(), list.clone()],
    };
    let patience = commands::setting("timeout");
    let mut replies = claim_when_ready(connection, &[&all[..], &[patience]].concat(), context)?;
    let patience = replies.pop().and_then(|reply| seconds(&reply)).unwrap_or(SHORTEST);
    if let Some(text) = refusal(&replies) {
        let text = String::from_utf8_lossy(text).into_owned();
        let node = connection.endpoint();
        context.warn(format!("{node}: other operations on this cluster cannot be seen: {text}"));
        // At least others may see this one.
        connection.request(&name)?;
        return Ok(patience);
    }
    let text = replies
        .last()
        .and_then(client_list)
        .ok_or_else(|| connection.unexpected(&list, "there is no list of clients in the answer"))?;
    match holder::holders(&text).into_iter().find(|other| other.holder != *me) {
        None => Ok(patience),
        Some(other) => Err(Error::Locked {
            node: connection.endpoint().clone(),
            verb: other.holder.verb,
            host: other.holder.host,
            pid: other.holder.pid,
            age: other.age,
        }),
    }
}

/// A server that has no time, as for a script, shows neither its clients nor this one to them.
fn claim_when_ready(
    connection: &mut Connection,
    commands: &[Command],
    context: Context<'_>,
) -> Result<Vec<Reply>> {
    let mut replies = Vec::new();
    let waited = until_settled(UNREADY, context.cancel, || {
        replies = connection.pipeline(commands)?;
        let text = refusal(&replies).filter(|text| Refusal::of(text).is_passing());
        Ok(text.map(|text| String::from_utf8_lossy(text).into_owned()))
    });
    match waited {
        Ok(()) | Err(Error::NotSettled { .. }) => Ok(replies),
        Err(error) => Err(error),
    }
}

/// The holders that a reply to CLIENT LIST shows; none where the server does not say.
pub(crate) fn holders_in(list: &Reply) -> Vec<Listed> {
    list.view()
        .as_bytes()
        .map(|text| holder::holders(&String::from_utf8_lossy(text)))
        .unwrap_or_default()
}

/// The value of a setting in seconds, where the server reports it.
fn seconds(setting: &Reply) -> Option<Duration> {
    let value = setting.view().elements().nth(1)?.as_str()?.parse().ok()?;
    Some(Duration::from_secs(value))
}

/// What a server does not let us do, said to a command or within the transaction.
fn refusal(replies: &[Reply]) -> Option<&[u8]> {
    let views = replies.iter().map(Reply::view);
    let within = replies.last().into_iter().flat_map(|exec| exec.view().elements());
    views.chain(within).find_map(|view| view.as_error())
}

/// The last answer, or the last of the transaction that it is.
fn client_list(last: &Reply) -> Option<String> {
    let list = last.view().elements().last().unwrap_or(last.view());
    Some(String::from_utf8_lossy(list.as_bytes()?).into_owned())
}
