//! All nodes of a cluster, reached from one of them.

pub(crate) mod agreement;
pub(crate) mod candidate;
pub(crate) mod lost;
pub(crate) mod served;
pub mod server_info;
mod sync_delay;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{
    Address, Node, NodeId, NodeName, NodeNameError, NodeView, SharedNodes, SharedTopology, Slot,
    SlotSet, Snapshot, Topology,
};
use redistrib_resp::{Command, Reply};

use crate::Refusal;
use crate::commands;
use crate::conn::{describe, refusal};
use crate::error::{Error, Result};
use crate::{Connection, Endpoint, Settings, TlsSettings};

/// How long a node that was asked beside others is waited for when the time is up for one of them.
const LEAST_WAIT: Duration = Duration::from_millis(50);
/// How long a node may take that is asked only after others have used up the time of all.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// How many items are worked on side by side: enough that a cluster of a thousand nodes far away is asked in a few
/// round trips, and few enough that what they answer does not fill the memory.
const MOST_THREADS: usize = 128;

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
    link: Result<Link, Arc<Error>>,
}

/// What a reachable node gave us.
#[derive(Debug)]
struct Link {
    connection: Connection,
    topology: SharedTopology,
}

impl Member {
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
        let endpoint = &self.endpoint;
        (&self.node, Address::new(endpoint.host(), endpoint.port().unwrap_or_default()))
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
        let (node, topology) = read_topology(&mut connection)?;
        let others = reachable_nodes(&topology, seed, settings);
        let mut known = SharedNodes::default();
        let link = Ok(Link { connection, topology: known.share(topology) });
        let mut members = vec![Member { node, endpoint: seed.clone(), link }];
        members.extend(connect_all(others, settings, known));
        Ok(Self { settings: settings.clone(), seed: seed.clone(), members })
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
    pub fn myself_mut(&mut self) -> &mut Member {
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
    pub fn members_mut(&mut self) -> &mut [Member] {
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

    /// The node of this id as it describes itself, or as the first node that knows it does: also one that has lost its
    /// address, or that the seed has forgotten.
    pub fn known(&self, id: NodeId) -> Option<&Node> {
        let member = self.members.iter().find(|member| member.id() == id).map(Member::node);
        let mut views = self.members.iter().filter_map(Member::topology);
        member.or_else(|| views.find_map(|topology| topology.node(id)))
    }

    /// The node of this name: a member, or one that only other nodes than the seed know. A host name that no node
    /// has is looked up.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`]; [`Error::Precondition`] for the name of several nodes.
    pub fn find(&self, name: &NodeName) -> Result<NodeId> {
        let snapshot = self.snapshot();
        let others = snapshot.nodes().into_iter().filter(|node| self.member(node.id).is_err());
        let others = others.map(|node| (node, node.address.clone()));
        self.find_among(name, self.members.iter().map(Member::place).chain(others))
    }

    /// The master of this name: a replica that could be called so is not meant.
    ///
    /// # Errors
    /// Those of [`Cluster::find`].
    pub fn find_master(&self, name: &NodeName) -> Result<NodeId> {
        self.find_among(name, self.masters().map(Member::place))
    }

    fn find_among<'a>(
        &self,
        name: &NodeName,
        nodes: impl Iterator<Item = (&'a Node, Address)>,
    ) -> Result<NodeId> {
        let nodes: Vec<(&Node, Address)> = nodes.collect();
        let find = |name: &NodeName| name.find(nodes.iter().map(|(node, at)| (*node, at)));
        let found = find(name).or_else(|error| {
            let endpoint: Option<Endpoint> = name.as_str().parse().ok();
            let addresses = endpoint.and_then(|endpoint| endpoint.resolve().ok());
            let mut names =
                addresses.into_iter().flatten().filter_map(|it| it.to_string().parse().ok());
            names.find_map(|name| find(&name).ok()).ok_or(error)
        });
        found.map_err(|error| match error {
            NodeNameError::Unknown(name) => self.no_such_node(&name),
            NodeNameError::Ambiguous { .. } => Error::Precondition(error.to_string()),
        })
    }

    /// The error for an id that no member has.
    pub fn no_such_node(&self, id: &str) -> Error {
        Error::NoSuchNode { id: id.to_owned(), seed: self.seed.clone() }
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
            let asked =
                Address::new(member.endpoint.host(), member.endpoint.port().unwrap_or_default());
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
        let command = commands::cluster_nodes();
        let mut known = SharedNodes::default();
        let read = |connection: &Connection, replies: Vec<Reply>| {
            let reply =
                replies.first().ok_or_else(|| connection.unexpected(&command, "no reply"))?;
            let (node, topology) = parse_topology(connection.endpoint(), &command, reply)?;
            Ok((node, known.share(topology)))
        };
        let commands = std::slice::from_ref(&command);
        let answers = self.ask(MOST_THREADS, |member| member.link.is_ok(), commands, read);
        for (member, answer) in self.members.iter_mut().zip(answers) {
            match (answer, &mut member.link) {
                (Some(Ok((node, topology))), Ok(link)) => {
                    member.node = node;
                    link.topology = topology;
                }
                (Some(Err(error)), link) => *link = Err(error.into()),
                (None, _) | (Some(Ok(_)), Err(_)) => {}
            }
        }
    }

    /// Connects again to nodes whose connection has broken, side by side. One that was never reached stays so.
    pub(crate) fn reconnect(&mut self) {
        let is_broken = |member: &Member| match &member.link {
            Ok(link) => link.connection.is_broken(),
            Err(error) => matches!(**error, Error::Closed { .. } | Error::Io { .. }),
        };
        let broken = self.members.iter().enumerate().filter(|(_, member)| is_broken(member));
        let broken =
            broken.map(|(place, member)| (place, (member.node.clone(), member.endpoint.clone())));
        let (places, nodes): (Vec<usize>, Vec<_>) = broken.unzip();
        let fresh = connect_all(nodes, &self.settings, SharedNodes::default());
        for (place, member) in places.into_iter().zip(fresh) {
            self.members[place] = member;
        }
    }

    /// Sends the same commands to all members that `which` accepts, then collects the replies: one wait
    /// for all of them. The result stands in the members' order; `None` for those left out. Error replies
    /// are replies.
    pub fn broadcast(
        &mut self,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
    ) -> Vec<Option<Result<Vec<Reply>>>> {
        self.ask(usize::MAX, which, commands, |_, replies| Ok(replies))
    }

    /// [`Cluster::broadcast`] where an error reply is an error: whether each member accepted all commands.
    pub(crate) fn instruct(
        &mut self,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
    ) -> Vec<Option<Result<()>>> {
        self.ask(usize::MAX, which, commands, |connection, replies| {
            let mut answered = commands.iter().zip(replies);
            answered.try_for_each(|(command, reply)| connection.accept(command, reply).map(drop))
        })
    }

    /// [`Cluster::broadcast`] to at most `most` members at a time, that keeps of each member's replies what `read` makes
    /// of them: the replies of all together may be large, for the memory as for the network.
    fn ask<T>(
        &mut self,
        most: usize,
        which: impl Fn(&Member) -> bool,
        commands: &[Command],
        mut read: impl FnMut(&Connection, Vec<Reply>) -> Result<T>,
    ) -> Vec<Option<Result<T>>> {
        let mut answers = Vec::with_capacity(self.members.len());
        let patience = Patience::default();
        for members in self.members.chunks_mut(most) {
            let sent: Vec<Option<Result<()>>> = members
                .iter_mut()
                .map(|member| which(member).then(|| member.connection()?.send(commands)))
                .collect();
            let started = Instant::now();
            let mut collect = |member: &mut Member| {
                let connection = member.connection()?;
                let replies = receive_all(connection, commands, &patience, started)?;
                read(connection, replies)
            };
            let asked = members.iter_mut().zip(sent);
            answers.extend(
                asked.map(|(member, sent)| sent.map(|sent| sent.and_then(|()| collect(member)))),
            );
        }
        answers
    }

    /// A new connection to a member, for a thread of its own.
    ///
    /// # Errors
    /// Those of [`Connection::open`], and [`Error::NoSuchNode`].
    pub fn connect(&self, id: NodeId) -> Result<Connection> {
        Connection::open(self.member(id)?.endpoint(), &self.settings)
    }
}

/// The replies to commands that were sent to several nodes at once. Nodes are silent side by side: the first reply of
/// each has had the time of all before it.
fn receive_all(
    connection: &mut Connection,
    commands: &[Command],
    patience: &Patience,
    started: Instant,
) -> Result<Vec<Reply>> {
    let most = patience.of(connection.timeout());
    let mut wait = Some(most.saturating_sub(started.elapsed()).max(LEAST_WAIT));
    let receive = |command| match wait.take() {
        None => connection.receive(command),
        Some(wait) => match connection.receive_within(command, wait)? {
            Some(reply) => Ok(reply),
            None => {
                patience.use_up(started.elapsed());
                Err(connection.give_up(command, connection.timeout()))
            }
        },
    };
    commands.iter().map(receive).collect()
}

/// What nodes that do not answer leave of the time for those that are asked after them: a thousand that hang are not to
/// take a thousand times as long as one.
#[derive(Debug, Default)]
struct Patience {
    used: Mutex<Duration>,
}

impl Patience {
    /// What is left of a time limit.
    fn of(&self, limit: Duration) -> Duration {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        limit.saturating_sub(used).max(LEAST_PATIENCE.min(limit))
    }

    /// Notes that a node has been waited for so long in vain.
    fn use_up(&self, time: Duration) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        *used = time.max(*used);
    }
}

/// Asks one node how it sees itself and the cluster.
pub(crate) fn read_topology(connection: &mut Connection) -> Result<(Node, Topology)> {
    let command = commands::cluster_nodes();
    let reply = call_for_topology(connection, &command)?;
    parse_topology(connection.endpoint(), &command, &reply)
}

fn call_for_topology(connection: &mut Connection, command: &Command) -> Result<Reply> {
    connection.call(command).map_err(|error| match error.refused() {
        Some(Refusal::NoCluster) => Error::NotCluster { node: connection.endpoint().clone() },
        _ => error,
    })
}

fn parse_topology(node: &Endpoint, command: &Command, reply: &Reply) -> Result<(Node, Topology)> {
    let unexpected =
        |what: String| Error::Unexpected { node: node.clone(), command: describe(command), what };
    let view = reply.view();
    if let Some(error) = refusal(node, command, view) {
        return Err(error);
    }
    let text = view.as_bytes().ok_or_else(|| unexpected("no text".into()))?;
    let topology = Topology::parse(text).map_err(|error| unexpected(error.to_string()))?;
    let myself = topology.myself().ok_or_else(|| unexpected("no line is its own".into()))?.clone();
    Ok((myself, topology))
}

/// The nodes other than the one asked that have an address to connect to.
fn reachable_nodes(
    topology: &Topology,
    seed: &Endpoint,
    settings: &Settings,
) -> Vec<(Node, Endpoint)> {
    let others = topology.nodes.iter().filter(|node| !node.flags.is_myself());
    others
        .filter(|node| {
            !node.flags.is_handshake() && !node.flags.is_without_address() && node.address.port != 0
        })
        .map(|node| (node.clone(), dialled(node, seed, settings)))
        .collect()
}

/// Where a node is reached; one without a host of its own is where we found the seed.
pub(crate) fn endpoint_of(node: &Node, seed: &Endpoint) -> Endpoint {
    let host = if node.address.host.is_empty() { seed.host() } else { &node.address.host };
    Endpoint::tcp(host, node.address.port)
}

/// Where we connect to a node: by the name it announces where certificates are checked for names.
pub(crate) fn dialled(node: &Node, seed: &Endpoint, settings: &Settings) -> Endpoint {
    let by_name = settings.tls.as_ref().is_some_and(TlsSettings::verifies_names);
    match node.address.hostname.as_deref().filter(|name| by_name && !name.is_empty()) {
        Some(name) => Endpoint::tcp(name, node.address.port),
        None => endpoint_of(node, seed),
    }
}

/// Connects to all nodes side by side.
fn connect_all(
    nodes: Vec<(Node, Endpoint)>,
    settings: &Settings,
    known: SharedNodes,
) -> Vec<Member> {
    let (known, patience) = (Mutex::new(known), Patience::default());
    let look = |told: &Node, endpoint: &Endpoint| {
        let hurried = Settings {
            connect_timeout: patience.of(settings.connect_timeout),
            timeout: patience.of(settings.timeout),
            ..settings.clone()
        };
        let mut connection = Connection::open(endpoint, &hurried)?;
        let command = commands::cluster_nodes();
        let reply = call_for_topology(&mut connection, &command)?;
        connection.set_timeout(settings.timeout);
        // A view takes room until it is shared: one at a time.
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let (node, topology) = parse_topology(endpoint, &command, &reply)?;
        // The address of a node that is gone may be another cluster's by now.
        if node.id != told.id {
            let what = format!("node {} was expected there, and {} answers", told.id, node.id);
            return Err(connection.unexpected(&command, what));
        }
        Ok((node, Link { connection, topology: known.share(topology) }))
    };
    let links = in_parallel(&nodes, |(told, endpoint)| {
        let started = Instant::now();
        let link = look(told, endpoint);
        if link.as_ref().is_err_and(Error::is_unreachable) {
            patience.use_up(started.elapsed());
        }
        link
    });
    nodes
        .into_iter()
        .zip(links)
        .map(|((told, endpoint), link)| match link {
            Ok((node, link)) => Member { node, endpoint, link: Ok(link) },
            Err(error) => Member { node: told, endpoint, link: Err(error.into()) },
        })
        .collect()
}

/// Runs `work` on all items side by side; results stand in the items' order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items.iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || -> Vec<(usize, R)> {
        std::iter::from_fn(&next).map(|(place, item)| (place, work(item))).collect()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        // The system may grant fewer threads than asked for; this one works, too, so that all is done even with none.
        let spawn = |_| thread::Builder::new().spawn_scoped(scope, run).ok();
        let threads: Vec<_> = (1..items.len().min(MOST_THREADS)).map_while(spawn).collect();
        let own = run();
        let join = |it: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
            it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        own.into_iter().chain(threads.into_iter().flat_map(join)).collect()
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_items_than_threads_are_all_worked_on_in_their_order() {
        let items: Vec<usize> = (0..10 * MOST_THREADS).collect();
        let (now, most) = (Mutex::new(0), Mutex::new(0));
        let doubled = in_parallel(&items, |item| {
            let at_work = {
                let mut now = now.lock().unwrap();
                *now += 1;
                *now
            };
            let mut most = most.lock().unwrap();
            *most = at_work.max(*most);
            drop(most);
            *now.lock().unwrap() -= 1;
            item * 2
        });
        assert!(doubled.iter().enumerate().all(|(place, double)| *double == place * 2));
        assert!(doubled.len() == items.len() && *most.lock().unwrap() <= MOST_THREADS);
    }
}
