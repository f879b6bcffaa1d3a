//! Which command is done in which way on a fleet. The table is pure; the doing is in [`FleetClient`](super::FleetClient).

use super::links::Access;

/// The way in which a command is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Every key at its server, and the answers put together.
    Split(Split),
    /// On the sets of several servers.
    Sets {
        /// What is to be computed.
        operation: SetOperation,
        /// Whether the first key is where the result goes.
        store: bool,
    },
    /// Every key is set, or none.
    SetIfNone,
    /// A member goes from the first key's set to the second's.
    MoveMember,
    /// The first key gets the second's name, and goes to its place.
    Rename {
        /// Only where there is no key of that name.
        unless_there: bool,
    },
    /// The last element of the first key's list goes to the head of the second's.
    PopPush {
        /// Waiting for it.
        blocking: bool,
    },
    /// Asked of every server, and the answers put together.
    Everywhere(Gather),
    /// Asked of the first server: any would say the same.
    Anywhere,
    /// Refused, for this reason.
    Refused(&'static str),
}

/// How the answers to a command on several keys are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// An array, in the order of the keys.
    Values,
    /// The sum of numbers.
    Sum,
    /// Keys and values in turns; OK in the end.
    Pairs,
}

/// What is computed of sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperation {
    /// What only the first has.
    Difference,
    /// What all have.
    Intersection,
    /// What any has.
    Union,
}

/// How the answers of all servers are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gather {
    /// One array.
    Values,
    /// The sum of numbers.
    Sum,
    /// The first that is not null.
    Any,
    /// Each with the name of its server, replicas that the description names among them.
    Named,
    /// Each with the name of its server, masters alone.
    NamedMasters,
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The commands it holds for, in capitals.
    pub commands: &'static [&'static str],
    /// What is done with them.
    pub policy: Policy,
    /// Whether it is atomic across servers. On keys of one server everything is.
    pub atomic: bool,
    /// What to know about it.
    pub note: &'static str,
}

const ONE_SERVER: &str =
    "its state belongs to one connection to one server: send it to the server that is meant";
const STREAMING: &str = "it never ends: send it to the server that is meant";
const ADMIN: &str = "it concerns one server: send it to the server that is meant";

/// The table. A command that is not in it goes to the server of its keys, if that is one server.
pub const RULES: &[Rule] = &[
    rule(&["MGET"], Policy::Split(Split::Values), "each server is asked at its own moment"),
    rule(&["MSET"], Policy::Split(Split::Pairs), "each server's share is set at once"),
    rule(
        &["MSETNX"],
        Policy::SetIfNone,
        "looks at all keys first; takes back what it has set if another client comes in between",
    ),
    rule(
        &["DEL", "UNLINK", "EXISTS", "TOUCH"],
        Policy::Split(Split::Sum),
        "the sum over the servers",
    ),
    rule(&["SDIFF"], combined(SetOperation::Difference), READ_SETS),
    rule(&["SINTER"], combined(SetOperation::Intersection), READ_SETS),
    rule(&["SUNION"], combined(SetOperation::Union), READ_SETS),
    rule(&["SDIFFSTORE"], stored(SetOperation::Difference), STORE_SETS),
    rule(&["SINTERSTORE"], stored(SetOperation::Intersection), STORE_SETS),
    rule(&["SUNIONSTORE"], stored(SetOperation::Union), STORE_SETS),
    rule(
        &["SMOVE"],
        Policy::MoveMember,
        "added first, then removed: for a moment both sets have the member, never none",
    ),
    rule(&["RENAME"], Policy::Rename { unless_there: false }, RENAME_NOTE),
    rule(&["RENAMENX"], Policy::Rename { unless_there: true }, RENAME_NOTE),
    rule(&["RPOPLPUSH"], Policy::PopPush { blocking: false }, POP_NOTE),
    rule(&["BRPOPLPUSH"], Policy::PopPush { blocking: true }, POP_NOTE),
    rule(&["KEYS"], Policy::Everywhere(Gather::Values), "the keys of all masters"),
    rule(&["DBSIZE"], Policy::Everywhere(Gather::Sum), "the sum over the masters"),
    atomic(&["RANDOMKEY"], Policy::Everywhere(Gather::Any), "a key of one of the masters"),
    rule(
        &["INFO", "PING", "TIME", "CONFIG", "LASTSAVE", "CLIENT", "SLOWLOG", "LATENCY", "ROLE"],
        Policy::Everywhere(Gather::Named),
        "the answer of each server, replicas that the description names too",
    ),
    rule(
        &["FLUSHDB", "FLUSHALL", "SAVE", "BGSAVE", "BGREWRITEAOF", "SCRIPT", "FUNCTION"],
        Policy::Everywhere(Gather::NamedMasters),
        "the answer of each master",
    ),
    atomic(&["ECHO", "COMMAND", "LOLWUT"], Policy::Anywhere, "the answer of the first master"),
    rule(
        &[
            "MULTI",
            "EXEC",
            "DISCARD",
            "WATCH",
            "UNWATCH",
            "SELECT",
            "AUTH",
            "HELLO",
            "QUIT",
            "RESET",
            "ASKING",
            "READONLY",
            "READWRITE",
        ],
        Policy::Refused(ONE_SERVER),
        "",
    ),
    rule(
        &[
            "SUBSCRIBE",
            "PSUBSCRIBE",
            "SSUBSCRIBE",
            "UNSUBSCRIBE",
            "PUNSUBSCRIBE",
            "SUNSUBSCRIBE",
            "MONITOR",
            "SYNC",
            "PSYNC",
        ],
        Policy::Refused(STREAMING),
        "",
    ),
    rule(
        &[
            "SHUTDOWN",
            "SLAVEOF",
            "REPLICAOF",
            "FAILOVER",
            "SWAPDB",
            "MIGRATE",
            "CLUSTER",
            "DEBUG",
            "MODULE",
            "ACL",
        ],
        Policy::Refused(ADMIN),
        "",
    ),
    rule(&["SCAN"], Policy::Refused("each server has a cursor of its own: use KEYS"), ""),
    rule(&["MOVE"], Policy::Refused("the fleet's other databases are other fleets"), ""),
];

const READ_SETS: &str = "each set is read at its own moment";
const STORE_SETS: &str = "the result replaces what was there in one step";
const RENAME_NOTE: &str = "DUMP and RESTORE with the time of expiry; removed from its old place once it has arrived unchanged";
const POP_NOTE: &str =
    "an element that cannot be pushed is put back; it is lost if this program dies between the two";

const fn rule(commands: &'static [&'static str], policy: Policy, note: &'static str) -> Rule {
    Rule { commands, policy, atomic: false, note }
}

const fn atomic(commands: &'static [&'static str], policy: Policy, note: &'static str) -> Rule {
    Rule { atomic: true, ..rule(commands, policy, note) }
}

const fn combined(operation: SetOperation) -> Policy {
    Policy::Sets { operation, store: false }
}

const fn stored(operation: SetOperation) -> Policy {
    Policy::Sets { operation, store: true }
}

/// The rule for a command, in whatever case its name is written.
///
/// ```
/// use redistrib_ops::fleet::policy::{Policy, Split, find};
///
/// assert_eq!(find(b"mget").map(|rule| rule.policy), Some(Policy::Split(Split::Values)));
/// assert!(find(b"GET").is_none());
/// ```
pub fn find(name: &[u8]) -> Option<&'static Rule> {
    let is_named = |command: &&str| command.as_bytes().eq_ignore_ascii_case(name);
    RULES.iter().find(|rule| rule.commands.iter().any(is_named))
}

impl Policy {
    /// Where the keys stand among the words of a command, if this policy splits it up; `None` where a command
    /// of so many words is malformed.
    pub(super) fn key_positions(self, words: usize) -> Option<Vec<usize>> {
        match self {
            Self::Split(Split::Pairs) | Self::SetIfNone => {
                (words >= 3 && words % 2 == 1).then(|| (1..words).step_by(2).collect())
            }
            Self::Split(_) => (words >= 2).then(|| (1..words).collect()),
            Self::Sets { store, .. } => {
                (words >= 2 + usize::from(store)).then(|| (1..words).collect())
            }
            Self::Rename { .. } | Self::PopPush { blocking: false } => {
                (words == 3).then(|| vec![1, 2])
            }
            Self::MoveMember | Self::PopPush { blocking: true } => (words == 4).then(|| vec![1, 2]),
            Self::Everywhere(_) | Self::Anywhere | Self::Refused(_) => Some(Vec::new()),
        }
    }

    /// What a command of this name and policy does at a server.
    pub(super) fn access(self, name: &[u8]) -> Access {
        match self {
            Self::Split(Split::Values) | Self::Sets { store: false, .. } => Access::Read,
            Self::Split(Split::Sum) if name.eq_ignore_ascii_case(b"EXISTS") => Access::Read,
            _ => Access::Write,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_command_has_two_rules() {
        let mut names: Vec<_> = RULES.iter().flat_map(|rule| rule.commands).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_uppercase())));
    }

    #[test]
    fn malformed_commands_have_no_keys() {
        let keys = |name: &[u8], words| find(name).unwrap().policy.key_positions(words);
        assert_eq!(keys(b"MSET", 5), Some(vec![1, 3]));
        assert_eq!(keys(b"MSET", 4), None);
        assert_eq!(keys(b"MGET", 1), None);
        assert_eq!(keys(b"RENAME", 4), None);
        assert_eq!(keys(b"SMOVE", 4), Some(vec![1, 2]));
        assert_eq!(keys(b"SDIFFSTORE", 2), None);
        assert_eq!(keys(b"PING", 1), Some(vec![]));
    }
}
