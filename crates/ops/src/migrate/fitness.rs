//! The facts about the ends of a migration, asked of all of them at once, for the model to judge.

use std::collections::{BTreeMap, BTreeSet};

use redistrib_cluster_model::fitness::{
    Gravity, MoveEnd, Obstacle, SETTINGS, Unfit, judge, judge_refusal,
};
use redistrib_cluster_model::{Move, NodeId, NodeLabel, ServerInfo, Slot, SlotSet};
use redistrib_resp::{Command, Reply};

use crate::candidate::Candidate;
use crate::error::Result;
use crate::{Cluster, Connection, Refusal, server_info};

/// How many keys of a source are looked at for a small one.
const KEYS_LOOKED_AT: usize = 5;
/// The most bytes of memory of a key that is tried.
const MOST_TRIED: i64 = 1 << 20;
/// FUNCTION DUMP came with this version of the RDB format: servers without it write and read older ones.
const FUNCTIONS_SINCE: u16 = 10;
/// What ends each dump: the version of its format in 2 bytes, then a checksum of 8. Source: rdb.c, DUMP.
const FOOTER: usize = 10;

/// What stands in the way of these moves. Changes nothing: to see whether a target reads what its source writes, a key is
/// tried on it that has expired already, which servers read and then leave out.
///
/// ```no_run
/// use redistrib_ops::migrate::obstacles;
/// use redistrib_ops::model::Move;
/// use redistrib_ops::{Cluster, Settings};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let ids: Vec<_> = cluster.masters().map(|member| member.id()).collect();
/// let slots = cluster.member(ids[0])?.node().slots.clone();
/// for obstacle in obstacles(&mut cluster, &[Move { from: ids[0], to: ids[1], slots }]) {
///     println!("{obstacle}");
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn obstacles(cluster: &mut Cluster, moves: &[Move]) -> Vec<Obstacle> {
    let ends = ask(cluster, moves);
    let mut found = judge(&ends, moves);
    let refused: BTreeSet<NodeId> = found.iter().map(|obstacle| obstacle.node.id).collect();
    let infos: BTreeMap<NodeId, &ServerInfo> =
        ends.iter().filter_map(|end| Some((end.node.id, end.info.as_ref()?))).collect();
    let mut payloads: BTreeMap<NodeId, Option<Reply>> = BTreeMap::new();
    // Servers of one version write alike: one of them is enough for each target.
    let mut tried = BTreeSet::new();
    let pairs: BTreeSet<(NodeId, NodeId)> = moves.iter().map(|step| (step.from, step.to)).collect();
    for (from, to) in pairs.into_iter().filter(|(_, to)| !refused.contains(to)) {
        let source = infos.get(&from);
        let version = source.and_then(|info| info.version());
        let is_empty = source.is_some_and(|info| info.keys() == 0);
        if is_empty || version.clone().is_some_and(|version| tried.contains(&(version, to))) {
            continue;
        }
        let payload =
            payloads.entry(from).or_insert_with(|| dump_some_key(connection(cluster, from)?));
        let payload = payload.as_ref().and_then(|payload| payload.view().as_bytes());
        let Some(payload) = payload else { continue };
        tried.extend(version.map(|version| (version, to)));
        let (Some(source), Some(node)) = (member(cluster, from), member(cluster, to)) else {
            continue;
        };
        if let Some(what) = try_on_target(cluster, &source, to, payload) {
            found.push(Obstacle { node, what });
        }
    }
    found
}

/// What keeps a node that is no member yet from carrying all that a master has.
///
/// # Errors
/// Those of [`Connection::call`].
pub(crate) fn newcomer_obstacles(
    cluster: &mut Cluster,
    from: NodeId,
    new: &mut Candidate,
) -> Result<Vec<Obstacle>> {
    let node = NodeLabel { id: new.node.id, address: new.connection.endpoint().to_string() };
    let slots = cluster.member(from)?.node().slots.clone();
    let moves = [Move { from, to: node.id, slots }];
    let mut ends = ask(cluster, &moves);
    ends.retain(|end| end.node.id == from);
    let info = Some(server_info::ask_one(&mut new.connection, &SETTINGS)?);
    ends.push(MoveEnd { node: node.clone(), slots: SlotSet::default(), info });
    let mut found = judge(&ends, &moves);
    found.retain(|obstacle| obstacle.node.id == node.id);
    let source = cluster.member_mut(from)?;
    let written = source.connection().ok().and_then(format_version);
    let read = format_version(&mut new.connection);
    if written.zip(read).is_some_and(|(written, read)| written > read) {
        let source = named(source);
        found.push(Obstacle { node, what: Unfit::CannotRead { source } });
    }
    Ok(found)
}

/// Something that may pass by itself, as of a server that loads its data.
pub(super) fn passing(cluster: &mut Cluster, moves: &[Move]) -> Option<String> {
    let found = judge(&ask(cluster, moves), moves);
    let passing = found.iter().find(|obstacle| obstacle.weight() == Gravity::Passing)?;
    Some(passing.to_string())
}

/// What all ends of the moves report about themselves.
fn ask(cluster: &mut Cluster, moves: &[Move]) -> Vec<MoveEnd> {
    let ends: BTreeSet<NodeId> = moves.iter().flat_map(|step| [step.from, step.to]).collect();
    let is_end = |member: &crate::Member| ends.contains(&member.id());
    let infos = server_info::ask_of(cluster, |member| member.is_up() && is_end(member), &SETTINGS);
    let infos = server_info::known(infos);
    let members = cluster.members().iter().zip(infos).filter(|(member, _)| is_end(member));
    let end = |(member, info): (&crate::Member, _)| MoveEnd {
        node: named(member),
        slots: member.node().slots.clone(),
        info,
    };
    members.map(end).collect()
}

fn member(cluster: &Cluster, id: NodeId) -> Option<NodeLabel> {
    cluster.member(id).ok().map(named)
}

pub(super) fn named(member: &crate::Member) -> NodeLabel {
    NodeLabel { id: member.id(), address: member.endpoint().to_string() }
}

fn connection(cluster: &mut Cluster, id: NodeId) -> Option<&mut Connection> {
    cluster.member_mut(id).ok()?.connection().ok()
}

/// The DUMP of a small key, if one is found soon.
pub(crate) fn dump_some_key(source: &mut Connection) -> Option<Reply> {
    let keys = source.pipeline(&[(); KEYS_LOOKED_AT].map(|()| Command::new("RANDOMKEY"))).ok()?;
    let keys: Vec<&[u8]> = keys.iter().filter_map(|key| key.view().as_bytes()).collect();
    let weigh = |key: &&[u8]| crate::commands::memory_usage(key);
    let sizes = source.pipeline(&keys.iter().map(weigh).collect::<Vec<_>>()).ok()?;
    let sizes = sizes.iter().map(|size| size.view().as_int());
    let weighed = keys.iter().zip(sizes).filter_map(|(key, size)| Some((size?, key)));
    let (_, key) = weighed.filter(|(size, _)| *size <= MOST_TRIED).min()?;
    source.request(&crate::commands::dump(key)).ok()
}

/// Tries a key on a target where it owns a slot, as nobody may write into others; elsewhere the versions of the two
/// servers' dumps are compared.
fn try_on_target(
    cluster: &mut Cluster,
    source: &NodeLabel,
    to: NodeId,
    payload: &[u8],
) -> Option<Unfit> {
    let slot = cluster.member(to).ok()?.node().slots.first();
    match slot {
        Some(slot) => {
            let restore = crate::commands::try_restore(&key_in(slot), payload);
            let reply = connection(cluster, to)?.request(&restore).ok()?;
            let refusal = String::from_utf8_lossy(reply.view().as_error()?).into_owned();
            judge_refusal(source, &refusal)
        }
        None => {
            let theirs = dump_version(payload)?;
            let ours = format_version(connection(cluster, to)?)?;
            (theirs > ours).then(|| Unfit::CannotRead { source: source.clone() })
        }
    }
}

/// A key of a slot, of a name that nobody else uses.
pub(crate) fn key_in(slot: Slot) -> String {
    let name = |number: u32| format!("redis-trib:fitness:{number}");
    let mut names = (0..).map(name);
    names.find(|name| Slot::of_key(name.as_bytes()) == slot).unwrap_or_default()
}

/// The version of the format in which a server writes, by the dump of its functions: that can be had without a key.
pub(crate) fn format_version(node: &mut Connection) -> Option<u16> {
    let reply = node.request(&crate::commands::dump_functions()).ok()?;
    match reply.view().as_error() {
        None => dump_version(reply.view().as_bytes()?),
        Some(text) if Refusal::of(text) == Refusal::UnknownCommand => Some(FUNCTIONS_SINCE - 1),
        Some(_) => None,
    }
}

fn dump_version(dump: &[u8]) -> Option<u16> {
    let footer = dump.len().checked_sub(FOOTER)?;
    Some(u16::from_le_bytes(dump.get(footer..footer + 2)?.try_into().ok()?))
}
