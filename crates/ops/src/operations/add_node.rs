//! A new node joins a cluster: as an empty master, or as a replica.

use std::time::{Duration, Instant};

use redistrib_cluster_model::{Node, NodeId, SharedTopology, Standing, Waits};
use redistrib_resp::{Command, Reply};

use crate::candidate::Candidate;
use crate::cluster::bus::await_links;
use crate::commands::replies::info_in;
use crate::commands::{self, REPEAT_INTRODUCTION, Reset};
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{
    Cluster, Context, Endpoint, Member, MembershipError, Refusal, Step, functions, server_info,
};

/// How long the nodes may take to know a new one.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);
/// How long a handshake may take from one side's end of it to the other's.
const HANDSHAKE_TIME: Duration = Duration::from_secs(2);
/// How long servers keep the ids of nodes that they were told to forget (`CLUSTER_BLACKLIST_TTL`).
const FORGOTTEN_FOR: Duration = Duration::from_secs(60);

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
    /// [`Error::NoSuchNode`], and [`Error::Membership`] for a node that is no master, or where none can be reached.
    pub fn master(self, cluster: &Cluster) -> Result<Option<NodeId>> {
        self.master_of(cluster, None)
    }

    /// The same for a node that may be a member already: it does not follow itself.
    fn master_of(self, cluster: &Cluster, own: Option<NodeId>) -> Result<Option<NodeId>> {
        match self {
            Self::Master => Ok(None),
            Self::ReplicaOf(id) if cluster.member(id)?.node().is_master() => Ok(Some(id)),
            Self::ReplicaOf(id) => Err(MembershipError::NotAMaster(id).into()),
            Self::Replica => match poorest_master(cluster, |it| it.is_up() && Some(it.id()) != own)
            {
                Some(id) => Ok(Some(id)),
                None => Err(MembershipError::NoMasterToFollow.into()),
            },
        }
    }

    /// The same for a node that is a member already, which keeps what it has. Pure.
    fn for_member(self, node: &Node, cluster: &Cluster) -> Result<Option<NodeId>> {
        let id = node.id;
        match (self, node.master) {
            (Self::Master, None) => Ok(None),
            (Self::Replica, Some(master)) => Ok(Some(master)),
            (Self::ReplicaOf(asked), Some(master)) if asked == master => Ok(Some(master)),
            (Self::ReplicaOf(_) | Self::Replica, None) if node.slots.is_empty() => {
                self.master_of(cluster, Some(id))
            }
            (_, None) => {
                Err(MembershipError::IsMaster { node: id, slots: node.slots.len() }.into())
            }
            (_, Some(master)) => Err(MembershipError::IsReplica { node: id, master }.into()),
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
/// in its role. Functions that the cluster has are carried to a master; a replica gets them from its own. A node that is
/// a member already, after an attempt that was interrupted, gets what it lacks.
///
/// A node that has left the cluster is kept on the servers' lists of forgotten ids for a minute, and since Redis 7.2 they
/// tell each other: it comes back with another id.
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
/// What a new cluster refuses; [`Error::Membership`] for a master with functions that the cluster has not, and for a
/// member in another role; those of [`NewRole::master`]; [`Error::NotSettled`], after which a node that was none before has
/// been taken out again.
pub fn add_node(
    cluster: &mut Cluster,
    endpoint: &Endpoint,
    role: NewRole,
    context: Context<'_>,
) -> Result<NodeId> {
    let mut new = Candidate::look(endpoint, cluster.settings())?;
    let master = role.master_of(cluster, Some(new.node.id))?;
    refuse_same_id(cluster, &mut new)?;
    match standing(cluster, &mut new, context)? {
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

/// Two servers with one id come of a copied nodes.conf, and no cluster can have both.
fn refuse_same_id(cluster: &mut Cluster, new: &mut Candidate) -> Result<()> {
    let (id, endpoint) = (new.node.id, new.connection.endpoint().clone());
    if cluster.myself().id() == id {
        return Err(MembershipError::ItsOwnSeed(endpoint).into());
    }
    let Ok(member) = cluster.member_mut(id) else { return Ok(()) };
    if !member.is_up() {
        return Ok(());
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
    context.step(Step::Other { text });
    if let Some(error) = forget(cluster, new.node.id).into_iter().next() {
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
        context.step(Step::Other { text });
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
    for error in forget(cluster, id) {
        context.warn(format!("{error}: make that node forget {id} (CLUSTER FORGET)"));
    }
    if let Err(error) = renew(new) {
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
    context.step(Step::Other { text });
    let master = role.for_member(&new.node, cluster)?;
    if let Some(master) = master.filter(|master| new.node.master != Some(*master)) {
        follow(cluster, new, master)?;
    }
    settle(cluster, new, master, context)
}

/// Makes the node a replica, and tells the others at once: a handshake carries the role.
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
    until_settled(JOIN_DEADLINE, context.cancel, || {
        let amiss = seen_by_all(cluster, &new.node, master)?;
        Ok(forget_former(cluster, new).or(amiss))
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
    context.step(Step::Other { text });
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

/// How long news may take to reach every node: each hears of each other within half a node timeout.
fn gossip_round(cluster: &mut Cluster) -> Duration {
    let timeout = longest(cluster, "cluster-node-timeout", Duration::from_millis);
    timeout.unwrap_or(Waits::default().node_timeout) / 2 + Duration::from_secs(2)
}

/// How long the nodes keep the ids of those that they were told to forget. Newer servers have a setting for it.
fn memory_time(cluster: &mut Cluster) -> Duration {
    longest(cluster, "cluster-blacklist-ttl", Duration::from_secs).unwrap_or(FORGOTTEN_FOR)
}

/// The greatest value of a setting, where every node that answers tells it.
fn longest(
    cluster: &mut Cluster,
    setting: &str,
    unit: impl Fn(u64) -> Duration,
) -> Option<Duration> {
    let told = server_info::ask(cluster, &[setting]);
    let values = told.iter().flatten().map(|info| info.setting_number(setting).map(&unit));
    values.collect::<Option<Vec<_>>>()?.into_iter().max()
}

/// What a cluster remembers of a node that it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Memory {
    /// Nothing.
    Blank,
    /// Some node will make the others forget it, or it will make them forget one of theirs.
    Forgotten,
    /// Not everybody could be asked.
    Unsure,
}

/// Asks whether ids are on lists of forgotten ones. Servers since Redis 7.2, which tell each other of such ids, answer OK where
/// they are to forget what they have forgotten already, and an error where they never knew it. Older ones know
/// a node again as soon as it has introduced itself.
fn memory_of(cluster: &mut Cluster, new: &mut Candidate) -> Result<Memory> {
    let others: Vec<NodeId> = cluster.members().iter().map(Member::id).collect();
    let forgets: Vec<Command> =
        others.into_iter().filter(|other| *other != new.node.id).map(commands::forget).collect();
    new.connection.send(&forgets)?;
    let answers = forgets.iter().map(|command| new.connection.receive(command));
    let mut answers = answers.collect::<Result<Vec<_>>>()?;
    let command = commands::forget(new.node.id);
    let id = new.node.id;
    let told = cluster
        .broadcast(|member| member.is_up() && member.id() != id, std::slice::from_ref(&command));
    answers.extend(told.into_iter().flatten().flatten().flatten());
    let unknown =
        |reply: &Reply| reply.view().as_error().map(Refusal::of) == Some(Refusal::UnknownNode);
    if answers.iter().any(|reply| reply.view().as_error().is_none()) {
        return Ok(Memory::Forgotten);
    }
    let all_asked =
        !cluster.members().iter().any(|member| !member.is_up() && !is_lost(cluster, member));
    let all_told = answers.iter().all(unknown);
    Ok(if all_asked && all_told { Memory::Blank } else { Memory::Unsure })
}

/// Whether the whole cluster takes a node for dead: then it tells nobody anything.
fn is_lost(cluster: &Cluster, member: &Member) -> bool {
    let mut views = cluster.members().iter().filter_map(Member::topology);
    views.all(|view| view.node(member.id()).is_none_or(|node| node.flags.is_failed()))
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

/// Who does not know whom, in words: the new node one that answers, or the other way round.
fn stranger(cluster: &mut Cluster, new: &mut Candidate) -> Result<Option<String>> {
    new.refresh()?;
    cluster.refresh();
    let (id, node) = (new.node.id, new.connection.endpoint());
    let knows = |topology: &SharedTopology, id| {
        topology.node(id).is_some_and(|node| !node.flags.is_handshake())
    };
    let amiss = cluster.members().iter().filter(|it| it.id() != id).find_map(|member| {
        let other = member.endpoint();
        match member.topology() {
            Some(view) if !knows(view, id) => {
                Some(format!("{other} does not know {node} yet: can it reach its bus port?"))
            }
            Some(_) if !knows(&new.topology, member.id()) => {
                Some(format!("{node} does not know {other} yet: can it reach its bus port?"))
            }
            _ => None,
        }
    });
    Ok(amiss)
}

fn unfinished_handshake(new: &Candidate) -> Option<String> {
    let other = new.topology.iter().find(|other| other.flags.is_handshake())?;
    let node = new.connection.endpoint();
    Some(format!("{node} has not finished its handshake with {}", other.address))
}

/// Which reachable node does not see the new one in its role yet, or still shakes hands with it, in words.
fn seen_by_all(
    cluster: &mut Cluster,
    new: &Node,
    master: Option<NodeId>,
) -> Result<Option<String>> {
    cluster.refresh();
    let port = new.address.port;
    let shakes_hands = |node: &Node| node.flags.is_handshake() && node.address.port == port;
    let sees = |topology: &SharedTopology| {
        topology.node(new.id).is_some_and(|it| it.master == master && it.slots == new.slots)
            && !topology.iter().any(shakes_hands)
    };
    let blind =
        cluster.members().iter().find(|member| member.topology().is_some_and(|it| !sees(it)));
    Ok(blind.map(|member| {
        let node = member.endpoint();
        format!("{node} does not see the new node in its role yet: can it reach its bus port?")
    }))
}

/// Makes nodes forget an id that the new node had before: of a handshake that was under way when it was reset, that one
/// may be what the other side learnt. Returns which was still known, in words.
fn forget_former(cluster: &mut Cluster, new: &Candidate) -> Option<String> {
    let is_known = |id: NodeId| {
        cluster.members().iter().filter_map(Member::topology).any(|it| it.node(id).is_some())
    };
    let id = new.former_ids.iter().copied().find(|id| is_known(*id))?;
    let mut failures = forget(cluster, id).into_iter();
    let why = failures.next().map(|error| format!(": {error}")).unwrap_or_default();
    let node = new.connection.endpoint();
    Some(format!("{node} is still known under {id}, its id until it was reset{why}"))
}

/// Makes every reachable node but the one concerned forget it. Returns why some have not; nodes that have forgotten it
/// already are no error.
pub(crate) fn forget(cluster: &mut Cluster, id: NodeId) -> Vec<Error> {
    let command = commands::forget(id);
    let answers = cluster
        .broadcast(|member| member.is_up() && member.id() != id, std::slice::from_ref(&command));
    let mut failures = Vec::new();
    for (member, answer) in cluster.members_mut().iter_mut().zip(answers) {
        let Some(answer) = answer else { continue };
        let forgotten = answer.and_then(|replies| {
            let connection = member.connection()?;
            replies.into_iter().try_for_each(|reply| connection.accept(&command, reply).map(drop))
        });
        let knew = |error: &Error| error.refused() != Some(Refusal::UnknownNode);
        failures.extend(forgotten.err().filter(knew));
    }
    failures
}
