//! Findings in words, one line each.

use std::fmt::{self, Display, Formatter};

use super::{Finding, Member, OpenKind, OpenSlots, Opinion, Way};
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
