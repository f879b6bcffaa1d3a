//! Findings in words, one line each.

use std::fmt::{self, Display, Formatter};

use super::{DownReason, Finding, NodeLabel, OpenFlag, OpenKind, OpenSlots, Opinion};
use crate::{NodeId, SlotSet, agreeing, counted, is_or_are};

impl Display for NodeLabel {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.address.is_empty() { self.id.fmt(f) } else { f.write_str(&self.address) }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self))
    }
}

/// The text of a finding. All are here, so that one without a text does not compile.
fn text(finding: &Finding) -> String {
    match finding {
        // Nodes that do not answer, or are not what they seem.
        Finding::Unreachable { id, address, reason } => {
            format!("node {address}{} does not answer: {reason}", in_brackets(*id))
        }
        Finding::Loading { id, address } => {
            format!("node {address}{} is loading its data", in_brackets(*id))
        }
        Finding::InfoFailed { node, reason } => {
            format!("node {node} does not say how it is: {reason}")
        }
        Finding::Withheld { command, nodes } => {
            let verb = agreeing(nodes.len(), "refuses", "refuse");
            format!("{} {verb} {command}: what it would show is not known", Few(nodes))
        }
        Finding::SameId { id, addresses } => {
            format!("nodes {} share the id {id}", addresses.join(", "))
        }
        Finding::SameAddress { address, nodes } => {
            let ids: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            format!("nodes {} announce the same address {address}", ids.join(", "))
        }
        Finding::ClusterDown { nodes, reason } => {
            let verb = agreeing(nodes.len(), "says", "say");
            format!("{} {verb} cluster_state:fail: {reason}", Few(nodes))
        }
        Finding::VersionsDiffer { versions } => {
            format!("nodes run different versions: {}", Values(versions))
        }
        Finding::ClocksDiffer { slow, fast, apart_ms } => {
            format!("the clock of {fast} is {apart_ms} ms ahead of that of {slow}")
        }
        // Who owns slots, and who moves them.
        Finding::Disagreement { slots, opinions } => Disagreement(slots, opinions).to_string(),
        Finding::OpenSlots(open) => open.to_string(),
        Finding::Uncovered { slots } => format!("{} no owner: {slots}", have(slots.len())),
        Finding::Unserved { slots, owner } => {
            format!("{} an owner that does not answer, {owner}: {slots}", have(slots.len()))
        }
        Finding::MultipleOwners { slots, owners } => {
            format!("{} several owners, {}: {slots}", have(slots.len()), Few(owners))
        }
        Finding::AtomicMigration { slots, from, to, state, retries, error } => {
            let again = match retries {
                0 => String::new(),
                _ => format!(", tried {} again", counted(retries, "time")),
            };
            let colon = if error.is_empty() { "" } else { ": " };
            format!(
                "the servers move slots {slots} from {from} to {to} (state {state}{again}{colon}{error})"
            )
        }
        Finding::EpochCollision { epoch, masters } => {
            format!("masters {} have the same config epoch {epoch}", Few(masters))
        }
        // What nodes know of each other, and what the cluster bus delivers.
        Finding::Failed { node, by } => {
            let verb = agreeing(by.len(), "says", "say");
            format!("node {node} has failed, {verb} {}", Few(by))
        }
        Finding::Suspected { node, by } => {
            format!("node {node} cannot be reached by {}", Few(by))
        }
        Finding::Handshake { address, by } => {
            format!("node {address} has been met but has not answered {} yet", Few(by))
        }
        Finding::UnknownTo { node, by } => format!("node {node} is not known to {}", Few(by)),
        Finding::BlackListed { node, by } => {
            format!(
                "node {node} has been forgotten by {}, who take nobody of its id for a while",
                Few(by)
            )
        }
        Finding::PongLate { node, by, waited_ms } => {
            format!("node {node} has not answered {} for {waited_ms} ms", Few(by))
        }
        Finding::BusLinkDown { node, by } => {
            let has = agreeing(by.len(), "has", "have");
            format!("{} {has} no bus link to node {node}", Few(by))
        }
        Finding::BusBacklog { node, by, bytes } => {
            format!(
                "node {node} has not taken {} of the cluster bus from {}",
                counted(bytes, "byte"),
                Few(by)
            )
        }
        // Replicas and their masters.
        Finding::ReplicaWithoutMaster { replica: r } => {
            format!("replica {r} follows no master")
        }
        Finding::ReplicaOfUnknown { replica, master } => {
            format!("replica {replica} follows {master}, which is not in the cluster")
        }
        Finding::ReplicaOfReplica { replica, master } => {
            format!("replica {replica} follows {master}, which is a replica itself")
        }
        Finding::TakenForMaster { replica, by, .. } => {
            let form = |one, many| agreeing(by.len(), one, many);
            let (take, vote) = (form("takes", "take"), form("votes", "vote"));
            format!("{} {take} replica {replica} for a master, and so never {vote} for it", Few(by))
        }
        Finding::ReplicaOfFailed { replica, master } => {
            format!("replica {replica} follows {master}, which has failed or does not answer")
        }
        Finding::ReplicaLinkDown { replica, master, seconds } => {
            let since = seconds.map(|seconds| format!(" since {seconds} s")).unwrap_or_default();
            format!("replica {replica} has no link to its master {master}{since}")
        }
        Finding::ReplicaSyncing { replica, master, left_bytes } => {
            let left = left_bytes.map(|bytes| format!(", {bytes} bytes are to come"));
            let left = left.unwrap_or_default();
            format!("replica {replica} is getting all data of its master {master}{left}")
        }
        Finding::ReplicaLags { replica, master, bytes, seconds } => {
            let by = bytes.map(|bytes| format!(" by {bytes} bytes")).unwrap_or_default();
            let heard = seconds.map(|seconds| format!(", last heard of {seconds} s ago"));
            let heard = heard.unwrap_or_default();
            format!("replica {replica} lags behind its master {master}{by}{heard}")
        }
        Finding::MasterWithoutReplica { master } => format!("master {master} has no replica"),
        Finding::NoReplicas => "no master has a replica".to_owned(),
        Finding::FewMasters { masters } => {
            let noun = if *masters == 1 { "master owns" } else { "masters own" };
            format!("only {masters} {noun} slots: no replica can take over by itself")
        }
        Finding::ReplicasOnMastersHost { master, host } => {
            format!("all replicas of master {master} are on its host {host}")
        }
        // Saves, memory, refused writes and settings.
        Finding::RdbFailing { node, stops_writes } => {
            format!("node {node} could not save its RDB file{}", refusing(*stops_writes))
        }
        Finding::AofFailing { node, stops_writes } => {
            let refusing = refusing(*stops_writes);
            format!("node {node} could not write its append-only file{refusing}")
        }
        Finding::OutOfMemory { node, used, limit } => {
            format!("master {node} uses {used} of {limit} bytes of memory, and refuses writes")
        }
        Finding::MemoryHigh { node, used, limit } => {
            format!("master {node} uses {used} of {limit} bytes of memory")
        }
        Finding::TooFewReplicas { master, good, needed } => format!(
            "master {master} refuses writes: {} {} in good state, and min-replicas-to-write is {needed}",
            counted(good, "replica"),
            is_or_are(good)
        ),
        Finding::MasterauthMismatch { node, masters } => format!(
            "node {node} could not follow {}: its masterauth is not their requirepass",
            Few(masters)
        ),
        Finding::PasswordsDiffer { nodes } => {
            format!("requirepass is not the same on all nodes: {}", Few(&nodes.concat()))
        }
        Finding::SettingsDiffer { setting, values } => {
            format!("{setting} is not the same on all nodes: {}", Values(values))
        }
    }
}

/// The short id where it is known, to stand behind an address.
fn in_brackets(id: Option<NodeId>) -> String {
    id.map(|id| format!(" ({})", id.short())).unwrap_or_default()
}

fn refusing(stops_writes: bool) -> &'static str {
    if stops_writes { ", and refuses writes" } else { "" }
}

impl Display for DownReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            DownReason::SlotsWithoutOwner { slots } => write!(f, "{} no owner", have(slots)),
            DownReason::SlotsOfFailedMasters { slots } => {
                let belong = agreeing(slots, "belongs", "belong");
                write!(f, "{} {belong} to masters that have failed", counted(slots, "slot"))
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
        let way = |f: &mut Formatter<'_>, ways: &[OpenFlag], verb: &str, peer: &str| {
            ways.iter().try_for_each(|way| {
                write!(f, ", {} {verb} {} {peer} {}", way.node, it(slots), way.peer)
            })
        };
        way(f, &state.migrating, "sends", "to")?;
        way(f, &state.importing, "takes", "from")?;
        if !state.silent.is_empty() {
            let verb = agreeing(state.silent.len(), "does", "do");
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

/// The disputed slots, and what each group of nodes says about them.
struct Disagreement<'a>(&'a SlotSet, &'a [Opinion]);

impl Display for Disagreement<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(slots, opinions) = self;
        write!(f, "nodes disagree about {slots}")?;
        let mut mark = ": ";
        for opinion in *opinions {
            let verb = agreeing(opinion.nodes.len(), "says", "say");
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
}

fn it(slots: &SlotSet) -> &'static str {
    if slots.len() == 1 { "it" } else { "them" }
}

/// `1 slot has`, `12 slots have`.
fn have(slots: impl Display) -> String {
    format!("{} {}", counted(&slots, "slot"), agreeing(&slots, "has", "have"))
}

/// Values, each with those that have it.
struct Values<'a>(&'a [(String, Vec<NodeLabel>)]);

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
struct Few<'a>(&'a [NodeLabel]);

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
