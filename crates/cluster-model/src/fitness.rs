//! Whether masters are fit to give and take slots, judged by what they report about themselves.
//!
//! Servers do not look for all of it. Seen on Redis 8.6 and Valkey 9.1: a target that lacks the replicas that
//! `min-replicas-to-write` asks for drops what an atomic migration brings it, and reports success; one that has
//! stopped taking writes since it could not save crashes. With MIGRATE the same would fail when slots are open already.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Move, NodeId, NodeLabel, ServerInfo, SlotSet, counted};

/// The most keys that are little, and the most bytes of memory: moving them takes some milliseconds.
const LITTLE_KEYS: u64 = 1000;
const LITTLE_BYTES: u64 = 1 << 20;

/// The settings that [`judge`] needs beside `INFO`.
pub const SETTINGS: [&str; 6] = [
    "min-replicas-to-write",
    "stop-writes-on-bgsave-error",
    "save",
    "maxmemory",
    "maxmemory-policy",
    "cluster-databases",
];

/// A master that gives or takes slots.
#[derive(Clone, Debug)]
pub struct MoveEnd {
    /// Which.
    pub node: NodeLabel,
    /// The slots it owns before the moves.
    pub slots: SlotSet,
    /// What it reports about itself; `None` where it may not.
    pub info: Option<ServerInfo>,
}

/// What stands in the way of moves at one node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Obstacle {
    /// Where.
    pub node: NodeLabel,
    /// What.
    #[serde(flatten)]
    pub what: Unfit,
}

/// How much an obstacle matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gravity {
    /// It may pass by itself within seconds.
    Passing,
    /// Slots are not moved while this is so.
    Refusal,
}

/// What can be wrong with a node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "obstacle", rename_all = "kebab-case")]
pub enum Unfit {
    /// It loads its data.
    Loading,
    /// A failover that somebody asked for is under way.
    FailoverUnderWay,
    /// The last BGSAVE failed, and it takes no writes until one succeeds.
    CannotSave,
    /// The last write to its append-only file failed, and it takes no writes.
    CannotAppend,
    /// It takes no writes with fewer replicas than that.
    TooFewReplicas {
        /// Replicas in good state.
        good: u64,
        /// What `min-replicas-to-write` asks for.
        needed: u64,
    },
    /// It has not the memory for what is to come, and refuses writes then.
    NoMemory {
        /// The bytes it uses.
        used: u64,
        /// About how many bytes are to come.
        expected: u64,
        /// Its `maxmemory`, in bytes.
        most: u64,
    },
    /// It has not the memory for what is to come, and throws keys away then, as its `maxmemory-policy` says.
    WouldEvict {
        /// The bytes it uses.
        used: u64,
        /// About how many bytes are to come.
        expected: u64,
        /// Its `maxmemory`, in bytes.
        most: u64,
        /// Its `maxmemory-policy`.
        policy: String,
    },
    /// It has fewer databases than the source has with keys.
    TooFewDatabases {
        /// How many it has.
        databases: u64,
        /// The source's highest database that holds keys.
        highest: u32,
        /// The source.
        source: NodeLabel,
    },
    /// It does not read the form in which the source writes values.
    CannotRead {
        /// The source.
        source: NodeLabel,
    },
    /// It refuses to take a key.
    RefusesKeys {
        /// Its words.
        reply: String,
    },
}

impl Obstacle {
    /// How much it matters.
    pub fn weight(&self) -> Gravity {
        match self.what {
            Unfit::Loading | Unfit::FailoverUnderWay => Gravity::Passing,
            _ => Gravity::Refusal,
        }
    }
}

impl Unfit {
    /// Whether a node that is so may run MIGRATE, which is a write, and give away what it has.
    pub(crate) fn lets_keys_go(&self) -> bool {
        match self {
            Self::CannotSave | Self::CannotAppend | Self::TooFewReplicas { .. } => false,
            Self::RefusesKeys { reply } => reply.starts_with("OOM"),
            _ => true,
        }
    }
}

/// What is wrong with the ends of these moves.
///
/// ```
/// use redistrib_cluster_model::fitness::{MoveEnd, Unfit, judge};
/// use redistrib_cluster_model::{NodeLabel, Move, NodeId, ServerInfo};
///
/// let [from, to] = [1, 2].map(|id| NodeId::from_bytes([id; 20]));
/// let end = |id, slots: &str, info| MoveEnd {
///     node: NodeLabel { id, address: "h:1".into() },
///     slots: slots.parse().unwrap_or_default(),
///     info: Some(ServerInfo::parse(info)),
/// };
/// let ends = [end(from, "0-99", ""), end(to, "100-199", "loading:1\r\n")];
/// let moves = [Move { from, to, slots: "0-9".parse()? }];
/// assert_eq!(judge(&ends, &moves)[0].what, Unfit::Loading);
/// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
/// ```
pub fn judge(ends: &[MoveEnd], moves: &[Move]) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    for end in ends {
        let Some(info) = &end.info else { continue };
        let mut found: Vec<Unfit> =
            [passing(info), persistence(info), replicas(info)].into_iter().flatten().collect();
        let incoming = moves.iter().filter(|step| step.to == end.node.id);
        let incoming: Vec<(&MoveEnd, &SlotSet)> =
            incoming.filter_map(|step| Some((find(ends, step.from)?, &step.slots))).collect();
        if !incoming.is_empty() {
            found.extend(memory(info, expected(&incoming)));
            found.extend(databases(info, &incoming));
        }
        let node = &end.node;
        obstacles.extend(found.into_iter().map(|what| Obstacle { node: node.clone(), what }));
    }
    obstacles
}

/// What keeps a server from taking keys of about so many bytes of memory, whatever it is a node of.
///
/// ```
/// use redistrib_cluster_model::ServerInfo;
/// use redistrib_cluster_model::fitness::{Unfit, judge_target};
///
/// let info = ServerInfo::parse("used_memory:50\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction\r\n");
/// assert_eq!(judge_target(&info, 50), []);
/// assert_eq!(judge_target(&info, 51), [Unfit::NoMemory { used: 50, expected: 51, most: 100 }]);
/// ```
pub fn judge_target(info: &ServerInfo, expected: u64) -> Vec<Unfit> {
    let found = [passing(info), persistence(info), replicas(info), memory(info, expected)];
    found.into_iter().flatten().collect()
}

/// What a target's answer means to a key that was tried on it, the error text without the leading `-`. Answers that say
/// nothing of keys, as of a user who may not do that, mean nothing.
pub fn judge_refusal(source: &NodeLabel, reply: &str) -> Option<Unfit> {
    let code = reply.split(' ').next().unwrap_or_default();
    if reply.contains("payload version or checksum") || reply.contains("Bad data format") {
        return Some(Unfit::CannotRead { source: source.clone() });
    }
    ["OOM", "MISCONF", "NOREPLICAS", "READONLY"]
        .contains(&code)
        .then(|| Unfit::RefusesKeys { reply: reply.to_owned() })
}

fn find(ends: &[MoveEnd], id: NodeId) -> Option<&MoveEnd> {
    ends.iter().find(|end| end.node.id == id)
}

fn passing(info: &ServerInfo) -> Option<Unfit> {
    if ["loading", "async_loading"].iter().any(|field| info.field(field) == Some("1")) {
        return Some(Unfit::Loading);
    }
    let failover = info.field("master_failover_state").unwrap_or("no-failover");
    (failover != "no-failover").then_some(Unfit::FailoverUnderWay)
}

/// As servers decide it: a setting that is not known counts as if it were at its default.
fn persistence(info: &ServerInfo) -> Option<Unfit> {
    let is_bad = |field| info.field(field).is_some_and(|status| status != "ok");
    let stops = info.setting("stop-writes-on-bgsave-error") != Some("no");
    if is_bad("rdb_last_bgsave_status") && stops && info.setting("save") != Some("") {
        return Some(Unfit::CannotSave);
    }
    let appends = info.field("aof_enabled") == Some("1");
    (appends && is_bad("aof_last_write_status")).then_some(Unfit::CannotAppend)
}

/// Servers count good replicas only where they are asked to have some.
fn replicas(info: &ServerInfo) -> Option<Unfit> {
    let good = info.number("min_slaves_good_slaves")?;
    let needed = info.setting_number("min-replicas-to-write").unwrap_or(1);
    (good < needed).then_some(Unfit::TooFewReplicas { good, needed })
}

/// Whether slots of a source probably hold little data, by their part of all its keys and memory: they are moved within
/// some milliseconds. A source that does not report it may hold any amount.
///
/// ```
/// use redistrib_cluster_model::fitness::{MoveEnd, is_little};
/// use redistrib_cluster_model::{NodeLabel, NodeId, ServerInfo, SlotSet};
///
/// let node = NodeLabel { id: NodeId::from_bytes([1; 20]), address: "h:1".into() };
/// let info = ServerInfo::parse("role:master\r\nused_memory_dataset:900000\r\ndb0:keys=5000,expires=0\r\n");
/// let source = MoveEnd { node, slots: "0-99".parse()?, info: Some(info) };
/// assert!(is_little(&source, &"0-9".parse()?) && !is_little(&source, &"0-49".parse()?));
/// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
/// ```
pub fn is_little(source: &MoveEnd, slots: &SlotSet) -> bool {
    let tells = |info: &&ServerInfo| info.field("role").is_some();
    let Some(info) = source.info.as_ref().filter(tells) else { return false };
    part(source, slots, info.keys()) <= LITTLE_KEYS && expected(&[(source, slots)]) <= LITTLE_BYTES
}

/// About how many bytes come from these sources: of each source's data the part that its slots are.
fn expected(incoming: &[(&MoveEnd, &SlotSet)]) -> u64 {
    let bytes = |(source, slots): &(&MoveEnd, &SlotSet)| {
        let info = source.info.as_ref()?;
        let data = info.number("used_memory_dataset")?;
        (info.keys() > 0).then(|| part(source, slots, data))
    };
    incoming.iter().filter_map(bytes).fold(0, u64::saturating_add)
}

/// Of an amount that all slots of a source hold, what some of them do if they hold as much each.
fn part(source: &MoveEnd, slots: &SlotSet, amount: u64) -> u64 {
    let part = u128::from(amount) * slots.len() as u128 / (source.slots.len() as u128).max(1);
    u64::try_from(part).unwrap_or(u64::MAX)
}

fn memory(info: &ServerInfo, expected: u64) -> Option<Unfit> {
    let most = info.number("maxmemory").or(info.setting_number("maxmemory"))?;
    let used = info.number("used_memory")?;
    if most == 0 || expected == 0 || used.saturating_add(expected) <= most {
        return None;
    }
    let policy = info.field("maxmemory_policy").or(info.setting("maxmemory-policy"));
    Some(match policy.unwrap_or("noeviction") {
        "noeviction" => Unfit::NoMemory { used, expected, most },
        policy => Unfit::WouldEvict { used, expected, most, policy: policy.to_owned() },
    })
}

/// A server that reports some of its settings and has none for databases has one database in a cluster.
fn databases(info: &ServerInfo, incoming: &[(&MoveEnd, &SlotSet)]) -> Option<Unfit> {
    let databases = match info.setting_number("cluster-databases") {
        Some(databases) => databases,
        None => info.setting("maxmemory").map(|_| 1)?,
    };
    let highest = incoming.iter().filter_map(|(source, _)| {
        let highest = *source.info.as_ref()?.databases().last_key_value()?.0;
        Some((highest, source.node.clone()))
    });
    let (highest, source) = highest.max_by_key(|(highest, _)| *highest)?;
    (u64::from(highest) >= databases).then_some(Unfit::TooFewDatabases {
        databases,
        highest,
        source,
    })
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.node.address, self.what)
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: &u64| bytes.div_ceil(1 << 20);
        match self {
            Self::Loading => write!(f, "is loading its data: wait until it is through"),
            Self::FailoverUnderWay => {
                write!(f, "is in the middle of a failover: wait until it is through")
            }
            Self::CannotSave => write!(
                f,
                "takes no writes since its last BGSAVE failed (MISCONF), and crashes if slots are imported: see its log, make \
                 room or set `dir`, and send it BGSAVE, or CONFIG SET stop-writes-on-bgsave-error no"
            ),
            Self::CannotAppend => write!(
                f,
                "takes no writes since it could not write its append-only file (MISCONF), and crashes if slots are \
                 imported: see its log, and make room"
            ),
            Self::TooFewReplicas { good, needed } => write!(
                f,
                "takes no writes with {} in good state, where min-replicas-to-write is {needed}, and would drop \
                 what is imported: give it replicas, or CONFIG SET min-replicas-to-write 0 meanwhile",
                counted(good, "replica")
            ),
            Self::NoMemory { used, expected, most } => write!(
                f,
                "has no memory for about {} MiB more (OOM): it uses {} MiB of maxmemory {} MiB, and its maxmemory-policy is \
                 noeviction: raise maxmemory, or move fewer slots",
                mib(expected),
                mib(used),
                mib(most),
            ),
            Self::WouldEvict { used, expected, most, policy } => write!(
                f,
                "has no memory for about {} MiB more, and would throw keys away: it uses {} MiB of maxmemory {} MiB, and its \
                 maxmemory-policy is {policy}: raise maxmemory, or move fewer slots",
                mib(expected),
                mib(used),
                mib(most),
            ),
            Self::TooFewDatabases { databases, highest, source } => write!(
                f,
                "has {databases} databases, and {} holds keys in database {highest}: set cluster-databases in its \
                 configuration and restart it",
                source.address
            ),
            Self::CannotRead { source } => write!(
                f,
                "cannot read values as {} writes them, since it is older or of another family: upgrade it, or copy the keys \
                 as any client does",
                source.address
            ),
            Self::RefusesKeys { reply } => write!(f, "takes no keys: {reply}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{id, slots};

    fn end(n: u8, info: &str, settings: &[(&str, &str)]) -> MoveEnd {
        let mut info = ServerInfo::parse(&info.replace(' ', "\r\n"));
        settings.iter().for_each(|(name, value)| info.enter_setting(*name, *value));
        let node = NodeLabel { id: id(n), address: format!("h:{n}") };
        MoveEnd { node, slots: slots(&format!("{0}00-{0}99", n)), info: Some(info) }
    }

    fn found(source: MoveEnd, target: MoveEnd) -> Vec<(u64, Unfit, Gravity)> {
        let moves = [Move { from: id(1), to: id(2), slots: slots("100-149") }];
        let number = |obstacle: &Obstacle| u64::from(obstacle.node.id.as_bytes()[0]);
        let all = judge(&[source, target], &moves);
        all.into_iter().map(|it| (number(&it), it.what.clone(), it.weight())).collect()
    }

    #[test]
    fn a_node_that_takes_no_writes_is_refused_at_either_end() {
        let misconf = |n, settings: &[(&str, &str)]| {
            end(n, "rdb_last_bgsave_status:err aof_enabled:0 aof_last_write_status:ok", settings)
        };
        let well = |n| end(n, "rdb_last_bgsave_status:ok loading:0", &[]);
        let refused = |n| vec![(n, Unfit::CannotSave, Gravity::Refusal)];
        assert_eq!(found(well(1), misconf(2, &[("save", "60 1")])), refused(2));
        assert_eq!(found(misconf(1, &[]), well(2)), refused(1), "the defaults stop writes");
        assert_eq!(found(well(1), misconf(2, &[("save", "")])), []);
        assert_eq!(found(well(1), misconf(2, &[("stop-writes-on-bgsave-error", "no")])), []);
        let full = end(2, "aof_enabled:1 aof_last_write_status:err", &[]);
        assert_eq!(found(well(1), full), [(2, Unfit::CannotAppend, Gravity::Refusal)]);
    }

    #[test]
    fn replicas_in_good_state_have_to_suffice() {
        let with = |good: &str| {
            let info = format!("min_slaves_good_slaves:{good}");
            found(end(1, "", &[]), end(2, &info, &[("min-replicas-to-write", "2")]))
        };
        let few = Unfit::TooFewReplicas { good: 1, needed: 2 };
        assert_eq!(with("1"), [(2, few, Gravity::Refusal)]);
        assert_eq!(with("2"), []);
    }

    #[test]
    fn what_is_to_come_has_to_find_room() {
        let source = || end(1, "used_memory_dataset:1000 db0:keys=9,expires=0", &[]);
        let target = |used: u64, policy: &str| {
            let info = format!("used_memory:{used} maxmemory:2000 maxmemory_policy:{policy}");
            end(2, &info, &[])
        };
        let kinds = |target| {
            let found = found(source(), target);
            found.into_iter().map(|(_, _, weight)| weight).collect::<Vec<_>>()
        };
        assert_eq!(kinds(target(1500, "noeviction")), [], "half of the source's slots move");
        assert_eq!(kinds(target(1501, "noeviction")), [Gravity::Refusal]);
        assert_eq!(kinds(target(1500, "allkeys-lru")), []);
        assert_eq!(kinds(target(1501, "allkeys-lru")), [Gravity::Refusal], "keys would be lost");
        let nothing = end(1, "used_memory_dataset:1000", &[]);
        assert_eq!(found(nothing, target(2500, "noeviction")), []);
    }

    #[test]
    fn a_database_with_keys_has_to_exist_at_the_target() {
        let source = || end(1, "db0:keys=1,expires=0 db9:keys=1,expires=0", &[]);
        let with = |settings: &[(&str, &str)]| found(source(), end(2, "", settings)).len();
        assert_eq!(with(&[("maxmemory", "0"), ("cluster-databases", "10")]), 0);
        assert_eq!(with(&[("maxmemory", "0"), ("cluster-databases", "9")]), 1);
        assert_eq!(with(&[("maxmemory", "0")]), 1, "an older server has one");
        assert_eq!(with(&[]), 0, "a server that tells no setting may have any number");
    }

    #[test]
    fn what_a_tried_key_was_answered_with() {
        let source = NodeLabel { id: id(1), address: "h:1".into() };
        let judged = |reply| judge_refusal(&source, reply);
        let version = "ERR DUMP payload version or checksum are wrong";
        assert_eq!(judged(version), Some(Unfit::CannotRead { source: source.clone() }));
        let oom = "OOM command not allowed when used memory > 'maxmemory'.";
        assert_eq!(judged(oom), Some(Unfit::RefusesKeys { reply: oom.into() }));
        assert_eq!(judged("NOPERM User x has no permissions to run the 'restore' command"), None);
    }
}
