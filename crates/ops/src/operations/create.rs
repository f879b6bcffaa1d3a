//! A new cluster out of empty nodes.

mod meeting;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redistrib_cluster_model::plan::create::{CreatePlan, Dealing, plan_create};
use redistrib_cluster_model::{Address, Beginning, Intended, Named, NodeId, SlotRange};

use super::operation::{Operation, Subject};
use crate::candidate::Candidate;
use crate::cluster::in_parallel;
use crate::commands::{self, Reset};
use crate::error::Result;
use crate::lock::Lock;
use crate::served::await_new_cluster;
use crate::server_info::ask_one;
use crate::wait::until_settled;
use crate::{ApplyError, Cancel, Cluster, Context, Endpoint, MembershipError, Settings, Step};

/// How long nodes may take to be alone after a reset.
const RESET_DEADLINE: Duration = Duration::from_secs(5);

/// The request to make a cluster of nodes. They are empty, or what an interrupted creation of the same cluster has left.
///
/// ```no_run
/// use redistrib_ops::{Context, Create, Endpoint, Settings, carry_out};
/// let nodes = (7000..7006).map(|port| Endpoint::tcp("127.0.0.1", port)).collect();
/// let request = Create { nodes, replicas: 1, ..Create::default() };
/// println!("{} members", carry_out(request, &Settings::default(), Context::default())?.members().len());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Create {
    /// The nodes.
    pub nodes: Vec<Endpoint>,
    /// How many replicas each master gets at least.
    pub replicas: usize,
    /// In which order replicas are handed out.
    pub dealing: Dealing,
    /// Whether not to wait until the nodes serve clients, and replicas have their masters' data.
    pub no_wait: bool,
}

impl Operation for Create {
    const VERB: &'static str = "create";
    type Subject = Candidates;
    type Plan = CreatePlan;
    type Report = Cluster;

    fn discover(&self, settings: &Settings) -> Result<Candidates> {
        Candidates::survey(&self.nodes, settings)
    }

    fn plan(&self, nodes: &mut Candidates, _context: Context<'_>) -> Result<CreatePlan> {
        nodes.plan(self.replicas, 1, self.dealing)
    }

    /// # Errors
    /// Those of [`Candidates::create`] and [`await_all_served`](crate::await_all_served).
    fn apply(
        &self,
        plan: CreatePlan,
        nodes: &mut Candidates,
        context: Context<'_>,
    ) -> Result<Cluster> {
        nodes.create(&plan, context)?;
        let seed = self.nodes.first().cloned().unwrap_or_default();
        let mut cluster = Cluster::discover(&seed, &nodes.settings)?;
        if !self.no_wait {
            await_new_cluster(&mut cluster, context)?;
        }
        Ok(cluster)
    }
}

/// Nodes in cluster mode that may become a cluster.
///
/// ```no_run
/// use redistrib_ops::model::plan::create::Dealing;
/// use redistrib_ops::{Cancel, Candidates, Context, Endpoint, Settings, Silent};
/// let nodes: Vec<Endpoint> = (7000..7006).map(|port| Endpoint::tcp("127.0.0.1", port)).collect();
/// let mut candidates = Candidates::survey(&nodes, &Settings::default())?;
/// let plan = candidates.plan(1, 3, Dealing::InTurn)?;
/// let cancel = Cancel::new();
/// candidates.create(&plan, Context::new(&Silent, &cancel))?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Candidates {
    nodes: Vec<Candidate>,
    settings: Settings,
}

impl Candidates {
    /// Connects to all nodes at the same time and looks at them.
    ///
    /// # Errors
    /// [`Error::Membership`](crate::Error::Membership) for a node given twice; [`Error::NotCluster`](crate::Error::NotCluster); and those of
    /// [`Connection::open`](crate::Connection::open). Nothing has been changed then.
    pub fn survey(endpoints: &[Endpoint], settings: &Settings) -> Result<Self> {
        refuse_repeated(
            endpoints.iter().map(|endpoint| (endpoint, endpoint.to_string())),
            |a, _| MembershipError::NamedTwice(a.clone()),
        )?;
        let nodes = in_parallel(endpoints, |endpoint| Candidate::look(endpoint, settings));
        let nodes = nodes.into_iter().collect::<Result<Vec<_>>>()?;
        refuse_repeated(nodes.iter().map(|it| (it.connection.endpoint(), it.node.id)), |a, b| {
            MembershipError::SameId(a.clone(), b.clone())
        })?;
        Ok(Self { nodes, settings: settings.clone() })
    }

    /// The nodes' ids in the order given.
    pub fn ids(&self) -> Vec<NodeId> {
        self.nodes.iter().map(|candidate| candidate.node.id).collect()
    }

    /// The nodes' addresses in the order given.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(|candidate| candidate.connection.endpoint().clone()).collect()
    }

    pub(crate) fn nodes(&self) -> &[Candidate] {
        &self.nodes
    }

    /// What each node has for these settings.
    ///
    /// # Errors
    /// [`ApplyError::NoSetting`] for a node that does not report one of them.
    pub(crate) fn settings<'a>(
        &mut self,
        names: impl Iterator<Item = &'a String>,
    ) -> Result<Vec<BTreeMap<String, String>>> {
        let names: Vec<&str> = names.map(String::as_str).collect();
        if names.is_empty() {
            return Ok(vec![BTreeMap::new(); self.nodes.len()]);
        }
        self.each(|_, candidate| {
            let info = ask_one(&mut candidate.connection, &names)?;
            let pair = |name: &&str| match info.setting(name) {
                Some(value) => Ok(((*name).to_owned(), value.to_owned())),
                None => {
                    let node = candidate.connection.endpoint().clone();
                    Err(ApplyError::NoSetting { node, name: (*name).to_owned() }.into())
                }
            };
            names.iter().map(pair).collect()
        })
    }

    /// Lays out a cluster of these nodes with `replicas` replicas for each of at least `min_masters` masters, and makes
    /// sure that they are empty, or what an interrupted creation of the same cluster has left, or that cluster itself.
    /// Changes nothing.
    ///
    /// # Errors
    /// [`Error::Layout`](crate::Error::Layout) where there are too few nodes; [`Error::NotEmpty`](crate::Error::NotEmpty) for a node that has keys, slots of its own or
    /// knows nodes that are not among these.
    pub fn plan(
        &self,
        replicas: usize,
        min_masters: usize,
        dealing: Dealing,
    ) -> Result<CreatePlan> {
        let endpoints = self.nodes.iter().map(|candidate| candidate.connection.endpoint());
        let addresses: Vec<Address> = endpoints.map(Endpoint::address).collect();
        let plan = plan_create(&addresses, replicas, min_masters, dealing)?;
        self.reached(&plan)?;
        Ok(plan)
    }

    /// Makes the planned cluster and returns when all nodes know and agree on it. Does the rest where an interrupted
    /// creation has done a part, and nothing where the cluster is there already.
    ///
    /// The nodes serve commands as soon as each reports `cluster_state:ok`, which servers put off for as
    /// long as their `cluster-node-timeout` (at most 5 s).
    ///
    /// # Errors
    /// Those of [`Connection::call`](crate::Connection::call) and [`Candidates::plan`]; [`Error::NotSettled`](crate::Error::NotSettled) with the nodes
    /// that do not know each other. Nodes that were empty and have not all met are reset then; what has joined is left
    /// for the same command to finish.
    pub fn create(&mut self, plan: &CreatePlan, context: Context<'_>) -> Result<()> {
        self.each(|_, candidate| candidate.look_again())?;
        let reached = self.reached(plan)?;
        match reached {
            Beginning::Nothing => {}
            Beginning::Part => context.note("An interrupted run has done a part: doing the rest"),
            Beginning::Remains => {
                context.note("Resetting the empty nodes that an interrupted run has left");
                self.reset(Reset::Soft, context.cancel)?;
            }
            Beginning::All => {
                context.note("The nodes are this cluster already: nothing to do");
                return Ok(());
            }
        }
        let formed = self.form(plan, context);
        if formed.is_err() && reached != Beginning::Part {
            self.undo(context);
        }
        formed?;
        self.assign_roles(plan, context)
    }

    /// How far the nodes have come towards the planned cluster.
    ///
    /// # Errors
    /// [`Error::NotEmpty`](crate::Error::NotEmpty) for a node that is something else already.
    pub(crate) fn reached(&self, plan: &CreatePlan) -> Result<Beginning> {
        let named = self.nodes.iter().map(|it| Named { keys: it.info.keys(), view: &it.topology });
        let named: Vec<_> = named.collect();
        let resolved = self.nodes.iter().map(|candidate| candidate.connection.endpoint().resolve());
        let resolved = resolved.collect::<Result<Vec<_>, _>>()?;
        let dialled = resolved.iter().flatten().map(|it| (it.ip().to_string(), it.port()));
        let announced = self.nodes.iter().map(|candidate| &candidate.node.address);
        let announced = announced.map(|it| (it.host.to_string(), it.port));
        let reached = self.intended(plan).reached(&named, &dialled.chain(announced).collect());
        reached.map_err(|place| self.nodes[place].not_empty())
    }

    fn intended(&self, plan: &CreatePlan) -> Intended {
        Intended::new(plan, &self.ids())
    }

    /// Works on all nodes side by side, each at its place in the order given.
    fn each<R: Send>(
        &mut self,
        work: impl Fn(usize, &mut Candidate) -> Result<R> + Sync,
    ) -> Result<Vec<R>> {
        let nodes: Vec<_> = self.nodes.iter_mut().enumerate().map(Mutex::new).collect();
        let results = in_parallel(&nodes, |node| {
            let (place, candidate) = &mut *node.lock().unwrap_or_else(PoisonError::into_inner);
            let result = work(*place, candidate);
            candidate.connection.give_room_back();
            result
        });
        results.into_iter().collect()
    }

    /// Gives the masters their slots and makes all nodes know each other.
    fn form(&mut self, plan: &CreatePlan, context: Context<'_>) -> Result<()> {
        let intended = self.intended(plan);
        context.step(Step::AssigningSlots);
        self.assign_slots(plan)?;
        context.step(Step::AssigningEpochs);
        self.assign_epochs(plan)?;
        context.step(Step::Meeting { node: None, master: None });
        self.introduce(|place| 0..place)?;
        context.step(Step::WaitingToJoin { node: None });
        let strangers = |nodes: &mut Self| nodes.strangers(&intended);
        self.settle(context, strangers).map_err(|error| self.why_strangers(error))
    }

    /// Makes the replicas follow their masters, and waits until all nodes see it. A handshake carries a node's role at once,
    /// where gossip takes the longer the more nodes there are.
    fn assign_roles(&mut self, plan: &CreatePlan, context: Context<'_>) -> Result<()> {
        let intended = self.intended(plan);
        self.follow_masters(plan)?;
        let mut others = vec![0; self.nodes.len()];
        plan.replicas.iter().for_each(|replica| others[replica.node] = self.nodes.len());
        self.introduce(|place| 0..others[place])?;
        self.settle(context, |nodes| nodes.unsettled(&intended))
    }

    fn assign_slots(&mut self, plan: &CreatePlan) -> Result<()> {
        let slots: HashMap<usize, SlotRange> =
            plan.masters.iter().map(|master| (master.node, master.slots())).collect();
        self.each(|place, candidate| {
            let Some(slots) = slots.get(&place).filter(|_| candidate.node.slots.is_empty()) else {
                return Ok(());
            };
            candidate.connection.call(&commands::add_slots(slots.iter())).map(drop)
        })
        .map(drop)
    }

    /// Distinct epochs from the start spare the nodes the resolution of collisions. A node that was in a cluster
    /// before may still have its epoch from there, and no server lets that be set; nor once it knows another node.
    ///
    /// Those of masters are greater than those of nodes that become replicas: where messages arrive in another order than
    /// they were sent, Valkey 9.1 takes a replica for a master for good if its own epoch was greater than its master's
    /// (`clusterProcessPacket`, "Ignore stale message").
    fn assign_epochs(&mut self, plan: &CreatePlan) -> Result<()> {
        let masters = plan.masters.iter().map(|master| master.node);
        let places = plan.replicas.iter().map(|replica| replica.node).chain(masters);
        let epochs: HashMap<usize, u64> = places.zip(1..).collect();
        self.each(|place, candidate| {
            if candidate.node.config_epoch > 0 || candidate.topology.len() > 1 {
                return Ok(());
            }
            let Some(epoch) = epochs.get(&place) else { return Ok(()) };
            candidate.connection.call(&commands::set_config_epoch(*epoch)).map(drop)
        })
        .map(drop)
    }

    fn follow_masters(&mut self, plan: &CreatePlan) -> Result<()> {
        let ids = self.ids();
        let masters: HashMap<usize, NodeId> =
            plan.replicas.iter().map(|replica| (replica.node, ids[replica.master])).collect();
        self.each(|place, candidate| {
            let Some(master) = masters.get(&place) else { return Ok(()) };
            candidate.connection.call(&commands::replicate(*master)).map(drop)
        })
        .map(drop)
    }

    /// Sets the nodes back to what they were: empty and alone.
    fn undo(&mut self, context: Context<'_>) {
        // The user's request to stop was for the creation.
        if let Err(error) = self.reset(Reset::Hard, &Cancel::new()) {
            context.warn(format!(
                "{error}: not all nodes could be set back; the same command again finishes what was begun"
            ));
        }
    }

    /// Makes all nodes forget each other and their slots, again where one has learned of another in between. Servers refuse
    /// it where keys have arrived.
    fn reset(&mut self, how: Reset, cancel: &Cancel) -> Result<()> {
        let command = commands::reset(how);
        self.each(|_, candidate| candidate.connection.call(&command))?;
        until_settled(RESET_DEADLINE, cancel, || {
            self.each(|_, candidate| candidate.refresh())?;
            let others = self.nodes.iter().find(|candidate| !candidate.is_alone());
            let what = others.map(|it| format!("{} is not reset", it.connection.endpoint()));
            self.each(|_, candidate| match candidate.is_alone() {
                true => Ok(()),
                false => candidate.connection.call(&command).map(drop),
            })?;
            Ok(what)
        })
    }
}

impl Subject for Candidates {
    fn nodes(&self) -> Vec<(NodeId, Endpoint)> {
        self.ids().into_iter().zip(self.endpoints()).collect()
    }

    fn lock(&self, verb: &str, context: Context<'_>) -> Result<Lock> {
        Lock::take_on(Subject::nodes(self), &self.settings, verb, context)
    }

    fn look_again(&mut self) -> Result<()> {
        self.each(|_, candidate| candidate.look_again()).map(drop)
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        None
    }
}

fn refuse_repeated<'a, K: std::hash::Hash + Eq>(
    keyed: impl Iterator<Item = (&'a Endpoint, K)>,
    explain: impl Fn(&Endpoint, &Endpoint) -> MembershipError,
) -> Result<()> {
    let mut seen = HashMap::new();
    for (endpoint, key) in keyed {
        if let Some(earlier) = seen.insert(key, endpoint) {
            return Err(explain(earlier, endpoint).into());
        }
    }
    Ok(())
}
