//! Findings about nodes: whether they answer, know each other, and are followed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Backlog, Finding, NodeLabel, SnapshotIndex};
use crate::{Address, Flags, Node, NodeId, SlotJob, Snapshot};

/// What may wait for a node on the bus silently: a message is some kilobytes, with what clients publish it may be more.
const BACKLOG: u64 = 1 << 20;

pub(super) fn unreachable(snapshot: &Snapshot, findings: &mut Vec<Finding>) {
    findings.extend(snapshot.views.iter().filter_map(|view| {
        let reason = view.answer.as_ref().err()?.clone();
        let (id, address) = (view.id, view.asked.to_string());
        // The server's own error code, whatever was asked.
        Some(if reason.contains("LOADING ") {
            Finding::Loading { id, address }
        } else {
            Finding::Unreachable { id, address, reason }
        })
    }));
}

/// Ids by which another server answers than the member.
pub(super) fn same_id(
    snapshot: &Snapshot,
    others: &[(NodeId, Address)],
    findings: &mut Vec<Finding>,
) {
    let mut addresses: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    for (id, other) in others {
        let asked = || snapshot.view(*id).map(|view| view.asked.to_string()).into_iter().collect();
        addresses.entry(*id).or_insert_with(asked).push(other.to_string());
    }
    findings.extend(addresses.into_iter().map(|(id, addresses)| Finding::SameId { id, addresses }));
}

/// Addresses under which nodes know another than it knows itself, of those that answer. It is so while news of a change
/// spreads, and again and again where two servers have one id: each sends the others its address.
pub(super) fn elsewhere(survey: &SnapshotIndex<'_>) -> Vec<(NodeId, Address)> {
    let place = |address: &Address| (address.host.clone(), address.port);
    let is_moved = |node: &Node| {
        survey.own(node.id).is_some_and(|own| place(&own.address) != place(&node.address))
    };
    let seen = survey.seen(|node| !node.flags.is_handshake() && is_moved(node));
    let places: BTreeSet<_> =
        seen.iter().map(|(_, node)| (node.id, place(&node.address))).collect();
    let places = places.into_iter().filter(|(_, (host, port))| !host.is_empty() && *port != 0);
    places.map(|(id, (host, port))| (id, Address::new(host, port))).collect()
}

/// One address of several ids.
pub(super) fn same_address(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut nodes: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    for node in &survey.nodes {
        let address = &node.address;
        if !address.host.is_empty() && address.port != 0 && !node.flags.is_without_address() {
            nodes.entry(address.to_string()).or_default().push(node.id);
        }
    }
    nodes.retain(|_, nodes| nodes.len() > 1);
    let same = nodes.into_iter().map(|(address, nodes)| Finding::SameAddress { address, nodes });
    findings.extend(same);
}

/// Nodes that others call failed, cannot reach, or still wait for.
pub(super) fn failed(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut failed: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    let mut suspected: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    let mut handshakes: BTreeMap<String, Vec<NodeId>> = BTreeMap::new();
    let is_marked = |flags: &Flags| flags.is_handshake() || flags.is_failed_or_suspected();
    for (viewer, node) in survey.seen(|node| is_marked(&node.flags)) {
        let flags = &node.flags;
        if flags.is_handshake() {
            handshakes.entry(node.address.to_string()).or_default().push(viewer);
        } else if flags.is_failed() {
            failed.entry(node.id).or_default().push(viewer);
        } else {
            suspected.entry(node.id).or_default().push(viewer);
        }
    }
    for (id, by) in failed {
        findings.push(Finding::Failed { node: survey.member(id), by: survey.members(by) });
    }
    for (id, by) in suspected {
        findings.push(Finding::Suspected { node: survey.member(id), by: survey.members(by) });
    }
    for (address, by) in handshakes {
        findings.push(Finding::Handshake { address, by: survey.members(by) });
    }
}

/// Nodes to which others have no connection of the bus, though nobody considers them failed.
pub(super) fn bus_links(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let down = viewers(survey.seen(Node::lacks_link)).into_iter();
    findings.extend(
        down.map(|(id, by)| Finding::BusLinkDown {
            node: survey.member(id),
            by: survey.members(by),
        }),
    );
}

/// Who sees each of the nodes so.
fn viewers(seen: Vec<(NodeId, &Node)>) -> BTreeMap<NodeId, Vec<NodeId>> {
    let mut by_node: BTreeMap<NodeId, Vec<NodeId>> = BTreeMap::new();
    for (viewer, node) in seen {
        by_node.entry(node.id).or_default().push(viewer);
    }
    by_node
}

/// Nodes for which more than [`BACKLOG`] waits on the bus.
pub(super) fn backlogs(
    survey: &SnapshotIndex<'_>,
    backlogs: &[Backlog],
    findings: &mut Vec<Finding>,
) {
    let mut behind: BTreeMap<NodeId, (u64, Vec<NodeId>)> = BTreeMap::new();
    for backlog in backlogs.iter().filter(|backlog| backlog.bytes >= BACKLOG) {
        let (most, by) = behind.entry(backlog.to).or_default();
        *most = backlog.bytes.max(*most);
        if !by.contains(&backlog.from) {
            by.push(backlog.from);
        }
    }
    findings.extend(behind.into_iter().map(|(id, (bytes, by))| Finding::BusBacklog {
        node: survey.member(id),
        by: survey.members(by),
        bytes,
    }));
}

/// Slots that servers move by themselves.
pub(super) fn jobs(survey: &SnapshotIndex<'_>, jobs: &[SlotJob], findings: &mut Vec<Finding>) {
    findings.extend(jobs.iter().map(|job| Finding::AtomicMigration {
        slots: job.slots.clone(),
        from: survey.member(job.from),
        to: survey.member(job.to),
        state: job.state.clone(),
        retries: job.retries,
        error: job.error.clone(),
    }));
}

/// What a cluster that is healthy now would not survive.
pub(super) fn redundancy(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let masters: Vec<&Node> = survey
        .nodes
        .iter()
        .copied()
        .filter(|node| node.is_master() && !node.slots.is_empty())
        .collect();
    if masters.is_empty() {
        return;
    }
    if !survey.nodes.iter().any(|node| node.is_replica()) {
        findings.push(Finding::NoReplicas);
    } else if masters.len() < 3 {
        findings.push(Finding::FewMasters { masters: masters.len() });
    }
    let hosts: HashSet<&str> = survey.nodes.iter().map(|node| node.address.host.as_str()).collect();
    if hosts.len() < 2 {
        return;
    }
    for master in masters {
        let mut replicas =
            survey.nodes.iter().filter(|node| node.master == Some(master.id)).peekable();
        let host = &master.address.host;
        if replicas.peek().is_some() && replicas.all(|replica| replica.address.host == *host) {
            let (master, host) = (survey.member(master.id), host.to_string());
            findings.push(Finding::ReplicasOnMastersHost { master, host });
        }
    }
}

/// Nodes that some of the others do not know.
pub(super) fn unknown(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let mut handshakes: HashMap<NodeId, usize> = HashMap::new();
    for (viewer, _) in survey.seen(|node| node.flags.is_handshake()) {
        *handshakes.entry(viewer).or_default() += 1;
    }
    let mut unknown_to: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
    for (viewer, view) in &survey.views {
        let met = handshakes.get(viewer).copied().unwrap_or_default();
        // The survey has all nodes that any view knows: whoever knows as many knows them all.
        if view.len().saturating_sub(met) >= survey.nodes.len() {
            continue;
        }
        let missed = survey.nodes.iter().filter(|node| view.node(node.id).is_none());
        missed.for_each(|node| unknown_to.entry(node.id).or_default().push(*viewer));
    }
    for node in &survey.nodes {
        if let Some(by) = unknown_to.remove(&node.id) {
            let node = survey.member(node.id);
            findings.push(Finding::UnknownTo { node, by: survey.members(by) });
        }
    }
}

/// Makes [`Finding::BlackListed`] of what [`Finding::UnknownTo`] says of nodes that have the unknown id on their lists of forgotten
/// ones: `listed` are such nodes, each with such an id.
pub fn separate_black_listed(
    findings: Vec<Finding>,
    listed: &HashSet<(NodeId, NodeId)>,
) -> Vec<Finding> {
    let separate = |finding| {
        let Finding::UnknownTo { node, by } = finding else { return vec![finding] };
        let (listed, others): (Vec<NodeLabel>, Vec<NodeLabel>) =
            by.into_iter().partition(|viewer| listed.contains(&(viewer.id, node.id)));
        let listed =
            (!listed.is_empty()).then(|| Finding::BlackListed { node: node.clone(), by: listed });
        let others = (!others.is_empty()).then_some(Finding::UnknownTo { node, by: others });
        listed.into_iter().chain(others).collect()
    };
    findings.into_iter().flat_map(separate).collect()
}

/// Replicas that others take for masters.
pub(super) fn taken_for_masters(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let is_taken = |node: &Node| {
        let is_replica = || survey.own(node.id).is_some_and(Node::is_replica);
        node.is_master() && !node.flags.is_handshake() && is_replica()
    };
    let taken = viewers(survey.seen(is_taken)).into_iter().filter_map(|(id, by)| {
        let (replica, by) = (survey.member(id), survey.members(by));
        let master = survey.member(survey.own(id)?.master?);
        Some(Finding::TakenForMaster { replica, master, by })
    });
    findings.extend(taken);
}

/// Replicas without a master that works, and masters without a replica.
pub(super) fn replication(survey: &SnapshotIndex<'_>, findings: &mut Vec<Finding>) {
    let seen = survey.seen(|node| node.flags.is_failed());
    let failed: HashSet<NodeId> = seen.into_iter().map(|(_, node)| node.id).collect();
    let mut followed = HashSet::new();
    for node in survey.nodes.iter().filter(|node| node.is_replica()) {
        let replica = survey.member(node.id);
        let Some(master) = node.master else {
            findings.push(Finding::ReplicaWithoutMaster { replica });
            continue;
        };
        followed.insert(master);
        match survey.node(master) {
            None => findings.push(Finding::ReplicaOfUnknown { replica, master }),
            Some(of) if of.is_replica() => {
                let master = survey.member(master);
                findings.push(Finding::ReplicaOfReplica { replica, master });
            }
            Some(_) if failed.contains(&master) || !survey.answers(master) => {
                let master = survey.member(master);
                findings.push(Finding::ReplicaOfFailed { replica, master });
            }
            Some(_) => {}
        }
    }
    if followed.is_empty() {
        return;
    }
    let masters = survey.nodes.iter().filter(|node| node.is_master() && !node.slots.is_empty());
    for node in masters.filter(|node| !followed.contains(&node.id)) {
        findings.push(Finding::MasterWithoutReplica { master: survey.member(node.id) });
    }
}
