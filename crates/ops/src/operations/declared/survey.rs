//! The cluster that a file is about, as it is.

use std::collections::{HashMap, HashSet};

use redistrib_cluster_model::declare::{
    Balance, Change, Declared, Observed, ObservedNode, Plan, plan,
};
use redistrib_cluster_model::plan::create::{Affinity, CreatePlan, NewMaster, NewReplica};
use redistrib_cluster_model::{Beginning, Node, NodeId, Standing};

use super::figures;
use crate::candidate::Candidate;
use crate::error::Result;
use crate::lock::Lock;
use crate::operations::create::Candidates;
use crate::operations::operation::Subject;
use crate::operations::rebalance::{By, measure};
use crate::{ApplyError, Cluster, Context, Endpoint, Settings, server_info};

/// The declared nodes and the cluster that some of them belong to.
#[derive(Debug)]
pub struct Site {
    declared: Declared,
    cluster: Option<Cluster>,
    candidates: Vec<(NodeId, Endpoint)>,
    observed: Observed,
    settings: Settings,
}

/// What is known before the nodes are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KnownBefore {
    Nothing,
    /// That there is a cluster. To find that out takes the plan of a new one.
    Cluster,
}

impl Site {
    /// Asks all declared nodes who they are, and the other nodes of their cluster. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Candidates::survey`]: each declared node has to answer; [`ApplyError`] for a declared setting that a
    /// node does not have, and for nodes of more than one cluster; [`Error::NotEmpty`](crate::Error::NotEmpty) for one with keys that belongs to none.
    pub fn survey(declared: &Declared, settings: &Settings) -> Result<Self> {
        Self::look(declared, settings, KnownBefore::Nothing)
    }

    fn look(declared: &Declared, settings: &Settings, known: KnownBefore) -> Result<Self> {
        let endpoints = declared.nodes.iter().map(|node| node.at.parse::<Endpoint>());
        let endpoints = endpoints.collect::<Result<Vec<_>, _>>()?;
        let mut candidates = Candidates::survey(&endpoints, settings)?;
        let values = candidates.settings(declared.settings.keys())?;
        if declared.rewrite && !declared.settings.is_empty() {
            require_files(&candidates)?;
        }
        let ids = candidates.ids();
        let strangers = declared.nodes.iter().zip(&ids).zip(values);
        let strangers = strangers.map(|((node, id), settings)| ObservedNode {
            settings,
            ..ObservedNode::stranger(&node.at, *id)
        });
        let mut observed = Observed { nodes: strangers.collect() };
        let cluster = if known == KnownBefore::Nothing && is_new(declared, &observed, &candidates) {
            None
        } else {
            let cluster = cluster_of(&candidates, settings)?;
            see_members(&mut observed, &cluster, candidates.nodes())?;
            Some(cluster)
        };
        let candidates = ids.into_iter().zip(endpoints).collect();
        let (declared, settings) = (declared.clone(), settings.clone());
        Ok(Self { declared, cluster, candidates, observed, settings })
    }

    /// Writes to the steps what they cost.
    pub(super) fn price(&mut self, plan: &mut Plan) -> Result<()> {
        if let Some(cluster) = self.cluster.as_mut().filter(|_| plan.sources().next().is_some()) {
            plan.price(&figures::ask(cluster, &self.observed, plan)?);
        }
        Ok(())
    }

    /// What there is.
    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    /// What is declared of it.
    pub(super) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// How it is connected to.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where the declared nodes are, in the order of the file.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.candidates.iter().map(|(_, endpoint)| endpoint)
    }

    /// What each slot holds of what is balanced; nothing where it is the slots themselves.
    pub(super) fn load(&self, balance: Balance) -> Result<Vec<u64>> {
        let by = match balance {
            Balance::Slots => By::Slots,
            Balance::Keys => By::Keys,
            Balance::Memory => By::Memory,
        };
        let load = self.cluster.as_ref().map(|cluster| measure(cluster, by)).transpose()?;
        Ok(load.flatten().unwrap_or_default())
    }

    /// The id of the node of this address.
    pub(super) fn id(&self, at: &str) -> Result<NodeId> {
        let seen = self.observed.node(at);
        Ok(seen.map(|seen| seen.id).ok_or_else(|| ApplyError::NotThere(at.to_owned()))?)
    }

    /// The cluster.
    pub(super) fn living(&mut self) -> Result<&mut Cluster> {
        Ok(self.cluster.as_mut().ok_or(ApplyError::NoCluster)?)
    }
}

impl Subject for Site {
    fn nodes(&self) -> Vec<(NodeId, Endpoint)> {
        let members = self.cluster.iter().flat_map(Subject::nodes);
        let is_other = |(id, _): &(NodeId, Endpoint)| self.candidates.iter().all(|it| it.0 != *id);
        self.candidates.iter().cloned().chain(members.filter(is_other)).collect()
    }

    fn lock(&self, verb: &str, context: Context<'_>) -> Result<Lock> {
        match &self.cluster {
            Some(cluster) => Lock::take(cluster, verb, context),
            None => Lock::take_on(self.candidates.clone(), &self.settings, verb, context),
        }
    }

    fn look_again(&mut self) -> Result<()> {
        let known =
            if self.cluster.is_some() { KnownBefore::Cluster } else { KnownBefore::Nothing };
        *self = Self::look(&self.declared, &self.settings, known)?;
        Ok(())
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        self.cluster.as_mut()
    }
}

/// A living cluster, nodes by the addresses at which they are reached, with what they have for these settings. Changes nothing.
///
/// # Errors
/// Those of [`server_info::ask`]: a node that does not say what it has seems to have nothing.
pub fn observe(cluster: &mut Cluster, settings: &[String]) -> Result<Observed> {
    let names: Vec<&str> = settings.iter().map(String::as_str).collect();
    let infos = server_info::ask(cluster, &names);
    let mut observed = Observed::default();
    see_members(&mut observed, cluster, &[])?;
    for (member, info) in cluster.members().iter().zip(infos) {
        let seen = observed.nodes.iter_mut().find(|seen| seen.id == member.id());
        let (Some(seen), Some(info)) = (seen, info) else { continue };
        let info = info?;
        let pair = |name: &&str| Some(((*name).to_owned(), info.setting(name)?.to_owned()));
        seen.settings = names.iter().filter_map(pair).collect();
    }
    Ok(observed)
}

/// Makes sure that nodes can write their settings down.
fn require_files(candidates: &Candidates) -> Result<()> {
    let has_none = |node: &&Candidate| node.info.field("config_file") == Some("");
    match candidates.nodes().iter().find(has_none) {
        None => Ok(()),
        Some(node) => Err(ApplyError::NoConfigFile(node.connection.endpoint().clone()).into()),
    }
}

/// Whether the nodes are new, or what an interrupted creation of this very cluster has left.
fn is_new(declared: &Declared, strangers: &Observed, candidates: &Candidates) -> bool {
    let Ok(plan) = plan(declared, strangers, &[]) else { return false };
    let mut steps = plan.steps.iter();
    let Some(plan) = steps.find_map(|step| create_plan(&step.change, declared)) else {
        return false;
    };
    matches!(
        candidates.reached(&plan),
        Ok(Beginning::Nothing | Beginning::Part | Beginning::Remains)
    )
}

/// The same creation with nodes by their places in the file.
pub(super) fn create_plan(change: &Change, declared: &Declared) -> Option<CreatePlan> {
    let Change::Create { masters, replicas } = change else { return None };
    let place = |at: &str| declared.nodes.iter().position(|node| node.at == at);
    let masters = masters.iter().map(|it| {
        let range = it.slots.ranges().next()?;
        Some(NewMaster { node: place(&it.node)?, first: range.first(), last: range.last() })
    });
    let replicas = replicas.iter().map(|it| {
        let (node, master) = (place(&it.node)?, place(&it.master)?);
        Some(NewReplica { node, master, first_choice: master, extra: false })
    });
    let (masters, replicas) =
        (masters.collect::<Option<Vec<_>>>()?, replicas.collect::<Option<Vec<_>>>()?);
    Some(CreatePlan { masters, replicas, affinity: Affinity::Apart })
}

/// The cluster of the first declared node that is in one.
fn cluster_of(candidates: &Candidates, settings: &Settings) -> Result<Cluster> {
    let nodes = candidates.nodes();
    // Others may have forgotten one that owns no slots, and that has not forgotten them yet.
    let owner = nodes.iter().find(|node| !node.node.slots.is_empty());
    let Some(seed) =
        owner.or_else(|| nodes.iter().find(|node| !node.topology.ownership().is_empty()))
    else {
        let odd = candidates.nodes().iter().find(|node| node.require_empty().is_err());
        return Err(match odd {
            Some(node) => node.not_empty(),
            None => ApplyError::NoCluster.into(),
        });
    };
    Cluster::discover(seed.connection.endpoint(), settings)
}

/// Enters what the cluster's nodes are, declared or not.
fn see_members(observed: &mut Observed, cluster: &Cluster, nodes: &[Candidate]) -> Result<()> {
    let snapshot = cluster.snapshot();
    let mut names: HashMap<NodeId, String> =
        observed.nodes.iter().map(|seen| (seen.id, seen.at.clone())).collect();
    for (seen, node) in observed.nodes.iter_mut().zip(nodes) {
        seen.is_member = match Standing::of(&node.topology, &snapshot) {
            Standing::Member => true,
            Standing::HalfMember => !node.node.slots.is_empty() || node.node.master.is_some(),
            // A handshake that a killed run has begun may be under way: whoever adds the node waits for its end.
            Standing::Stranger if node.info.keys() > 0 => return Err(node.not_empty()),
            Standing::Stranger => false,
            Standing::Foreigner { others } => {
                let (node, seed) = (seen.at.clone(), cluster.seed().clone());
                return Err(ApplyError::OtherCluster { node, others, seed }.into());
            }
        };
    }
    let others: Vec<&Node> =
        snapshot.nodes().into_iter().filter(|node| !names.contains_key(&node.id)).collect();
    let mut taken: HashSet<String> = names.values().cloned().collect();
    for node in &others {
        let place = match cluster.member(node.id) {
            Ok(member) => member.endpoint().to_string(),
            Err(_) => node.address.to_string(),
        };
        // A node that was reset has the address of its former self.
        let at = if taken.contains(&place) { node.id.to_string() } else { place };
        taken.insert(at.clone());
        names.insert(node.id, at.clone());
        let stranger = ObservedNode::stranger(at, node.id);
        observed.nodes.push(ObservedNode { is_member: true, is_up: false, ..stranger });
    }
    for seen in observed.nodes.iter_mut().filter(|seen| seen.is_member) {
        let Some(node) = cluster.known(seen.id) else { continue };
        seen.is_up = cluster.member(seen.id).is_ok_and(|member| member.is_up());
        seen.slots = node.slots.clone();
        seen.master =
            node.master.map(|id| names.get(&id).cloned().unwrap_or_else(|| id.to_string()));
    }
    Ok(())
}
