//! Findings from what each server reports about itself: whether it serves, replicates, saves, and is set up as the others.

use std::collections::BTreeMap;

use super::{DownReason, Finding, NodeLabel, Reported, SnapshotIndex};
use crate::{Node, NodeId, ServerInfo, Slot, Snapshot};

/// A replica whose last acknowledgement is older than this lags: replicas acknowledge every second.
const LATE_SECONDS: u64 = 10;
/// Clocks that differ by more than this are worth a finding: servers compare times that others send them.
const CLOCKS_APART_MS: u64 = 2_000;
/// Settings that all nodes of a cluster should have alike.
const SHARED_SETTINGS: [&str; 4] = [
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "maxmemory-policy",
    // A cluster's node has no use for `databases`, of which newer servers say 1 then.
    "cluster-databases",
];

/// The settings that [`Snapshot::diagnosis`] asks for. The value of a password may be replaced by anything that differs where
/// passwords differ; an empty one must stay empty.
pub const SETTINGS: [&str; 10] = [
    "cluster-node-timeout",
    "cluster-require-full-coverage",
    "maxmemory-policy",
    "cluster-databases",
    "requirepass",
    "masterauth",
    "masteruser",
    "min-replicas-to-write",
    "save",
    "stop-writes-on-bgsave-error",
];

/// The nodes that reported about themselves, with what they reported.
pub(super) struct Servers<'a> {
    survey: &'a SnapshotIndex<'a>,
    reported: BTreeMap<NodeId, &'a ServerInfo>,
}

impl<'a> Servers<'a> {
    pub(super) fn new(
        snapshot: &Snapshot,
        survey: &'a SnapshotIndex<'a>,
        servers: &'a [Option<ServerInfo>],
    ) -> Self {
        let ids = snapshot.views.iter().map(|view| view.id);
        let reported = ids.zip(servers).filter_map(|(id, info)| Some((id?, info.as_ref()?)));
        Self { survey, reported: reported.collect() }
    }

    /// What could not be learnt of nodes that answer.
    pub(super) fn unknown(&self, reported: Reported<'_>, findings: &mut Vec<Finding>) {
        let mut reasons: BTreeMap<NodeId, &str> = BTreeMap::new();
        for (id, reason) in reported.failures {
            reasons.entry(*id).or_insert(reason);
        }
        for (node, info) in self.nodes() {
            if info.field("cluster_state").is_none() {
                reasons.entry(node.id).or_insert("CLUSTER INFO gives no cluster_state");
            }
        }
        findings.extend(reasons.into_iter().map(|(id, reason)| Finding::InfoFailed {
            node: self.survey.member(id),
            reason: reason.to_owned(),
        }));
        let mut refused: BTreeMap<&str, Vec<NodeLabel>> = BTreeMap::new();
        for (id, command) in reported.withheld {
            refused.entry(command).or_default().push(self.survey.member(*id));
        }
        let withheld =
            |(command, nodes): (&str, _)| Finding::Withheld { command: command.to_owned(), nodes };
        findings.extend(refused.into_iter().map(withheld));
    }

    /// All that can be said of them, beginning with what keeps clients from being served.
    pub(super) fn findings(&self, findings: &mut Vec<Finding>) {
        self.down(findings);
        for (node, info) in self.nodes() {
            self.persistence(node, info, findings);
            self.memory(node, info, findings);
            self.replicas_to_write(node, info, findings);
        }
        for (node, info) in self.nodes() {
            self.link(node, info, findings);
        }
        self.passwords(findings);
        self.settings(findings);
        self.versions(findings);
        self.clocks(findings);
        self.late_pongs(findings);
    }

    fn nodes(&self) -> impl Iterator<Item = (&'a Node, &'a ServerInfo)> + '_ {
        let reported = |node: &&'a Node| Some((*node, *self.reported.get(&node.id)?));
        self.survey.nodes.iter().filter_map(reported)
    }

    /// Nodes that say `cluster_state:fail`, by the reason that their other words give.
    fn down(&self, findings: &mut Vec<Finding>) {
        let mut groups: BTreeMap<DownReason, Vec<NodeLabel>> = BTreeMap::new();
        for (viewer, topology) in &self.survey.views {
            let Some(info) = self.reported.get(viewer) else { continue };
            if info.field("cluster_state") == Some("fail") {
                let serving = topology.iter().filter(|node| {
                    node.is_master()
                        && !node.slots.is_empty()
                        && !node.flags.is_failed_or_suspected()
                });
                let reason = down_reason(info, serving.count() as u64);
                groups.entry(reason).or_default().push(self.survey.member(*viewer));
            }
        }
        let down = groups.into_iter().map(|(reason, nodes)| Finding::ClusterDown { nodes, reason });
        findings.extend(down);
    }

    fn persistence(&self, node: &Node, info: &ServerInfo, findings: &mut Vec<Finding>) {
        let member = || self.survey.member(node.id);
        if info.field("rdb_last_bgsave_status") == Some("err") {
            let saves = info.setting("save").is_some_and(|points| !points.is_empty());
            let stops = info.setting("stop-writes-on-bgsave-error") == Some("yes");
            let stops_writes = saves && stops && node.is_master();
            findings.push(Finding::RdbFailing { node: member(), stops_writes });
        }
        let aof = ["aof_last_write_status", "aof_last_bgrewrite_status"];
        if aof.iter().any(|field| info.field(field) == Some("err")) {
            let stops_writes = info.field("aof_last_write_status") == Some("err");
            findings.push(Finding::AofFailing { node: member(), stops_writes });
        }
    }

    fn memory(&self, node: &Node, info: &ServerInfo, findings: &mut Vec<Finding>) {
        let (Some(used), Some(limit)) = (info.number("used_memory"), info.number("maxmemory"))
        else {
            return;
        };
        // A server that evicts is full by intention.
        if limit == 0 || !node.is_master() || info.field("maxmemory_policy") != Some("noeviction") {
            return;
        }
        let node = self.survey.member(node.id);
        if used >= limit {
            findings.push(Finding::OutOfMemory { node, used, limit });
        } else if used >= limit / 10 * 9 {
            findings.push(Finding::MemoryHigh { node, used, limit });
        }
    }

    fn replicas_to_write(&self, node: &Node, info: &ServerInfo, findings: &mut Vec<Finding>) {
        let needed = info.setting_number("min-replicas-to-write").unwrap_or_default();
        // The field is there where a number is asked for, under the name of old.
        let good = info.number("min_slaves_good_slaves");
        if let Some(good) = good.filter(|good| *good < needed && node.is_master()) {
            let master = self.survey.member(node.id);
            findings.push(Finding::TooFewReplicas { master, good, needed });
        }
    }

    /// How a replica gets on with its master.
    fn link(&self, node: &Node, info: &ServerInfo, findings: &mut Vec<Finding>) {
        let Some(master) = node.master.filter(|_| node.is_replica()) else { return };
        let (replica, of) = (self.survey.member(node.id), self.survey.member(master));
        // A master may wait for more replicas before it sends its data; until then the replica says that it has no link.
        let is_expected = self.reported.get(&master).is_some_and(|master| {
            let state = replica_field(node, master, "state");
            matches!(state, Some("wait_bgsave" | "send_bulk"))
        });
        if info.field("master_sync_in_progress") == Some("1") || is_expected {
            let left_bytes = info.number("master_sync_left_bytes");
            findings.push(Finding::ReplicaSyncing { replica, master: of, left_bytes });
        } else if info.field("master_link_status") == Some("down") {
            let seconds = info.number("master_link_down_since_seconds");
            findings.push(Finding::ReplicaLinkDown { replica, master: of, seconds });
        } else if let Some(masters) = self.reported.get(&master) {
            let lag = replication_lag(node, info, masters);
            let backlog = masters.number("repl_backlog_size").unwrap_or(u64::MAX);
            if lag.bytes.is_some_and(|bytes| bytes > backlog) || lag.seconds > Some(LATE_SECONDS) {
                let Lag { bytes, seconds } = lag;
                findings.push(Finding::ReplicaLags { replica, master: of, bytes, seconds });
            }
        }
    }

    /// Nodes that could not follow others: what they would show a master is not what it asks for.
    fn passwords(&self, findings: &mut Vec<Finding>) {
        for (node, info) in self.nodes() {
            let Some(shown) = info.setting("masterauth") else { continue };
            if info.setting("masteruser").is_some_and(|user| !user.is_empty()) {
                continue;
            }
            let refuses = |other: &ServerInfo| {
                other
                    .setting("requirepass")
                    .is_some_and(|asked| !asked.is_empty() && asked != shown)
            };
            let others = self.nodes().filter(|(other, info)| other.id != node.id && refuses(info));
            let refused: Vec<NodeLabel> =
                others.map(|(other, _)| self.survey.member(other.id)).collect();
            if !refused.is_empty() {
                let replica = self.survey.member(node.id);
                findings.push(Finding::MasterauthMismatch { node: replica, masters: refused });
            }
        }
        let groups = self.by_value(|info| info.setting("requirepass").map(str::to_owned));
        if groups.len() > 1 {
            let nodes = groups.into_values().collect();
            findings.push(Finding::PasswordsDiffer { nodes });
        }
    }

    fn settings(&self, findings: &mut Vec<Finding>) {
        for setting in SHARED_SETTINGS {
            let values = self.by_value(|info| info.setting(setting).map(str::to_owned));
            if values.len() > 1 {
                let (setting, values) = (setting.to_owned(), values.into_iter().collect());
                findings.push(Finding::SettingsDiffer { setting, values });
            }
        }
    }

    fn versions(&self, findings: &mut Vec<Finding>) {
        let versions = self.by_value(ServerInfo::version);
        if versions.len() > 1 {
            findings.push(Finding::VersionsDiffer { versions: versions.into_iter().collect() });
        }
    }

    fn clocks(&self, findings: &mut Vec<Finding>) {
        let clock = |(node, info): (&Node, &ServerInfo)| Some((clock_ms(info)?, node.id));
        let clocks: Vec<_> = self.nodes().filter_map(clock).collect();
        let (Some(first), Some(last)) = (clocks.iter().min(), clocks.iter().max()) else { return };
        let apart_ms = last.0 - first.0;
        if apart_ms > CLOCKS_APART_MS {
            let (slow, fast) = (self.survey.member(first.1), self.survey.member(last.1));
            findings.push(Finding::ClocksDiffer { slow, fast, apart_ms });
        }
    }

    /// Nodes whose pong has been awaited for more than half a node timeout, by the clock of who waits.
    fn late_pongs(&self, findings: &mut Vec<Finding>) {
        let mut late: BTreeMap<NodeId, (u64, Vec<NodeId>)> = BTreeMap::new();
        for (viewer, topology) in &self.survey.views {
            let Some(info) = self.reported.get(viewer) else { continue };
            let limits = clock_ms(info).zip(info.setting_number("cluster-node-timeout"));
            let Some((now, timeout)) = limits else { continue };
            let awaited = topology
                .awaited()
                .filter(|(node, sent)| *sent > 0 && !node.flags.is_failed_or_suspected());
            for (node, sent) in awaited {
                let sent = u64::try_from(sent).unwrap_or(now);
                let waited = now.saturating_sub(sent);
                if waited > timeout / 2 {
                    let (most, by) = late.entry(node.id).or_default();
                    *most = waited.max(*most);
                    by.push(*viewer);
                }
            }
        }
        findings.extend(late.into_iter().map(|(id, (waited_ms, by))| Finding::PongLate {
            node: self.survey.member(id),
            by: self.survey.members(by),
            waited_ms,
        }));
    }

    /// The nodes that reported a value, by that.
    fn by_value(
        &self,
        value: impl Fn(&ServerInfo) -> Option<String>,
    ) -> BTreeMap<String, Vec<NodeLabel>> {
        let mut groups: BTreeMap<String, Vec<NodeLabel>> = BTreeMap::new();
        for (node, info) in self.nodes() {
            if let Some(value) = value(info) {
                groups.entry(value).or_default().push(self.survey.member(node.id));
            }
        }
        groups
    }
}

/// How far a replica is behind its master, as far as the two report it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// Bytes of the replication stream that it has not processed. The two are asked one after the other, so that a few
    /// bytes mean nothing while clients write.
    pub bytes: Option<u64>,
    /// Seconds since it last acknowledged, as the master says.
    pub seconds: Option<u64>,
}

/// How far a replica is behind, from its own `INFO` and its master's.
pub fn replication_lag(replica: &Node, info: &ServerInfo, master: &ServerInfo) -> Lag {
    let offset = info.number("slave_repl_offset");
    let bytes =
        master.number("master_repl_offset").zip(offset).map(|(all, has)| all.saturating_sub(has));
    let seconds = replica_field(replica, master, "lag").and_then(|lag| lag.parse().ok());
    Lag { bytes, seconds }
}

/// What a master reports of one of its replicas.
fn replica_field<'a>(replica: &Node, master: &'a ServerInfo, name: &str) -> Option<&'a str> {
    // `slave0:ip=127.0.0.1,port=7003,state=online,offset=28,lag=1`
    let port = format!("port={}", replica.address.port);
    let lines = (0..).map_while(|number| master.field(&format!("slave{number}")));
    let mut own = lines.filter(|line| line.split(',').any(|part| part == port));
    own.next()?.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

/// Why a node says that the cluster is down, in the order in which servers look for it.
fn down_reason(info: &ServerInfo, serving: u64) -> DownReason {
    let number = |name| info.number(name).unwrap_or_default();
    if info.setting("cluster-require-full-coverage") != Some("no") {
        let unassigned = u64::from(Slot::COUNT).saturating_sub(number("cluster_slots_assigned"));
        if unassigned > 0 {
            return DownReason::SlotsWithoutOwner { slots: unassigned };
        }
        let failed = number("cluster_slots_fail");
        if failed > 0 {
            return DownReason::SlotsOfFailedMasters { slots: failed };
        }
    }
    let masters = number("cluster_size");
    if serving < masters / 2 + 1 {
        return DownReason::NoMajority { seen: serving, masters };
    }
    DownReason::Waiting
}

/// The server's clock, in milliseconds since 1970 (servers since 6.2 report it).
fn clock_ms(info: &ServerInfo) -> Option<u64> {
    Some(info.number("server_time_usec")? / 1000)
}
