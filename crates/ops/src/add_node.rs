//! A new node joins a cluster: as an empty master, or as a replica.

use std::time::Duration;

use redistrib_cluster_model::{Node, NodeId, Topology};
use redistrib_resp::Command;

use crate::candidate::Candidate;
use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Endpoint, Member, Step};

/// How long the nodes may take to know a new one.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);

/// What a new node is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRole {
    /// A master without slots.
    Master,
    /// A replica of this master.
    ReplicaOf(NodeId),
    /// A replica of whichever reachable master has the fewest, with slots or without.
    Replica,
}

impl NewRole {
    /// The master that the new node would follow, if any. Pure: for plans as well as for the deed.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`], and [`Error::Precondition`] for a node that is no master, or where none can be reached.
    pub fn master(self, cluster: &Cluster) -> Result<Option<NodeId>> {
        match self {
            Self::Master => Ok(None),
            Self::ReplicaOf(id) if cluster.member(id)?.node().is_master() => Ok(Some(id)),
            Self::ReplicaOf(id) => {
                Err(Error::Precondition(format!("node {id} is a replica itself: name its master")))
            }
            Self::Replica => match poorest_master(cluster, Member::is_up) {
                Some(id) => Ok(Some(id)),
                None => Err(Error::Precondition(
                    "no master can be reached that the new replica could follow".into(),
                )),
            },
        }
    }
}

/// The master with the fewest replicas among those that `which` accepts.
pub(crate) fn poorest_master(cluster: &Cluster, which: impl Fn(&Member) -> bool) -> Option<NodeId> {
    let masters = cluster.masters().filter(|member| which(member));
    // Of equals, one whose data a replica guards.
    let need = |member: &&Member| {
        (cluster.replicas_of(member.id()).count(), member.node().slots.is_empty())
    };
    masters.min_by_key(need).map(Member::id)
}

/// Adds the empty node at `endpoint` to the cluster and returns its id when all reachable nodes know it
/// in its role. Functions that the cluster has are carried to a master; a replica gets them from its own.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Cluster, Context, NewRole, Settings, Silent, add_node};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let id = add_node(&mut cluster, &"127.0.0.1:7006".parse()?, NewRole::Replica, context)?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// What a new cluster refuses; [`Error::Precondition`] for a master with functions of its own; those of [`NewRole::master`]; [`Error::NotSettled`], after which the
/// node has been taken out again.
pub fn add_node(
    cluster: &mut Cluster,
    endpoint: &Endpoint,
    role: NewRole,
    context: Context<'_>,
) -> Result<NodeId> {
    let master = role.master(cluster)?;
    let mut new = Candidate::survey(endpoint, cluster.settings())?;
    let id = new.node.id;
    if cluster.member(id).is_ok() {
        return Err(Error::Precondition(format!(
            "{endpoint} has the id {id}, which a node of the cluster has already"
        )));
    }
    if master.is_none() {
        refuse_functions(&mut new.connection)?;
        carry_functions(cluster, &mut new.connection, context)?;
    }
    let joined = join(cluster, &mut new, master, context);
    if joined.is_err() {
        context.warn(format!("taking {endpoint} out of the cluster again"));
        take_back(cluster, &mut new, context);
    }
    joined.map(|()| id)
}

/// Undoes what can be undone, and names what the user has to undo.
fn take_back(cluster: &mut Cluster, new: &mut Candidate, context: Context<'_>) {
    let id = new.node.id;
    for error in forget(cluster, id) {
        context.warn(format!("{error}: make that node forget {id} (CLUSTER FORGET)"));
    }
    if let Err(error) = new.connection.call(&Command::new("CLUSTER").arg("RESET").arg("HARD")) {
        context.warn(format!("{error}: reset this node before you try again (CLUSTER RESET HARD)"));
    }
}

fn join(
    cluster: &mut Cluster,
    new: &mut Candidate,
    master: Option<NodeId>,
    context: Context<'_>,
) -> Result<()> {
    context.step(Step::Meeting);
    shake_hands(cluster, new)?;
    context.step(Step::WaitingToJoin);
    let ids: Vec<NodeId> =
        cluster.members().iter().filter(|member| member.is_up()).map(Member::id).collect();
    until_settled(JOIN_DEADLINE, context.cancel, || knows_all(&mut new.connection, &ids))?;
    if let Some(master) = master {
        let replicate = Command::new("CLUSTER").arg("REPLICATE").arg(master.to_string());
        new.connection.call(&replicate)?;
        shake_hands(cluster, new)?;
    }
    let id = new.node.id;
    let port = new.node.address.port;
    until_settled(JOIN_DEADLINE, context.cancel, || seen_by_all(cluster, (id, port), master))?;
    until_settled(JOIN_DEADLINE, context.cancel, || knows_all(&mut new.connection, &ids))
}

/// Introduces the new node to every node that is up, so that none has to wait for gossip.
fn shake_hands(cluster: &Cluster, new: &mut Candidate) -> Result<()> {
    let up = cluster.members().iter().filter(|member| member.is_up());
    let meets: Vec<Command> = up
        .map(|member| crate::candidate::meet(member.endpoint(), member.node()))
        .collect::<Result<_>>()?;
    new.connection.call_all(&meets)?;
    Ok(())
}

fn knows_all(connection: &mut Connection, ids: &[NodeId]) -> Result<Option<String>> {
    let (_, topology) = read_topology(connection)?;
    let node = connection.endpoint();
    if let Some(other) = topology.nodes.iter().find(|other| other.flags.is_handshake()) {
        return Ok(Some(format!("{node} has not finished its handshake with {}", other.address)));
    }
    let stranger = ids.iter().find(|id| topology.node(**id).is_none());
    Ok(stranger.map(|id| format!("{node} does not know node {id} yet")))
}

/// Which reachable node does not see the new one in its role yet, or still shakes hands with it, in words.
fn seen_by_all(
    cluster: &mut Cluster,
    (id, port): (NodeId, u16),
    master: Option<NodeId>,
) -> Result<Option<String>> {
    cluster.refresh();
    let shakes_hands = |node: &Node| node.flags.is_handshake() && node.address.port == port;
    let sees = |topology: &Topology| {
        topology.node(id).is_some_and(|node| node.master == master)
            && !topology.nodes.iter().any(shakes_hands)
    };
    let blind =
        cluster.members().iter().find(|member| member.topology().is_some_and(|it| !sees(it)));
    Ok(blind.map(|member| {
        let node = member.endpoint();
        format!("{node} does not see the new node in its role yet: can it reach its bus port?")
    }))
}

/// Makes every reachable node but the one concerned forget it. Returns why some have not; nodes that have forgotten it
/// already are no error.
pub(crate) fn forget(cluster: &mut Cluster, id: NodeId) -> Vec<Error> {
    let command = Command::new("CLUSTER").arg("FORGET").arg(id.to_string());
    let answers = cluster
        .broadcast(|member| member.is_up() && member.id() != id, std::slice::from_ref(&command));
    let mut failures = Vec::new();
    for (member, answer) in cluster.members_mut().iter_mut().zip(answers) {
        let Some(answer) = answer else { continue };
        let forgotten = answer.and_then(|replies| {
            let connection = member.connection()?;
            replies.into_iter().try_for_each(|reply| connection.accept(&command, reply).map(drop))
        });
        let knew =
            |error: &Error| error.refusal().is_none_or(|text| !text.contains("Unknown node"));
        failures.extend(forgotten.err().filter(knew));
    }
    failures
}

/// Functions of its own would stay with the new master alone, or clash with those of the cluster. Servers before Redis
/// 7 have none.
fn refuse_functions(new: &mut Connection) -> Result<()> {
    match new.call(&Command::new("FUNCTION").arg("LIST")) {
        Ok(functions) if functions.view().elements().len() > 0 => {
            Err(Error::Precondition(format!(
                "New node already contains functions and can not be added to the cluster: send {} FUNCTION FLUSH if they \
             are not needed, and try again",
                new.endpoint()
            )))
        }
        Err(error) if error.refusal().is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Copies the cluster's functions (Redis 7 and later), if it has any, to the new node; older servers have none.
fn carry_functions(
    cluster: &mut Cluster,
    new: &mut Connection,
    context: Context<'_>,
) -> Result<()> {
    let Some(source) =
        cluster.members_mut().iter_mut().find(|member| member.is_up() && member.node().is_master())
    else {
        return Ok(());
    };
    match source.connection()?.call(&Command::new("FUNCTION").arg("LIST")) {
        Ok(functions) if functions.view().elements().len() == 0 => return Ok(()),
        Ok(_) => {}
        Err(error) if error.refusal().is_some() => return Ok(()),
        Err(error) => return Err(error),
    }
    let payload = source.connection()?.call(&Command::new("FUNCTION").arg("DUMP"))?;
    let Some(payload) = payload.view().as_bytes() else { return Ok(()) };
    context.step(Step::Other { text: format!("Send FUNCTION RESTORE to {}", new.endpoint()) });
    let restore = Command::new("FUNCTION").arg("RESTORE").arg(payload);
    new.call(&restore).map(drop).map_err(|error| match error.refusal() {
        Some(text) if text.contains("unknown command") => Error::Precondition(format!(
            "{}: the cluster has functions, and this server is too old to take them: delete them (FUNCTION FLUSH) \
             or add a newer server",
            new.endpoint()
        )),
        _ => error,
    })
}
