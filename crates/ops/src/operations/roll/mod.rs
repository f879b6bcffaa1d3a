//! `roll`: a command of the user's for each node in turn, and who serves meanwhile.
//!
//! No file says how far a run has come: a run that stops names the nodes that are left, and the next one is given them. That a node
//! has restarted since does not show that the command has done what it was to do.

mod back;
mod command;

use std::time::{Duration, Instant};

use redistrib_cluster_model::plan::roll::{
    RollNode, RollPlan, RollPlanError, RollRequest, RollTurn, TurnRole, deputy, plan_roll,
};
use redistrib_cluster_model::{NodeId, NodeLabel, NodeName, ServerInfo, Waits};

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::operations::operation::Operation;
use crate::served::{missing_copy, unready};
use crate::wait::{or_look, until_settled};
use crate::{
    Cluster, Context, Endpoint, Event, Failover, FailoverMode, Member, MoveError, RollError,
    Settings, Stop, agreement, server_info,
};
use back::{Awaited, Before, await_back, await_rest};

/// How a roll goes about it.
#[derive(Clone, Debug)]
pub struct RollOptions {
    /// What is run by `sh -c` for each node, with `REDIS_TRIB_HOST`, `REDIS_TRIB_PORT`, `REDIS_TRIB_ID` and `REDIS_TRIB_ROLE`
    /// (`master` or `replica`) in its environment.
    pub command: String,
    /// How long it may take. Default 10 minutes.
    pub command_deadline: Duration,
    /// Whether a node is back only once it has restarted. Default true.
    pub must_restart: bool,
    /// How long a node may be away, or make no progress in loading and copying; by default what the nodes' settings ask for
    /// ([`Waits`]).
    pub patience: Option<Duration>,
}

impl Default for RollOptions {
    fn default() -> Self {
        Self {
            command: String::new(),
            command_deadline: Duration::from_secs(600),
            must_restart: true,
            patience: None,
        }
    }
}

/// What a roll has done.
#[derive(Clone, Debug, Default)]
pub struct Rolled {
    /// The nodes.
    pub done: Vec<NodeLabel>,
    /// The longest time for which a failover held the writes of a probe up.
    pub held_up: Option<Duration>,
}

/// The request to run a command for each node in turn.
///
/// ```no_run
/// use redistrib_ops::{Context, Roll, RollOptions, Settings, carry_out};
/// let command = "ssh $REDIS_TRIB_HOST systemctl restart redis@$REDIS_TRIB_PORT".into();
/// let options = RollOptions { command, ..RollOptions::default() };
/// let request = Roll { seed: "127.0.0.1:7000".parse()?, options, ..Roll::default() };
/// println!("{} nodes are done", carry_out(request, &Settings::default(), Context::default())?.done.len());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Roll {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// These nodes alone; empty for all.
    pub only: Vec<NodeName>,
    /// Nodes that are to be masters at the end, as they were before a run that has stopped.
    pub back: Vec<NodeName>,
    /// Masters stay what they have become meanwhile.
    pub no_failback: bool,
    /// Slots may be without service while their master restarts.
    pub allow_downtime: bool,
    /// How to go about it.
    pub options: RollOptions,
}

/// Each node is seen to be healthy before the next one has its turn. A run that stops fails with [`RollError::Stopped`], which has
/// what is left and why.
impl Operation for Roll {
    const VERB: &'static str = "roll";
    type Subject = Cluster;
    type Plan = RollPlan;
    type Report = Rolled;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<RollPlan> {
        let request = RollRequest {
            only: found(cluster, &self.only)?,
            back: found(cluster, &self.back)?,
            no_failback: self.no_failback,
            allow_downtime: self.allow_downtime,
        };
        require_healthy(cluster)?;
        Ok(plan_roll(&survey(cluster)?, &request).map_err(RollError::from)?)
    }

    /// Who has a turn, and as what, is what was agreed to: which replica takes a master's place is chosen when it is its turn.
    fn still_fits(
        &self,
        plan: &RollPlan,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<bool> {
        let turn = |turn: &RollTurn| (turn.node.id, std::mem::discriminant(&turn.role));
        cluster.refresh();
        let now = self.plan(cluster, context)?;
        Ok(now.turns.iter().map(turn).eq(plan.turns.iter().map(turn)))
    }

    fn apply(&self, plan: RollPlan, cluster: &mut Cluster, context: Context<'_>) -> Result<Rolled> {
        self.apply_locked(plan, cluster, None, context)
    }

    fn apply_locked(
        &self,
        plan: RollPlan,
        cluster: &mut Cluster,
        lock: Option<&Lock>,
        context: Context<'_>,
    ) -> Result<Rolled> {
        let infos = server_info::ask(cluster, &Waits::SETTINGS);
        let options = &self.options;
        let patience =
            options.patience.unwrap_or(Waits::of(infos.iter().flatten().flatten()).returning());
        let (back, rolled) = (plan.back.clone(), Rolled::default());
        let mut run = Run { cluster, options, patience, lock, context, back, rolled };
        match run.all(&plan) {
            Ok(()) => Ok(run.rolled),
            Err(error) => Err(run.stopped(&plan, error)),
        }
    }
}

fn found(cluster: &Cluster, names: &[NodeName]) -> Result<Vec<NodeId>> {
    names.iter().map(|name| cluster.find(name)).collect()
}

/// A roll under way.
struct Run<'a> {
    cluster: &'a mut Cluster,
    options: &'a RollOptions,
    patience: Duration,
    lock: Option<&'a Lock>,
    context: Context<'a>,
    /// Who is to be master again, sooner or later.
    back: Vec<NodeLabel>,
    rolled: Rolled,
}

impl Run<'_> {
    fn all(&mut self, plan: &RollPlan) -> Result<()> {
        for (place, turn) in (1..).zip(&plan.turns) {
            self.stop_if_asked()?;
            let (node, of) = (turn.node.clone(), plan.turns.len());
            self.context.tell(Event::NodeBegun { node, place, of });
            self.turn(turn)?;
        }
        while let Some(node) = self.back.first().cloned() {
            self.stop_if_asked()?;
            self.lead_again(&node)?;
        }
        Ok(())
    }

    /// A first Ctrl-C ends it between two nodes.
    fn stop_if_asked(&self) -> Result<()> {
        match self.context.cancel.requested() {
            Stop::No => Ok(()),
            _ => Err(Error::Cancelled("the node that was under way is through".into())),
        }
    }

    fn turn(&mut self, turn: &RollTurn) -> Result<()> {
        let node = &turn.node;
        self.require_role(turn)?;
        let returns = match turn.role {
            TurnRole::Master { returns, .. } => {
                self.hand_over(node, returns)?;
                returns
            }
            _ => false,
        };
        let before = Before::of(self.cluster, node.id);
        let member = self.cluster.member(node.id)?;
        let role = if member.is_master() { "master" } else { "replica" };
        let endpoint = member.endpoint().clone();
        let started = Instant::now();
        let whom = (node, &endpoint, role);
        command::run(&self.options.command, whom, self.options.command_deadline, self.context)?;
        let (must_restart, patience) = (self.options.must_restart, self.patience);
        let awaited = Awaited { node, before, must_restart, patience };
        let back = await_back(self.cluster, &awaited, self.context)?;
        self.rolled.done.push(node.clone());
        self.context.tell(Event::NodeDone {
            node: node.clone(),
            restarted: back.restarted,
            before: awaited.before.version,
            after: back.version,
            took: started.elapsed(),
        });
        if returns { self.lead_again(node) } else { Ok(()) }
    }

    /// Others may have changed the cluster, and servers do by themselves.
    fn require_role(&mut self, turn: &RollTurn) -> Result<()> {
        self.cluster.refresh();
        let node = self.cluster.member(turn.node.id)?.node();
        let is_same = match turn.role {
            TurnRole::Replica { .. } => !node.is_master() || node.slots.is_empty(),
            TurnRole::Idle => node.slots.is_empty(),
            TurnRole::Master { .. } | TurnRole::Alone { .. } => node.is_master(),
        };
        if is_same { Ok(()) } else { Err(RollError::RoleChanged(turn.node.clone()).into()) }
    }

    /// Lets the best replica take a master's place.
    fn hand_over(&mut self, master: &NodeLabel, returns: bool) -> Result<()> {
        let back: Vec<NodeId> = self.back.iter().map(|node| node.id).collect();
        let mut chosen = None;
        let patience = self.patience;
        let waited = until_settled(patience, self.context.cancel, || {
            let nodes = match survey(self.cluster) {
                Ok(nodes) => nodes,
                Err(error) => return Ok(Some(error.to_string())),
            };
            chosen = deputy(&nodes, master.id, &back, |it| it.in_sync).map(|it| it.member.id);
            Ok(chosen.is_none().then(|| format!("no replica of {master} is in step with it")))
        });
        let Some(deputy) = chosen else {
            waited?;
            return Err(RollError::from(RollPlanError::NoDeputy(vec![master.clone()])).into());
        };
        if returns {
            self.back.push(master.clone());
        }
        self.promote(deputy)
    }

    /// Makes a node the master again, where it is not.
    fn lead_again(&mut self, node: &NodeLabel) -> Result<()> {
        if !self.cluster.member(node.id)?.is_master() {
            await_rest(self.cluster, self.patience, self.context)?;
            self.promote(node.id)?;
        }
        self.back.retain(|it| it.id != node.id);
        Ok(())
    }

    fn promote(&mut self, replica: NodeId) -> Result<()> {
        let failover = Failover::plan(self.cluster, replica, FailoverMode::Agreed)?;
        let held_up = failover.apply(self.cluster, self.context)?;
        self.rolled.held_up = self.rolled.held_up.max(held_up);
        if let Some(held_up) = held_up {
            let pause = held_up.as_secs_f64() * 1e3;
            let text =
                format!("{} serves; writes were held up for {pause:.1} ms", failover.replica);
            self.context.note(text);
        }
        if let Some(lock) = self.lock {
            let endpoint = self.cluster.member(replica)?.endpoint();
            lock.extend_to(endpoint, self.cluster.settings(), self.context)?;
        }
        await_rest(self.cluster, self.patience, self.context)
    }

    fn stopped(&self, plan: &RollPlan, error: Error) -> Error {
        let done = self.rolled.done.clone();
        let left = plan.turns.iter().map(|turn| turn.node.clone());
        let left: Vec<NodeLabel> = left.filter(|node| !done.contains(node)).collect();
        let is_up = |member: &&Member| {
            member.is_up() && left.first().is_none_or(|node| node.id != member.id())
        };
        let seed = self.cluster.members().iter().find(is_up).map(Member::endpoint);
        let seed = seed.unwrap_or(self.cluster.seed()).clone();
        let (source, back) = (Box::new(error), self.back.clone());
        RollError::Stopped { source, done, left, back, seed }.into()
    }
}

/// Makes sure that the nodes that answer agree, serve, and have no open slots: otherwise none can be spared. Those that do not
/// answer are not looked at: a run that continues may be there to repair them.
fn require_healthy(cluster: &mut Cluster) -> Result<()> {
    for member in cluster.members() {
        let open = [&member.node().migrating, &member.node().importing];
        if let Some((slot, _)) = open.into_iter().flatten().next() {
            let (node, seed) = (member.endpoint().clone(), cluster.seed().clone());
            return Err(MoveError::Open { slot: *slot, node, seed }.into());
        }
    }
    let amiss = agreement::disagreement(cluster, |_| true);
    let amiss = or_look(amiss, || unready(cluster, Member::is_up))?;
    amiss
        .map_or(Ok(()), |what| Err(RollError::Unwell { what, seed: cluster.seed().clone() }.into()))
}

/// All nodes as they stand, in the order of their addresses.
///
/// # Errors
/// Those of [`server_info::ask`]: what a node does not say is not taken for well.
fn survey(cluster: &mut Cluster) -> Result<Vec<RollNode>> {
    cluster.refresh();
    let infos = server_info::ask(cluster, &["min-replicas-to-write"]);
    let mut nodes: Vec<_> = cluster.members().iter().zip(infos).collect();
    nodes.sort_by_key(|(member, _)| member.endpoint());
    let stand =
        |(member, info): (_, Option<Result<_>>)| Ok(stands(member, info.transpose()?.as_ref()));
    nodes.into_iter().map(stand).collect()
}

fn stands(member: &Member, info: Option<&ServerInfo>) -> RollNode {
    let node = member.node();
    let number = |name| info.and_then(|info| info.number(name)).unwrap_or_default();
    RollNode {
        member: NodeLabel { id: member.id(), address: member.endpoint().to_string() },
        master: node.master,
        slots: node.slots.len(),
        is_up: member.is_up(),
        in_sync: node.master.is_some() && info.is_some_and(|info| missing_copy(info).is_none()),
        offset: number("slave_repl_offset"),
        min_replicas: info
            .and_then(|info| info.setting_number("min-replicas-to-write"))
            .unwrap_or_default(),
        version: info.and_then(ServerInfo::version),
    }
}
