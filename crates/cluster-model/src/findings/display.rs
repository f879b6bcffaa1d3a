//! Findings in words, one line each.

use std::fmt::{self, Display, Formatter};

use super::{DownReason, Finding, Member, OpenKind, OpenSlots, Opinion, Way};
use crate::SlotSet;

impl Display for Member {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.address.is_empty() { self.id.fmt(f) } else { f.write_str(&self.address) }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Finding::Unreachable { id, address, reason } => {
                let id = id.map(|id| format!(" ({})", id.short())).unwrap_or_default();
                write!(f, "node {address}{id} does not answer: {reason}")
            }
            Finding::SameId { id, addresses } => {
                write!(f, "nodes {} share the id {id}", addresses.join(", "))
            }
            Finding::SameAddress { address, nodes } => {
                let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
                write!(f, "nodes {} announce the same address {address}", ids.join(", "))
            }
            Finding::Disagreement { slots, opinions } => disagreement(f, slots, opinions),
            Finding::OpenSlots(open) => open.fmt(f),
            Finding::Uncovered { slots } => write!(f, "{} no owner: {slots}", have(slots)),
            Finding::Unserved { slots, owner } => {
                write!(f, "{} an owner that does not answer, {owner}: {slots}", have(slots))
            }
            Finding::MultipleOwners { slots, owners } => {
                write!(f, "{} several owners, {}: {slots}", have(slots), Few(owners))
            }
            Finding::Failed { node, by } => write!(f, "node {node} has failed, says {}", Few(by)),
            Finding::Suspected { node, by } => {
                write!(f, "node {node} cannot be reached by {}", Few(by))
            }
            Finding::Handshake { address, by } => {
                write!(f, "node {address} has been met but has not answered {} yet", Few(by))
            }
            Finding::UnknownTo { node, by } => write!(f, "node {node} is not known to {}", Few(by)),
            Finding::BlackListed { node, by } => {
                write!(
                    f,
                    "node {node} has been forgotten by {}, who take nobody of its id for a while",
                    Few(by)
                )
            }
            Finding::ReplicaWithoutMaster { replica: r } => {
                write!(f, "replica {r} follows no master")
            }
            Finding::ReplicaOfUnknown { replica, master } => {
                write!(f, "replica {replica} follows {master}, which is not in the cluster")
            }
            Finding::ReplicaOfReplica { replica, master } => {
                write!(f, "replica {replica} follows {master}, which is a replica itself")
            }
            Finding::ReplicaOfFailed { replica, master } => {
                write!(f, "replica {replica} follows {master}, which has failed or does not answer")
            }
            Finding::MasterWithoutReplica { master } => write!(f, "master {master} has no replica"),
            Finding::EpochCollision { epoch, masters } => {
                write!(f, "masters {} have the same config epoch {epoch}", Few(masters))
            }
            Finding::ClusterDown { nodes, reason } => {
                let verb = if nodes.len() == 1 { "says" } else { "say" };
                write!(f, "{} {verb} cluster_state:fail: {reason}", Few(nodes))
            }
            Finding::RdbFailing { node, stops_writes } => {
                write!(f, "node {node} could not save its RDB file{}", refusing(*stops_writes))
            }
            Finding::AofFailing { node, stops_writes } => {
                let refusing = refusing(*stops_writes);
                write!(f, "node {node} could not write its append-only file{refusing}")
            }
            Finding::OutOfMemory { node, used, limit } => {
                write!(
                    f,
                    "master {node} uses {used} of {limit} bytes of memory, and refuses writes"
                )
            }
            Finding::MemoryHigh { node, used, limit } => {
                write!(f, "master {node} uses {used} of {limit} bytes of memory")
            }
            Finding::TooFewReplicas { master, good, needed } => write!(
                f,
                "master {master} refuses writes: {good} replicas are in good state, and min-replicas-to-write is {needed}"
            ),
            Finding::ReplicaLinkDown { replica, master, seconds } => {
                write!(f, "replica {replica} has no link to its master {master}")?;
                seconds.iter().try_for_each(|seconds| write!(f, " since {seconds} s"))
            }
            Finding::ReplicaSyncing { replica, master, left_bytes } => {
                write!(f, "replica {replica} is getting all data of its master {master}")?;
                left_bytes.iter().try_for_each(|bytes| write!(f, ", {bytes} bytes are to come"))
            }
            Finding::ReplicaLags { replica, master, bytes, seconds } => {
                write!(f, "replica {replica} lags behind its master {master}")?;
                bytes.iter().try_for_each(|bytes| write!(f, " by {bytes} bytes"))?;
                seconds.iter().try_for_each(|seconds| write!(f, ", last heard of {seconds} s ago"))
            }
            Finding::MasterauthMismatch { node, masters } => write!(
                f,
                "node {node} could not follow {}: its masterauth is not their requirepass",
                Few(masters)
            ),
            Finding::PasswordsDiffer { nodes } => {
                write!(f, "requirepass is not the same on all nodes: {}", Few(&nodes.concat()))
            }
            Finding::SettingsDiffer { setting, values } => {
                write!(f, "{setting} is not the same on all nodes: {}", Values(values))
            }
            Finding::VersionsDiffer { versions } => {
                write!(f, "nodes run different versions: {}", Values(versions))
            }
            Finding::ClocksDiffer { slow, fast, apart_ms } => {
                write!(f, "the clock of {fast} is {apart_ms} ms ahead of that of {slow}")
            }
            Finding::PongLate { node, by, waited_ms } => {
                write!(f, "node {node} has not answered {} for {waited_ms} ms", Few(by))
            }
            Finding::BusLinkDown { node, by } => {
                write!(f, "{} has no bus link to node {node}", Few(by))
            }
            Finding::Loading { id, address } => {
                let id = id.map(|id| format!(" ({})", id.short())).unwrap_or_default();
                write!(f, "node {address}{id} is loading its data")
            }
            Finding::BusBacklog { node, by, bytes } => {
                write!(
                    f,
                    "node {node} has not taken {bytes} bytes of the cluster bus from {}",
                    Few(by)
                )
            }
            Finding::AtomicMigration { slots, from, to, state, retries, error } => {
                write!(f, "the servers move slots {slots} from {from} to {to} (state {state}")?;
                if *retries > 0 {
                    write!(f, ", tried {retries} times again")?;
                }
                if !error.is_empty() {
                    write!(f, ": {error}")?;
                }
                f.write_str(")")
            }
            Finding::NoReplicas => f.write_str("no master has a replica"),
            Finding::FewMasters { masters } => {
                let noun = if *masters == 1 { "master owns" } else { "masters own" };
                write!(f, "only {masters} {noun} slots: no replica can take over by itself")
            }
            Finding::ReplicasOnMastersHost { master, host } => {
                write!(f, "all replicas of master {master} are on its host {host}")
            }
        }
    }
}

fn refusing(stops_writes: bool) -> &'static str {
    if stops_writes { ", and refuses writes" } else { "" }
}

impl Display for DownReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::SlotsWithoutOwner { slots } => write!(f, "{slots} slots have no owner"),
            DownReason::SlotsOfFailedMasters { slots } => {
                write!(f, "{slots} slots belong to masters that have failed")
            }
            DownReason::NoMajority { seen, masters } => {
                write!(f, "only {seen} of {masters} masters with slots can be reached")
            }
            DownReason::Waiting => {
                f.write_str("it has just started or was cut off, and serves in a moment")
            }
        }
    }
}

impl Display for OpenSlots {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let OpenSlots { slots, state, kind } = self;
        let noun = if slots.len() == 1 { "slot" } else { "slots" };
        write!(f, "{noun} {slots} open: ")?;
        match kind {
            OpenKind::OwnerSilent => write!(f, "the owner does not answer")?,
            OpenKind::NoOwner => write!(f, "nobody owns {}", it(slots))?,
            _ => write!(f, "owned by {}", Few(&state.owners))?,
        }
        let way = |f: &mut Formatter<'_>, ways: &[Way], verb: &str, peer: &str| {
            ways.iter().try_for_each(|way| {
                write!(f, ", {} {verb} {} {peer} {}", way.node, it(slots), way.peer)
            })
        };
        way(f, &state.migrating, "sends", "to")?;
        way(f, &state.importing, "takes", "from")?;
        if !state.silent.is_empty() {
            let verb = if state.silent.len() == 1 { "does" } else { "do" };
            write!(f, ", {} {verb} not answer", Few(&state.silent))?;
        }
        write!(f, " ({kind})")
    }
}

impl Display for OpenKind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OpenKind::Pair => "a migration under way or interrupted",
            OpenKind::OnlyMigrating => "the target does not take part",
            OpenKind::OnlyImporting => "the owner does not take part",
            OpenKind::SeveralImporters => "several targets",
            OpenKind::HalfCommitted => "arrived, but the source has not heard of it",
            OpenKind::Leftover => "arrived, with a flag left behind",
            OpenKind::NoOwner => "without owner",
            OpenKind::OwnerSilent => "its owner is lost or cut off",
            OpenKind::SeveralOwners => "several owners",
            OpenKind::Tangled => "flags that contradict each other",
        })
    }
}

fn disagreement(f: &mut Formatter<'_>, slots: &SlotSet, opinions: &[Opinion]) -> fmt::Result {
    write!(f, "nodes disagree about {slots}")?;
    let mut mark = ": ";
    for opinion in opinions {
        let verb = if opinion.nodes.len() == 1 { "says" } else { "say" };
        write!(f, "{mark}{} {verb}", Few(&opinion.nodes))?;
        mark = " ";
        for (owner, owned) in &opinion.owners {
            write!(f, "{mark}{owner} owns {owned}")?;
            mark = ", ";
        }
        if !opinion.unowned.is_empty() {
            write!(f, "{mark}nobody owns {}", opinion.unowned)?;
        }
        mark = "; ";
    }
    Ok(())
}

fn it(slots: &SlotSet) -> &'static str {
    if slots.len() == 1 { "it" } else { "them" }
}

/// `1 slot has`, `12 slots have`.
fn have(slots: &SlotSet) -> String {
    match slots.len() {
        1 => "1 slot has".to_owned(),
        count => format!("{count} slots have"),
    }
}

/// Values, each with those that have it.
struct Values<'a>(&'a [(String, Vec<Member>)]);

impl Display for Values<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut mark = "";
        for (value, nodes) in self.0 {
            write!(f, "{mark}{value} on {}", Few(nodes))?;
            mark = "; ";
        }
        Ok(())
    }
}

/// The first three, and how many more.
struct Few<'a>(&'a [Member]);

impl Display for Few<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = if self.0.len() == 4 { 4 } else { 3 };
        let mut comma = "";
        for member in self.0.iter().take(shown) {
            write!(f, "{comma}{member}")?;
            comma = ", ";
        }
        match self.0.len().saturating_sub(shown) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
