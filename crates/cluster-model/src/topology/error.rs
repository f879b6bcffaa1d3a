//! What can be wrong with the text of a topology.

use std::fmt;

/// Where a text stopped being a topology.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {field} {problem}")]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// The field.
    pub field: Field,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A field of a line of `CLUSTER NODES` or nodes.conf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The node's id.
    Id,
    /// Its address with ports, hostname and further fields.
    Address,
    /// Its flags.
    Flags,
    /// The id of its master, or `-`.
    Master,
    /// When the pending ping was sent.
    PingSent,
    /// When the last pong came.
    PongReceived,
    /// Its config epoch.
    ConfigEpoch,
    /// `connected` or `disconnected`.
    Link,
    /// A slot or a range of slots.
    Slots,
    /// `[slot->-id]` or `[slot-<-id]`.
    OpenSlot,
    /// A variable of the `vars` line.
    Vars,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The line ends before it.
    Missing,
    /// It does not have the form that it must have. Carries its first 40 bytes or so, as text; whoever
    /// prints it to a terminal must escape it as all text from servers.
    Malformed(String),
    /// It is a part of nodes.conf, and not of what `CLUSTER NODES` answers.
    OfNodesConf,
}

impl Problem {
    #[cold]
    pub(super) fn malformed(field: &[u8]) -> Problem {
        let end = field.len().min(40);
        Problem::Malformed(String::from_utf8_lossy(&field[..end]).into_owned())
    }
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Field::Id => "node id",
            Field::Address => "address",
            Field::Flags => "flags",
            Field::Master => "master id",
            Field::PingSent => "ping time",
            Field::PongReceived => "pong time",
            Field::ConfigEpoch => "config epoch",
            Field::Link => "link state",
            Field::Slots => "slot range",
            Field::OpenSlot => "open slot",
            Field::Vars => "variable",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::Missing => f.write_str("is missing"),
            Problem::Malformed(text) => write!(f, "is malformed: {text:?}"),
            Problem::OfNodesConf => {
                f.write_str("belongs to a nodes.conf file, which Topology::parse_nodes_conf reads")
            }
        }
    }
}
