//! Members that know each other by id, under addresses that have changed.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use redistrib_cluster_model::plan::meet::{MeetPlan, plan_meet};
use redistrib_cluster_model::{Node, NodeId, NodeView, Snapshot};
use redistrib_resp::Command;

use super::operation::{Operation, Subject};
use crate::agreement::agree;
use crate::candidate::Candidate;
use crate::cluster::in_parallel;
use crate::commands::REPEAT_INTRODUCTION;
use crate::error::Result;
use crate::lock::Lock;
use crate::served::await_all_served;
use crate::wait::until_settled;
use crate::{Cluster, Context, Endpoint, Settings, Step};

/// How long nodes may take to hear from each other: a few rounds of their 100 ms clock, and where two had a connection
/// all the time, half of their node timeout.
const MEET_DEADLINE: Duration = Duration::from_secs(30);
/// To how many others a node is introduced. Gossip spreads the addresses of the rest.
const MOST_PARTNERS: usize = 64;

/// The request to introduce nodes to each other again at the addresses of today. Nothing is ever reset.
///
/// ```no_run
/// use redistrib_ops::{Context, Endpoint, Meet, Settings, carry_out};
/// let nodes = (7100..7106).map(|port| Endpoint::tcp("127.0.0.1", port)).collect();
/// let done = carry_out(Meet { nodes }, &Settings::default(), Context::default())?;
/// println!("{} members", done.members.len());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Meet {
    /// Where the members are today, the first one first.
    pub nodes: Vec<Endpoint>,
}

impl Operation for Meet {
    const VERB: &'static str = "meet";
    type Subject = Reunion;
    type Plan = MeetPlan;
    type Report = MeetPlan;

    fn discover(&self, settings: &Settings) -> Result<Reunion> {
        Reunion::survey(&self.nodes, settings)
    }

    /// # Errors
    /// [`Error::Meet`](crate::Error::Meet) for strangers among the nodes, and for one under two addresses.
    fn plan(&self, nodes: &mut Reunion, _context: Context<'_>) -> Result<MeetPlan> {
        nodes.plan()
    }

    fn apply(&self, plan: MeetPlan, nodes: &mut Reunion, context: Context<'_>) -> Result<MeetPlan> {
        nodes.meet(&plan, context)?;
        Ok(plan)
    }
}

/// Nodes that are to be introduced to each other.
#[derive(Debug)]
pub struct Reunion {
    nodes: Vec<Candidate>,
    /// When a node had last heard from another before anything was sent.
    heard: HashMap<(NodeId, NodeId), i64>,
    settings: Settings,
}

impl Reunion {
    /// Connects to all nodes at the same time and asks whom they know. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NotCluster`](crate::Error::NotCluster), and those of [`Connection::open`](crate::Connection::open).
    fn survey(endpoints: &[Endpoint], settings: &Settings) -> Result<Self> {
        let asked = in_parallel(endpoints, |endpoint| Candidate::look(endpoint, settings));
        let nodes = asked.into_iter().collect::<Result<Vec<_>>>()?;
        let pairs = nodes.iter().flat_map(|one| one.topology.iter().map(move |other| (one, other)));
        let heard =
            pairs.map(|(one, other)| ((one.node.id, other.id), other.pong_received)).collect();
        Ok(Self { nodes, heard, settings: settings.clone() })
    }

    /// Who is a member, who is missing, and who would give up slots: [`plan_meet`].
    fn plan(&self) -> Result<MeetPlan> {
        let view = |it: &Candidate| {
            NodeView::answered(it.connection.endpoint().address(), it.topology.clone())
        };
        let snapshot = Snapshot { views: self.nodes.iter().map(view).collect() };
        Ok(plan_meet(&snapshot)?)
    }

    /// Has the members shake hands at the addresses at which they were reached, and returns when each has heard from each
    /// other and all see the same owners of slots; where no member is missing, when clients are served, too.
    ///
    /// # Errors
    /// [`Error::NotSettled`](crate::Error::NotSettled) with the nodes that have not heard from each other;
    /// [`Error::Cancelled`](crate::Error::Cancelled); those of [`Connection::call`](crate::Connection::call). The same command can be tried again.
    fn meet(&mut self, plan: &MeetPlan, context: Context<'_>) -> Result<()> {
        context.step(Step::Meeting { node: None, master: None });
        self.introduce()?;
        context.step(Step::WaitingToJoin { node: None });
        let mut introduced = Instant::now();
        until_settled(MEET_DEADLINE, context.cancel, || {
            self.nodes.iter_mut().try_for_each(Candidate::refresh)?;
            let amiss = self.silence();
            if amiss.is_some() && introduced.elapsed() >= REPEAT_INTRODUCTION {
                self.introduce()?;
                introduced = Instant::now();
            }
            Ok(amiss)
        })?;
        let seed = self.nodes[0].connection.endpoint();
        let mut cluster = Cluster::discover(seed, &self.settings)?;
        agree(&mut cluster, MEET_DEADLINE, context)?;
        if plan.missing.is_empty() {
            await_all_served(&mut cluster, context)?;
        }
        Ok(())
    }

    /// Introduces to each node the others that it has not heard from. A server that knows the id which answers keeps the
    /// node and takes its new address.
    fn introduce(&mut self) -> Result<()> {
        let meets = self.nodes.iter().map(Candidate::meet).collect::<Result<Vec<Command>>>()?;
        let all: Vec<Node> = self.nodes.iter().map(|it| it.node.clone()).collect();
        let heard = &self.heard;
        for one in &mut self.nodes {
            let silent = |other: &Node| other.id != one.node.id && !hears(one, other, heard);
            let chosen = all.iter().zip(&meets).filter(|(other, _)| silent(other));
            let chosen: Vec<Command> =
                chosen.take(MOST_PARTNERS).map(|(_, meet)| meet.clone()).collect();
            one.connection.call_all(&chosen)?;
        }
        Ok(())
    }

    /// Which node has not heard from which other yet, in words.
    fn silence(&self) -> Option<String> {
        let pairs =
            self.nodes.iter().flat_map(|one| self.nodes.iter().map(move |other| (one, other)));
        let mut apart = pairs.filter(|(one, other)| one.node.id != other.node.id);
        let (one, other) = apart.find(|(one, other)| !hears(one, &other.node, &self.heard))?;
        let (one, other) = (one.connection.endpoint(), other.connection.endpoint());
        Some(format!(
            "{one} has not heard from {other} yet: each must reach the other's port and bus port"
        ))
    }
}

impl Subject for Reunion {
    fn nodes(&self) -> Vec<(NodeId, Endpoint)> {
        self.nodes.iter().map(|it| (it.node.id, it.connection.endpoint().clone())).collect()
    }

    fn lock(&self, verb: &str, context: Context<'_>) -> Result<Lock> {
        Lock::take_on(self.nodes(), &self.settings, verb, context)
    }

    fn look_again(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Candidate::refresh)
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        None
    }
}

/// Whether a node hears from another at the ports that this one has now. That a connection is there proves nothing: servers
/// call it so from its first attempt.
fn hears(one: &Candidate, other: &Node, before: &HashMap<(NodeId, NodeId), i64>) -> bool {
    let pair = (one.node.id, other.id);
    one.topology.node(other.id).is_some_and(|seen| {
        seen.link_connected
            && !seen.flags.is_failed()
            && !seen.flags.is_suspected()
            && seen.address.port == other.address.port
            && seen.pong_received > before.get(&pair).copied().unwrap_or_default()
    })
}
