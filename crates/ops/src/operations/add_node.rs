//! A new node joins a cluster: as an empty master, or as a replica.

mod memory;
mod role;
mod seen;

use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, SharedTopology, Standing};
use redistrib_resp::Command;

use self::memory::{Memory, gossip_round, memory_of, memory_time};
pub use self::role::NewRole;
pub(crate) use self::role::poorest_master;
pub(crate) use self::seen::handshake_under_way;
use self::seen::{seen_by_all, stranger, unfinished_handshake};
use crate::candidate::Candidate;
use crate::cluster::bus::await_links;
use crate::commands::replies::info_in;
use crate::commands::{self, REPEAT_INTRODUCTION, Reset};
use crate::error::{Error, Result};
use crate::operations::forgotten::Forgotten;
use crate::wait::until_settled;
use crate::{Cancel, Cluster, Context, Endpoint, Member, MembershipError, Step, functions};

/// How long the nodes may take to know a new one.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);
/// How long a handshake may take from one side's end of it to the other's.
const HANDSHAKE_TIME: Duration = Duration::from_secs(2);
/// How long a node may take to be alone, and unknown to all, after it was reset.
const LEAVE_DEADLINE: Duration = Duration::from_secs(5);

/// Adds the empty node at `endpoint` to the cluster and returns its id when all reachable nodes know it in its role. A member
/// that lacks nothing is what was asked for.
pub(crate) fn add_node(
    cluster: &mut Cluster,
    endpoint: &Endpoint,
    role: NewRole,
    context: Context<'_>,
) -> Result<NodeId> {
    add_node_where(cluster, endpoint, role, WholeMembers::Kept, context)
}

/// What becomes of a node that is to be added, and is a member already that lacks nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WholeMembers {
    /// It is what was asked for.
    #[default]
    Kept,
    /// It is refused, as any node that is not empty.
    Refused,
}

/// [`add_node`], where whole members may be refused.
pub(crate) fn add_node_where(
    cluster: &mut Cluster,
    endpoint: &Endpoint,
    role: NewRole,
    members: WholeMembers,
    context: Context<'_>,
) -> Result<NodeId> {
    let mut new = Candidate::look(endpoint, cluster.settings())?;
    let master = role.master_of(cluster, Some(new.node.id))?;
    refuse_same_id(cluster, &mut new)?;
    match standing(cluster, &mut new, context)? {
        Standing::Member if members == WholeMembers::Refused && !lacks_role(&new, role) => {
            return Err(new.not_empty());
        }
        Standing::Member => serve_as(cluster, &mut new, role, context)?,
        Standing::HalfMember if !is_blank(cluster, &new) => {
            keep_known(cluster, &mut new, context)?;
            serve_as(cluster, &mut new, role, context)?;
        }
        Standing::HalfMember => {
            start_over(cluster, &mut new, context)?;
            enter(cluster, &mut new, master, context)?;
        }
        Standing::Stranger | Standing::Foreigner { .. } => {
            new.require_empty()?;
            enter(cluster, &mut new, master, context)?;
        }
    }
    Ok(new.node.id)
}

/// Whether a run before this one may have been interrupted between its two steps: the node was to become a replica, and is
/// an empty master still.
fn lacks_role(new: &Candidate, role: NewRole) -> bool {
    let is_empty_master = new.node.is_master() && new.node.slots.is_empty() && new.info.keys() == 0;
    role != NewRole::Master && is_empty_master
}

/// Like [`add_node`], for a master that is to own slots at once: nobody is about to forget it. Returns its id.
pub(crate) fn add_owner(
    cluster: &mut Cluster,
    endpoint: &Endpoint,
    context: Context<'_>,
) -> Result<NodeId> {
    let before: Vec<NodeId> = cluster.members().iter().map(Member::id).collect();
    let id = add_node(cluster, endpoint, NewRole::Master, context)?;
    // One that came just now was asked for; a member may have been brought back by another tool a moment ago.
    if before.contains(&id) && cluster.member(id)?.node().slots.is_empty() {
        let mut member = Candidate::look(endpoint, cluster.settings())?;
        keep_known(cluster, &mut member, context)?;
    }
    Ok(id)
}

/// Two servers with one id come of a copied nodes.conf, and no cluster can have both. A member that is not where the cluster knows
/// it would stay out of reach.
fn refuse_same_id(cluster: &mut Cluster, new: &mut Candidate) -> Result<()> {
    let (id, endpoint) = (new.node.id, new.connection.endpoint().clone());
    if cluster.myself().id() == id {
        return Err(MembershipError::ItsOwnSeed(endpoint).into());
    }
    let Ok(member) = cluster.member_mut(id) else { return Ok(()) };
    if !member.is_up() {
        let why = member.failure().map(ToString::to_string).unwrap_or_default();
        let at = member.endpoint().clone();
        let is_elsewhere = at != endpoint && !why.is_empty();
        return match is_elsewhere {
            true => Err(MembershipError::KnownElsewhere { node: endpoint, at, why }.into()),
            false => Ok(()),
        };
    }
    let info = info_in(&member.connection()?.call(&commands::info_of("server"))?);
    if info.field("run_id") == new.info.field("run_id") {
        return Ok(());
    }
    Err(MembershipError::IdTaken { node: endpoint, id }.into())
}

/// What the node and the cluster are to each other once the handshakes have ended that a run before this one may have begun.
fn standing(cluster: &mut Cluster, new: &mut Candidate, context: Context<'_>) -> Result<Standing> {
    until_settled(JOIN_DEADLINE, context.cancel, || {
        new.refresh()?;
        Ok(unfinished_handshake(new))
    })?;
    let mut found = Standing::Member;
    let waited = until_settled(HANDSHAKE_TIME, context.cancel, || {
        new.refresh()?;
        cluster.refresh();
        found = Standing::of(&new.topology, &cluster.snapshot());
        Ok((found == Standing::HalfMember).then(|| "half a member".to_owned()))
    });
    match waited {
        Err(Error::NotSettled { .. }) | Ok(()) => Ok(found),
        Err(error) => Err(error),
    }
}

/// Whether the node has nothing to lose: no slots in anybody's view, no keys, nobody who follows it, nobody it follows.
fn is_blank(cluster: &Cluster, new: &Candidate) -> bool {
    let views = || cluster.members().iter().filter_map(Member::topology).chain([&new.topology]);
    let id = new.node.id;
    let owns =
        |topology: &SharedTopology| topology.node(id).is_some_and(|node| !node.slots.is_empty());
    let is_followed = |topology: &SharedTopology| topology.replicas_of(id).next().is_some();
    new.node.is_master() && new.info.keys() == 0 && !views().any(|it| owns(it) || is_followed(it))
}

/// Makes a stranger of half a member that has nothing to lose.
fn start_over(cluster: &mut Cluster, new: &mut Candidate, context: Context<'_>) -> Result<()> {
    let text = format!(
        "{} is known to some nodes only, and holds nothing: it begins anew, with another id",
        new.connection.endpoint()
    );
    context.note(text);
    if let Some(error) = Forgotten::one(new.node.id).tell(cluster).into_iter().next() {
        return Err(error);
    }
    renew(new)
}

/// Makes the node somebody new, whom nobody has forgotten. Servers refuse this where there are keys.
fn renew(new: &mut Candidate) -> Result<()> {
    new.former_ids.push(new.node.id);
    new.connection.call(&commands::reset(Reset::Hard))?;
    new.refresh()
}

/// Brings in a node that is alone and empty; where that fails it is taken out again.
fn enter(
    cluster: &mut Cluster,
    new: &mut Candidate,
    master: Option<NodeId>,
    context: Context<'_>,
) -> Result<()> {
    if master.is_none() {
        functions::carry(cluster, &mut new.connection, context)?;
    }
    let memory = memory_of(cluster, new)?;
    if memory == Memory::Forgotten {
        let text = format!(
            "{} was taken out of the cluster less than a minute ago, and would be forgotten again under that id: it gets \
             a new one (CLUSTER RESET HARD)",
            new.connection.endpoint()
        );
        context.note(text);
        renew(new)?;
    }
    let joined = join(cluster, new, master, context);
    if joined.is_err() {
        context.warn(format!("taking {} out of the cluster again", new.connection.endpoint()));
        take_back(cluster, new, context);
        return joined;
    }
    match memory {
        Memory::Unsure => keep_known(cluster, new, context),
        Memory::Blank | Memory::Forgotten => Ok(()),
    }
}

/// Undoes what can be undone, and names what the user has to undo.
fn take_back(cluster: &mut Cluster, new: &mut Candidate, context: Context<'_>) {
    let id = new.node.id;
    for error in Forgotten::one(id).tell(cluster) {
        context.warn(format!("{error}: make that node forget {id} (CLUSTER FORGET)"));
    }
    if let Err(error) = leave(cluster, new) {
        context.warn(format!("{error}: reset this node before you try again (CLUSTER RESET HARD)"));
    }
}

/// Resets the node until it is alone and nobody knows it any more: handshakes that are under way bring it back.
fn leave(cluster: &mut Cluster, new: &mut Candidate) -> Result<()> {
    renew(new)?;
    let mut former = Forgotten::former(&new.former_ids);
    // The user's request to stop was for the joining.
    until_settled(LEAVE_DEADLINE, &Cancel::new(), || {
        cluster.refresh();
        new.refresh()?;
        if !new.is_alone() {
            renew(new)?;
            former = Forgotten::former(&new.former_ids);
        }
        Ok(former.amiss(cluster))
    })
}

fn join(
    cluster: &mut Cluster,
    new: &mut Candidate,
    master: Option<NodeId>,
    context: Context<'_>,
) -> Result<()> {
    let node = Some(new.connection.endpoint().to_string());
    let leader = master.map(|id| cluster.member(id)).transpose()?;
    let leader = leader.map(|member| member.endpoint().to_string());
    context.step(Step::Meeting { node: node.clone(), master: leader });
    shake_hands(cluster, new)?;
    context.step(Step::WaitingToJoin { node });
    let mut introduced = Instant::now();
    until_settled(JOIN_DEADLINE, context.cancel, || {
        let amiss = stranger(cluster, new)?;
        // Servers drop a handshake that crosses another.
        if amiss.is_some() && introduced.elapsed() >= REPEAT_INTRODUCTION {
            shake_hands(cluster, new)?;
            introduced = Instant::now();
        }
        Ok(amiss)
    })?;
    if let Some(master) = master {
        follow(cluster, new, master)?;
    }
    settle(cluster, new, master, context)
}

/// Gives a member the role that is asked for, if nothing is lost by that.
fn serve_as(
    cluster: &mut Cluster,
    new: &mut Candidate,
    role: NewRole,
    context: Context<'_>,
) -> Result<()> {
    let text = format!("{} is a member of the cluster already", new.connection.endpoint());
    context.note(text);
    let master = role.for_member(&new.node, cluster)?;
    if let Some(master) = master.filter(|master| new.node.master != Some(*master)) {
        follow(cluster, new, master)?;
    }
    settle(cluster, new, master, context)
}

/// Makes the node a replica, and announces that to the others at once: a handshake carries the role.
fn follow(cluster: &Cluster, new: &mut Candidate, master: NodeId) -> Result<()> {
    new.connection.call(&commands::replicate(master))?;
    shake_hands(cluster, new)
}

/// Waits until all see the node in its role, and it sees all of them and has its links.
fn settle(
    cluster: &mut Cluster,
    new: &mut Candidate,
    master: Option<NodeId>,
    context: Context<'_>,
) -> Result<()> {
    let mut former = Forgotten::former(&new.former_ids);
    until_settled(JOIN_DEADLINE, context.cancel, || {
        let amiss = seen_by_all(cluster, &new.node, master)?;
        Ok(former.amiss(cluster).or(amiss))
    })?;
    until_settled(JOIN_DEADLINE, context.cancel, || {
        let amiss = stranger(cluster, new)?;
        Ok(amiss.or_else(|| unfinished_handshake(new)))
    })?;
    await_links(cluster, |id| id == new.node.id, context)
}

/// Waits until every node has known the node for as long as gossip takes to reach all of them, and introduces it again
/// to those that do not. A node that has it on its list of forgotten ones makes others forget it until its minute is over.
fn keep_known(cluster: &mut Cluster, new: &mut Candidate, context: Context<'_>) -> Result<()> {
    let (round, memory) = (gossip_round(cluster), memory_time(cluster));
    let text = format!(
        "Waiting {} s for news that {} was forgotten; if there are, for up to {} s more",
        round.as_secs(),
        new.connection.endpoint(),
        memory.as_secs()
    );
    context.note(text);
    let (mut known_since, mut introduced) = (Instant::now(), None::<Instant>);
    until_settled(memory + round + JOIN_DEADLINE, context.cancel, || {
        let amiss = stranger(cluster, new)?;
        if amiss.is_none() {
            let endpoint = new.connection.endpoint();
            let what = || format!("the nodes did not know {endpoint} for {} s", round.as_secs());
            return Ok((known_since.elapsed() < round).then(what));
        }
        if introduced.is_none_or(|last| last.elapsed() >= REPEAT_INTRODUCTION) {
            shake_hands(cluster, new)?;
            introduced = Some(Instant::now());
        }
        known_since = Instant::now();
        Ok(amiss)
    })
}

/// Introduces the new node to every node that is up, so that none has to wait for gossip.
fn shake_hands(cluster: &Cluster, new: &mut Candidate) -> Result<()> {
    let up = cluster.members().iter().filter(|it| it.is_up() && it.id() != new.node.id);
    let meets: Vec<Command> = up
        .map(|member| crate::candidate::meet(member.endpoint(), member.node()))
        .collect::<Result<_>>()?;
    new.connection.call_all(&meets)?;
    Ok(())
}
