//! What a cluster holds and what is wrong with it: the facts under `check`, `info` and `list`.

use std::collections::HashMap;

use redistrib_cluster_model::findings::{SETTINGS, separate_black_listed};
use redistrib_cluster_model::{Finding, Node, NodeId, Reported, ServerInfo, SlotJob};
use serde::Serialize;

use crate::cluster::{black_list, bus, same_id};
use crate::migrate::known_jobs;
use crate::{Cluster, Endpoint, Member, server_info};

/// A cluster at one moment.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// All nodes, the one asked first.
    pub nodes: Vec<NodeReport>,
    /// Everything that is wrong, or may be.
    pub findings: Vec<Finding>,
    /// The atomic migrations that servers are at.
    pub jobs: Vec<SlotJob>,
}

/// One node of a [`Report`].
#[derive(Clone, Debug, Serialize)]
pub struct NodeReport {
    /// The node as it describes itself; where it is unreachable, as the node asked describes it.
    pub node: Node,
    /// Where it is reached.
    #[serde(serialize_with = "as_text")]
    pub endpoint: Endpoint,
    /// Why it cannot be reached, if it cannot.
    pub failure: Option<String>,
    /// The number of keys in all its databases.
    pub keys: Option<u64>,
    /// The memory its server uses, in bytes.
    pub memory: Option<u64>,
    /// Its server's version, as INFO gives it.
    pub version: Option<String>,
    /// How many replicas follow it.
    pub replicas: usize,
    /// All that its server reports about itself.
    #[serde(skip)]
    pub info: Option<ServerInfo>,
}

impl Report {
    /// The masters among the nodes.
    pub fn masters(&self) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(|report| report.node.is_master())
    }

    /// The replicas of one master.
    pub fn replicas_of(&self, master: NodeId) -> impl Iterator<Item = &NodeReport> {
        self.nodes.iter().filter(move |report| report.node.master == Some(master))
    }

    /// All keys of the masters that reported them.
    pub fn keys(&self) -> u64 {
        self.masters().filter_map(|report| report.keys).sum()
    }
}

/// Asks all nodes at once what they hold, and looks for what is wrong between their answers.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, inspect};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for finding in inspect(&mut cluster).findings {
///     println!("{finding}");
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn inspect(cluster: &mut Cluster) -> Report {
    let infos = server_info::ask(cluster, &SETTINGS);
    let silent = cluster.members().iter().zip(&infos).filter_map(|(member, info)| {
        Some((member.id(), info.as_ref()?.as_ref().err()?.to_string()))
    });
    let silent: Vec<_> = silent.collect();
    let servers = server_info::known(infos);
    let (jobs, mut unanswered) = known_jobs(cluster);
    let backlogs = bus::backlogs(cluster, &servers, &mut unanswered);
    unanswered.failures.splice(..0, silent);
    unanswered.withheld.extend(without_settings(cluster, &servers));
    let snapshot = cluster.snapshot();
    let same_id = same_id::servers(cluster, &snapshot, &servers);
    let findings = snapshot.diagnosis(Reported {
        servers: &servers,
        backlogs: &backlogs,
        jobs: &jobs,
        same_id: &same_id,
        failures: &unanswered.failures,
        withheld: &unanswered.withheld,
    });
    let listed = black_list::black_lists(cluster, &findings);
    let findings = separate_black_listed(findings, &listed);
    Report { jobs, ..report(cluster, servers, findings) }
}

/// Who reports none of the settings, of which every server has some: it may not be asked.
fn without_settings<'a>(
    cluster: &'a Cluster,
    servers: &'a [Option<ServerInfo>],
) -> impl Iterator<Item = (NodeId, &'static str)> + 'a {
    let has_none = |info: &ServerInfo| SETTINGS.iter().all(|name| info.setting(name).is_none());
    let silent = move |(member, info): (&Member, &Option<ServerInfo>)| {
        info.as_ref().is_some_and(has_none).then(|| (member.id(), "CONFIG GET"))
    };
    cluster.members().iter().zip(servers).filter_map(silent)
}

/// What can be said without asking anybody again: what is wrong between the nodes' views of the cluster. What they hold is
/// not known, and jobs are not looked for.
pub fn glance(cluster: &Cluster) -> Report {
    let infos = cluster.members().iter().map(|_| None).collect();
    report(cluster, infos, cluster.snapshot().findings())
}

fn report(cluster: &Cluster, infos: Vec<Option<ServerInfo>>, findings: Vec<Finding>) -> Report {
    let mut followers: HashMap<NodeId, usize> = HashMap::new();
    for master in cluster.members().iter().filter_map(|member| member.node().master) {
        *followers.entry(master).or_default() += 1;
    }
    let nodes = cluster.members().iter().zip(infos).map(|(member, info)| NodeReport {
        node: member.node().clone(),
        endpoint: member.endpoint().clone(),
        failure: member.failure().map(ToString::to_string),
        keys: info.as_ref().map(ServerInfo::keys),
        memory: info.as_ref().and_then(|info| info.number("used_memory")),
        version: info.as_ref().and_then(ServerInfo::version),
        replicas: followers.get(&member.id()).copied().unwrap_or_default(),
        info,
    });
    Report { nodes: nodes.collect(), findings, jobs: Vec::new() }
}

fn as_text<S: serde::Serializer>(value: &impl ToString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}
