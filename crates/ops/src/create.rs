//! A new cluster out of empty nodes.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use redistrib_cluster_model::plan::create::{CreatePlan, plan_create};
use redistrib_cluster_model::{Address, NodeId, SlotSet};
use redistrib_resp::Command;

use crate::candidate::Candidate;
use crate::cluster::{in_parallel, read_topology};
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Context, Endpoint, Settings, Step};

/// How long nodes may take to know each other. They need a few rounds of their 100 ms clock.
const JOIN_DEADLINE: Duration = Duration::from_secs(20);

/// How long an introduction is given to take effect before it is made again.
const REPEAT_INTRODUCTION: Duration = Duration::from_millis(400);

/// The largest cluster in which every node is introduced to every other. Beyond it gossip does the rest.
const MESH_LIMIT: usize = 64;

/// Nodes that can become a cluster: in cluster mode, empty, knowing no other node.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Candidates, Context, Endpoint, Settings, Silent};
/// let nodes: Vec<Endpoint> = (7000..7006).map(|port| Endpoint::tcp("127.0.0.1", port)).collect();
/// let candidates = Candidates::survey(&nodes, &Settings::default())?;
/// let plan = candidates.plan(1, 3)?;
/// let cancel = Cancel::new();
/// candidates.create(&plan, Context::new(&Silent, &cancel))?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Candidates {
    nodes: Vec<Candidate>,
}

impl Candidates {
    /// Connects to all nodes at the same time and makes sure that each is fit to join a new cluster.
    ///
    /// # Errors
    /// [`Error::NotEmpty`] for a node that has keys, owns slots or knows others; [`Error::Precondition`] for one given twice,
    /// and instead of that with the command that resets all of them, where none has keys and they know nobody else;
    /// [`Error::NotCluster`]; and those of [`Connection::open`](crate::Connection::open). Nothing has been changed then.
    pub fn survey(endpoints: &[Endpoint], settings: &Settings) -> Result<Self> {
        refuse_twins(endpoints.iter().map(|endpoint| (endpoint, endpoint.to_string())), |a, _| {
            format!("node {a} is named twice")
        })?;
        let surveyed = in_parallel(endpoints, |endpoint| Candidate::look(endpoint, settings));
        let nodes = surveyed.into_iter().collect::<Result<Vec<_>>>()?;
        let empty = nodes.iter().try_for_each(Candidate::require_empty);
        empty.map_err(|error| how_to_empty(error, &nodes))?;
        refuse_twins(nodes.iter().map(|it| (it.connection.endpoint(), it.node.id)), |a, b| {
            format!(
                "{a} and {b} have the same node id: one node under two addresses, or a copied nodes.conf"
            )
        })?;
        Ok(Self { nodes })
    }

    /// Each node's place in the order given, with its id.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|candidate| candidate.node.id).collect()
    }

    /// The nodes' addresses in the order given.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(|candidate| candidate.connection.endpoint().clone()).collect()
    }

    /// Lays out a cluster of these nodes with `replicas` replicas for each of at least `min_masters` masters.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`Error::Layout`] where there are too few nodes.
    pub fn plan(&self, replicas: usize, min_masters: usize) -> Result<CreatePlan> {
        let endpoints = self.nodes.iter().map(|candidate| candidate.connection.endpoint());
        let addresses: Vec<Address> =
            endpoints.map(|it| Address::new(it.host(), it.port().unwrap_or_default())).collect();
        Ok(plan_create(&addresses, replicas, min_masters)?)
    }

    /// Makes the planned cluster and returns when all nodes know and agree on it.
    ///
    /// The nodes serve commands as soon as each reports `cluster_state:ok`, which servers put off for as
    /// long as their `cluster-node-timeout` (at most 5 s).
    ///
    /// # Errors
    /// Those of [`Connection::call`](crate::Connection::call); [`Error::NotSettled`] with the nodes that do not know each other. The nodes are
    /// reset then, so that the same command can be tried again.
    pub fn create(mut self, plan: &CreatePlan, context: Context<'_>) -> Result<()> {
        let result = self.build(plan, context);
        if result.is_err() {
            self.undo(context);
        }
        result
    }

    fn build(&mut self, plan: &CreatePlan, context: Context<'_>) -> Result<()> {
        context.step(Step::AssigningSlots);
        self.assign_slots(plan)?;
        context.step(Step::AssigningEpochs);
        self.assign_epochs()?;
        context.step(Step::Meeting);
        self.introduce()?;
        context.step(Step::WaitingToJoin);
        self.settle(context, Self::strangers).map_err(|error| self.why_strangers(error))?;
        self.follow_masters(plan)?;
        self.introduce()?;
        self.settle(context, |nodes| nodes.unsettled(plan))
    }

    /// Waits until `look` finds nothing amiss. Servers drop a handshake that crosses another, so the nodes
    /// introduce themselves again from time to time.
    fn settle(
        &mut self,
        context: Context<'_>,
        mut look: impl FnMut(&mut Self) -> Result<Option<String>>,
    ) -> Result<()> {
        let mut introduced = Instant::now();
        until_settled(JOIN_DEADLINE, context.cancel, || {
            let amiss = look(self)?;
            if amiss.is_some() && introduced.elapsed() >= REPEAT_INTRODUCTION {
                self.introduce()?;
                introduced = Instant::now();
            }
            Ok(amiss)
        })
    }

    fn assign_slots(&mut self, plan: &CreatePlan) -> Result<()> {
        for master in &plan.masters {
            let slots = master.slots().iter().map(|slot| slot.get());
            let command = slots.fold(Command::new("CLUSTER").arg("ADDSLOTS"), Command::arg);
            self.nodes[master.node].connection.call(&command)?;
        }
        Ok(())
    }

    /// Distinct epochs from the start spare the nodes the resolution of collisions. A node that was in a cluster
    /// before may still have its epoch from there, and no server lets that be set.
    fn assign_epochs(&mut self) -> Result<()> {
        for (position, candidate) in self.nodes.iter_mut().enumerate() {
            if candidate.node.config_epoch > 0 {
                continue;
            }
            let command = Command::new("CLUSTER").arg("SET-CONFIG-EPOCH").arg(position as u64 + 1);
            candidate.connection.call(&command)?;
        }
        Ok(())
    }

    /// Makes the nodes shake hands with each other. Handshakes carry a node's slots and role at once, where
    /// gossip would take seconds to spread them. In a large cluster each shakes hands with the first alone.
    fn introduce(&mut self) -> Result<()> {
        let meets = self.nodes.iter().map(Candidate::meet).collect::<Result<Vec<_>>>()?;
        let partners = if meets.len() <= MESH_LIMIT { meets.len() } else { 1 };
        for (position, candidate) in self.nodes.iter_mut().enumerate() {
            let others =
                meets.iter().take(partners).enumerate().filter(|(other, _)| *other != position);
            let chosen: Vec<Command> = others.map(|(_, meet)| meet.clone()).collect();
            candidate.connection.call_all(&chosen)?;
        }
        Ok(())
    }

    fn follow_masters(&mut self, plan: &CreatePlan) -> Result<()> {
        let ids = self.ids();
        for replica in &plan.replicas {
            let command =
                Command::new("CLUSTER").arg("REPLICATE").arg(ids[replica.master].to_string());
            self.nodes[replica.node].connection.call(&command)?;
        }
        Ok(())
    }

    /// Which node does not know which other yet, in words.
    fn strangers(&mut self) -> Result<Option<String>> {
        let all: Vec<(NodeId, Endpoint)> = self.ids().into_iter().zip(self.endpoints()).collect();
        for candidate in &mut self.nodes {
            let (_, topology) = read_topology(&mut candidate.connection)?;
            let known =
                |id: NodeId| topology.node(id).is_some_and(|node| !node.flags.is_handshake());
            if let Some((_, other)) = all.iter().find(|(id, _)| !known(*id)) {
                return Ok(Some(format!(
                    "{} does not know {other} yet",
                    candidate.connection.endpoint()
                )));
            }
        }
        Ok(None)
    }

    /// Why the nodes did not meet: what is announced wrongly, which bus port does not answer.
    fn why_strangers(&mut self, error: Error) -> Error {
        let Error::NotSettled { mut what, after } = error else { return error };
        for candidate in &mut self.nodes {
            let endpoint = candidate.connection.endpoint().clone();
            let Ok((node, _)) = read_topology(&mut candidate.connection) else { continue };
            let reached = endpoint.resolve().unwrap_or_default();
            let announced = &node.address.host;
            let reaches = |address: &SocketAddr| address.ip().to_string() == *announced;
            if !announced.is_empty() && !reached.iter().any(reaches) {
                what += &format!(
                    "; {endpoint} announces itself as {announced}: see its cluster-announce-ip"
                );
            }
            if let Some(bus) = node.address.bus_port()
                && let Err(refused) = probe(&endpoint, bus)
            {
                what += &format!(
                    "; bus port {bus} of {endpoint} cannot be reached from here either: {refused}"
                );
            }
        }
        what += "; every node must reach every other node's port and bus port: check firewalls";
        Error::NotSettled { what, after }
    }

    /// Which node does not see the planned cluster yet, in words.
    fn unsettled(&mut self, plan: &CreatePlan) -> Result<Option<String>> {
        let ids = self.ids();
        let masters = plan
            .masters
            .iter()
            .map(|it| (ids[it.node], (None, SlotSet::from_iter(it.slots().iter()))));
        let replicas =
            plan.replicas.iter().map(|it| (ids[it.node], (Some(ids[it.master]), SlotSet::new())));
        let planned: Vec<(NodeId, (Option<NodeId>, SlotSet))> = masters.chain(replicas).collect();
        for candidate in &mut self.nodes {
            let (_, topology) = read_topology(&mut candidate.connection)?;
            let differs = |(id, (master, slots)): &&(NodeId, (Option<NodeId>, SlotSet))| {
                topology.node(*id).is_none_or(|node| node.master != *master || node.slots != *slots)
            };
            let node = candidate.connection.endpoint();
            if let Some((id, _)) = planned.iter().find(differs) {
                return Ok(Some(format!("{node} does not see node {id} in its planned role yet")));
            }
            if let Some(other) = topology.nodes.iter().find(|other| other.flags.is_handshake()) {
                return Ok(Some(format!(
                    "{node} has not finished its handshake with {}",
                    other.address
                )));
            }
        }
        Ok(None)
    }

    /// Sets the nodes back to what the survey found: empty and alone. Servers refuse this where keys have arrived.
    fn undo(&mut self, context: Context<'_>) {
        let reset = Command::new("CLUSTER").arg("RESET").arg("HARD");
        for candidate in &mut self.nodes {
            if let Err(error) = candidate.connection.call(&reset) {
                context.warn(format!(
                    "{error}: reset this node before you try again (CLUSTER RESET HARD)"
                ));
            }
        }
    }
}

/// The error, with the command that makes all such nodes fit again; only where nobody else would miss them: none has a key,
/// and whom they know is among them. A member without keys may belong to a cluster that has some.
fn how_to_empty(error: Error, nodes: &[Candidate]) -> Error {
    let is_named = |id: NodeId| nodes.iter().any(|it| it.node.id == id);
    let is_missed = |it: &Candidate| {
        let mut known = it.topology.iter();
        it.info.keys() > 0 || known.any(|node| !node.flags.is_handshake() && !is_named(node.id))
    };
    if nodes.iter().any(is_missed) {
        return error;
    }
    let left_over = nodes.iter().filter(|it| it.require_empty().is_err());
    let left_over: Vec<String> = left_over.map(|it| it.connection.endpoint().to_string()).collect();
    Error::Precondition(format!(
        "{error}; if that is what an interrupted attempt has left: for node in {}; do redis-trib exec $node CLUSTER \
         RESET HARD; done",
        left_over.join(" ")
    ))
}

/// Whether anything listens on a node's bus port, as seen from here.
fn probe(node: &Endpoint, bus_port: u16) -> Result<()> {
    let bus = Endpoint::tcp(node.host(), bus_port);
    let address = bus.resolve()?.into_iter().next();
    let connected =
        address.map(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)));
    match connected {
        Some(Err(source)) => Err(Error::Connect { node: bus, source }),
        _ => Ok(()),
    }
}

fn refuse_twins<'a, K: std::hash::Hash + Eq>(
    keyed: impl Iterator<Item = (&'a Endpoint, K)>,
    explain: impl Fn(&Endpoint, &Endpoint) -> String,
) -> Result<()> {
    let mut seen = HashMap::new();
    for (endpoint, key) in keyed {
        if let Some(earlier) = seen.insert(key, endpoint) {
            return Err(Error::Precondition(explain(earlier, endpoint)));
        }
    }
    Ok(())
}
