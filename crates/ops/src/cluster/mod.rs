//! All nodes of a cluster, reached from one of them.

pub(crate) mod agreement;
mod ask;
pub(crate) mod black_list;
pub(crate) mod bus;
pub(crate) mod candidate;
mod find;
pub(crate) mod lost;
mod parallel;
pub(crate) mod same_id;
pub(crate) mod served;
pub mod server_info;
pub(crate) mod sync_delay;
pub(crate) mod unanswered;
mod view;

use std::sync::Arc;

use redistrib_cluster_model::{
    Address, Node, NodeId, NodeView, SharedNodes, SharedTopology, Slot, SlotSet, Snapshot,
};
use redistrib_resp::{Command, Reply};

pub(crate) use parallel::in_parallel;
pub(crate) use view::{
    ViewsAlike, dialled, endpoint_of, parse_view, reachable_nodes, read_topology,
};

use self::ask::Asking;
use crate::commands;
use crate::error::{Error, Result};
use crate::{Connection, Endpoint, Settings};

/// How many nodes are asked at a time how they see their cluster, at most, and how many bytes they may answer together: what
/// has arrived and is not read yet takes room, and a slow network is shared by all.
const VIEWS_AT_A_TIME: usize = parallel::MOST_THREADS;
const BYTES_AT_A_TIME: usize = 64 << 20;

/// The nodes of a cluster with a connection to each that can be reached.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings};
/// let cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for member in cluster.members() {
///     println!("{} {} {}", member.id(), member.endpoint(), member.is_up());
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Cluster {
    settings: Settings,
    seed: Endpoint,
    members: Vec<Member>,
}

/// One node of a [`Cluster`].
#[derive(Debug)]
pub struct Member {
    node: Node,
    endpoint: Endpoint,
    link: Result<Reached, Arc<Error>>,
}

/// What a reachable node gave us.
#[derive(Debug)]
struct Reached {
    connection: Connection,
    topology: SharedTopology,
}

impl Member {
    /// A node that others know, to which no connection has been made yet.
    fn unseen(node: Node, endpoint: Endpoint, settings: &Settings) -> Self {
        let connection = Connection::resting(&endpoint, settings);
        Self {
            node,
            endpoint,
            link: Ok(Reached { connection, topology: SharedTopology::default() }),
        }
    }

    fn is_unseen(&self) -> bool {
        self.topology().is_some_and(SharedTopology::is_empty)
    }

    /// Notes how the node sees itself and the cluster. A new one must be the one that others know: the address of a node
    /// that is gone may be another cluster's by now.
    fn saw(&mut self, seen: Result<(Node, SharedTopology)>) {
        let is_unseen = self.is_unseen();
        let seen = seen.and_then(|(node, topology)| {
            if is_unseen && node.id != self.node.id {
                let what =
                    format!("node {} was expected there, and {} answers", self.node.id, node.id);
                return Err(self.connection()?.unexpected(&commands::cluster_nodes(), what));
            }
            Ok((node, topology))
        });
        match (seen, &mut self.link) {
            (Ok((node, topology)), Ok(link)) => {
                self.node = node;
                link.topology = topology;
            }
            (Err(error), link) => *link = Err(error.into()),
            (Ok(_), Err(_)) => {}
        }
    }

    /// The node's id.
    pub fn id(&self) -> NodeId {
        self.node.id
    }

    /// Where it is reached.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The node as it describes itself; where it is unreachable, as the seed describes it.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The node and the address at which it is reached.
    fn place(&self) -> (&Node, Address) {
        (&self.node, self.endpoint.address())
    }

    /// Whether it is a master, by its own word.
    pub fn is_master(&self) -> bool {
        self.node.is_master()
    }

    /// The cluster as this node sees it.
    pub fn topology(&self) -> Option<&SharedTopology> {
        self.link.as_ref().ok().map(|link| &link.topology)
    }

    /// Whether there is a working connection.
    pub fn is_up(&self) -> bool {
        self.link.as_ref().is_ok_and(|link| !link.connection.is_broken())
    }

    /// Why there is no connection.
    pub fn failure(&self) -> Option<&Error> {
        self.link.as_ref().err().map(Arc::as_ref)
    }

    /// The connection.
    ///
    /// # Errors
    /// [`Error::Unreachable`] with why there is none.
    pub fn connection(&mut self) -> Result<&mut Connection> {
        match &mut self.link {
            Ok(link) => Ok(&mut link.connection),
            Err(why) => Err(Error::Unreachable(Arc::clone(why))),
        }
    }
}

impl Cluster {
    /// Connects to `seed`, learns the other nodes from it and connects to all of them at the same time.
    /// A node that cannot be reached is a member all the same, with its [`Member::failure`].
    ///
    /// # Errors
    /// Those of [`Connection::open`] and [`Connection::call`] for the seed; [`Error::NotCluster`].
    pub fn discover(seed: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Connection::open(seed, settings)?;
        let views = ViewsAlike::default();
        let (node, topology) = views.read(&mut connection)?;
        let others = reachable_nodes(&topology, seed, settings);
        let link = Ok(Reached { connection, topology });
        let mut members = vec![Member { node, endpoint: seed.clone(), link }];
        members.extend(others.into_iter().map(|(node, at)| Member::unseen(node, at, settings)));
        let mut cluster = Self { settings: settings.clone(), seed: seed.clone(), members };
        cluster.look(views.into_nodes(), Member::is_unseen)?;
        Ok(cluster)
    }

    /// Learns the nodes from the seed again: some have come or gone.
    ///
    /// # Errors
    /// Those of [`Cluster::discover`].
    pub(crate) fn rediscover(&mut self) -> Result<()> {
        *self = Self::discover(&self.seed, &self.settings)?;
        Ok(())
    }

    /// Makes a member of a node that only others than the seed know, if it has an address.
    pub(crate) fn take_in(&mut self, id: NodeId) {
        if self.member(id).is_ok() {
            return;
        }
        let views = self.members.iter().filter_map(Member::topology);
        let mut places = views.flat_map(|view| reachable_nodes(view, &self.seed, &self.settings));
        let Some((node, at)) = places.find(|(node, _)| node.id == id) else { return };
        self.members.push(Member::unseen(node, at, &self.settings));
        // Whether it can be reached is noted with it.
        let _ = self.look(SharedNodes::default(), Member::is_unseen);
    }

    /// The nodes that `seed` knows and that have an address, itself first, with where they are reached.
    ///
    /// # Errors
    /// Those of [`Cluster::discover`].
    pub(crate) fn nodes_known_to(
        seed: &Endpoint,
        settings: &Settings,
    ) -> Result<Vec<(NodeId, Endpoint)>> {
        let (node, topology) = read_topology(&mut Connection::open(seed, settings)?)?;
        let others = reachable_nodes(&topology, seed, settings).into_iter();
        let others = others.map(|(node, endpoint)| (node.id, endpoint));
        Ok(std::iter::once((node.id, seed.clone())).chain(others).collect())
    }

    /// The node the others were learnt from.
    pub fn seed(&self) -> &Endpoint {
        &self.seed
    }

    /// The node the others were learnt from, as a member.
    pub fn myself(&self) -> &Member {
        &self.members[0]
    }

    /// The same, for use of its connection.
    pub(crate) fn myself_mut(&mut self) -> &mut Member {
        &mut self.members[0]
    }

    /// How the connections were made.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All nodes, the seed first.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// All nodes, for use of their connections.
    pub(crate) fn members_mut(&mut self) -> &mut [Member] {
        &mut self.members
    }

    /// The masters, in the seed's order.
    pub fn masters(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(|member| member.node.is_master())
    }

    /// The replicas of a master.
    pub fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = &Member> {
        self.members.iter().filter(move |member| member.node.master == Some(master))
    }

    /// The member with this id.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`].
    pub fn member(&self, id: NodeId) -> Result<&Member> {
        let found = self.members.iter().find(|member| member.id() == id);
        found.ok_or_else(|| self.no_such_node(&id.to_string()))
    }

    /// The member with this id, for use of its connection.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`].
    pub fn member_mut(&mut self, id: NodeId) -> Result<&mut Member> {
        match self.members.iter().position(|member| member.id() == id) {
            Some(position) => Ok(&mut self.members[position]),
            None => Err(self.no_such_node(&id.to_string())),
        }
    }

    /// The master that owns a slot, by what each node says of itself.
    pub fn owner(&self, slot: Slot) -> Option<&Member> {
        self.masters().find(|member| member.node.slots.contains(slot))
    }

    /// The slots that some reachable or known master owns.
    pub fn covered(&self) -> SlotSet {
        self.masters().fold(SlotSet::new(), |all, member| all.union(&member.node.slots))
    }

    /// What every node says of the cluster.
    pub fn snapshot(&self) -> Snapshot {
        let views = self.members.iter().map(|member| {
            let asked = member.endpoint.address();
            match &member.link {
                Ok(link) => NodeView::answered(asked, link.topology.clone()),
                Err(error) => NodeView::unreachable(Some(member.id()), asked, error.to_string()),
            }
        });
        Snapshot { views: views.collect() }
    }

    /// Asks every node again how it sees the cluster. A node that does not answer becomes unreachable, and one that
    /// was unreachable before stays so.
    pub fn refresh(&mut self) {
        // Want of descriptors says nothing of a node: it stays as it was seen last.
        self.refresh_of(|_| true);
    }

    /// The same of some of the nodes.
    pub(crate) fn refresh_of(&mut self, which: impl Fn(&Member) -> bool) {
        let _ = self.look(SharedNodes::default(), |member| member.link.is_ok() && which(member));
    }

    /// Asks the members that `which` accepts how they see the cluster.
    ///
    /// # Errors
    /// [`Error::OpenFiles`].
    fn look(&mut self, mut known: SharedNodes, which: impl Fn(&Member) -> bool) -> Result<()> {
        let command = commands::cluster_nodes();
        let read = |connection: &Connection, replies: Vec<Reply>| {
            let reply =
                replies.first().ok_or_else(|| connection.unexpected(&command, "no reply"))?;
            parse_view(connection.endpoint(), &command, reply, &mut known)
        };
        let size = 128 * self.members.len();
        let most = (BYTES_AT_A_TIME / size.max(1)).clamp(1, VIEWS_AT_A_TIME);
        let commands: Arc<[Command]> = Arc::new([command.clone()]);
        let asking = Asking::new(&mut self.members, &self.settings, most);
        let answers = asking.ask(|member| which(member).then(|| Arc::clone(&commands)), read);
        let mut outcome = Ok(());
        for (member, answer) in self.members.iter_mut().zip(answers) {
            match answer {
                Some(Err(error @ Error::OpenFiles { .. })) => outcome = Err(error),
                Some(seen) => member.saw(seen),
                None => {}
            }
        }
        outcome
    }

    /// Connects again to nodes whose connection has broken or that were not ready, side by side, and to silent owners of
    /// slots: without them no slot moves. Any other that was never reached stays so.
    pub(crate) fn reconnect(&mut self) {
        let is_broken = |member: &Member| match &member.link {
            Ok(link) => link.connection.is_broken(),
            Err(_) if !member.node.slots.is_empty() => true,
            Err(error) => {
                error.is_passing() || matches!(**error, Error::Closed { .. } | Error::Io { .. })
            }
        };
        let broken = self.members.iter().enumerate().filter(|(_, member)| is_broken(member));
        let broken =
            broken.map(|(place, member)| (place, (member.node.clone(), member.endpoint.clone())));
        for (place, (node, endpoint)) in broken.collect::<Vec<_>>() {
            self.members[place] = Member::unseen(node, endpoint, &self.settings);
        }
        // Who cannot be seen now is tried again at the next use.
        let _ = self.look(SharedNodes::default(), Member::is_unseen);
    }

    /// Sends the same commands to all members that `which` accepts, then collects the replies: one wait
    /// for all of them. The result stands in the members' order; `None` for those left out. Error replies
    /// are replies.
    pub(crate) fn broadcast(
        &mut self,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
    ) -> Vec<Option<Result<Vec<Reply>>>> {
        self.hear(which, commands, |_, replies| Ok(replies))
    }

    /// [`Cluster::broadcast`] where an error reply is an error: whether each member accepted all commands.
    pub(crate) fn instruct(
        &mut self,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
    ) -> Vec<Option<Result<()>>> {
        self.hear(which, commands, |connection, replies| {
            let mut answered = commands.iter().zip(replies);
            answered.try_for_each(|(command, reply)| connection.accept(command, reply).map(drop))
        })
    }

    /// [`Cluster::broadcast`] that keeps of each member's replies what `read` makes of them as soon as they are there.
    pub(crate) fn hear<T>(
        &mut self,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
        read: impl FnMut(&Connection, Vec<Reply>) -> Result<T>,
    ) -> Vec<Option<Result<T>>> {
        let commands: Arc<[Command]> = commands.into();
        self.hear_each(|member| which(member).then(|| Arc::clone(&commands)), read)
    }

    /// [`Cluster::hear`] where each member may be sent something else, or nothing.
    pub(crate) fn hear_each<T>(
        &mut self,
        commands: impl Fn(&Member) -> Option<Arc<[Command]>>,
        read: impl FnMut(&Connection, Vec<Reply>) -> Result<T>,
    ) -> Vec<Option<Result<T>>> {
        Asking::new(&mut self.members, &self.settings, usize::MAX).ask(commands, read)
    }

    /// A new connection to a member, for a thread of its own.
    ///
    /// # Errors
    /// Those of [`Connection::open`], and [`Error::NoSuchNode`].
    pub fn connect(&self, id: NodeId) -> Result<Connection> {
        Connection::open(self.member(id)?.endpoint(), &self.settings)
    }
}
