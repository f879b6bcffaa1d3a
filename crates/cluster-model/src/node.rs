//! One node, as one line of `CLUSTER NODES` describes it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Address, Flags, NodeId, Role, Slot, SlotSet};

/// A field after the address that is neither its port nor its hostname, such as
/// `shard-id=…`, `nodename=…` or `tls-port=…` in nodes.conf (servers from 7.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Aux {
    /// What stands before the `=`; never empty when it came from a server.
    pub name: String,
    /// What stands after it; none if there was no `=`.
    pub value: Option<String>,
}

/// A node of a cluster, as one node of the cluster describes it.
///
/// Its [`Display`](fmt::Display) is the line that servers print.
///
/// ```
/// use redistrib_cluster_model::Topology;
///
/// let line = "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 127.0.0.1:7000@17000,one.example.com \
///             myself,master - 0 0 3 connected 0-5 [3->-7349f132ca8cefc148b203ff3e02f8afb1692962]";
/// let topology = Topology::parse(line)?;
/// let node = topology.myself().unwrap();
/// assert_eq!(node.address.hostname.as_deref(), Some("one.example.com"));
/// assert_eq!(node.migrating[0].0.get(), 3);
/// assert_eq!(node.to_string(), line);
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id. While the node is in handshake this is a placeholder.
    pub id: NodeId,
    /// Where it is reached.
    pub address: Address,
    /// Further fields of the address, in the order in which the server printed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aux: Vec<Aux>,
    /// Its flags, the role among them.
    pub flags: Flags,
    /// The master that it copies, if it is a replica that knows its master.
    pub master: Option<NodeId>,
    /// When the ping that is still unanswered was sent, in milliseconds since 1970; 0 if none is.
    pub ping_sent: i64,
    /// When its last pong came, in milliseconds since 1970; 0 if none ever did.
    pub pong_received: i64,
    /// The version of its claim to its slots (for a replica: of its master's claim). Of two nodes
    /// that claim a slot, the cluster follows the one whose epoch is higher.
    pub config_epoch: u64,
    /// Whether the node that printed the line has a connection to this one.
    pub link_connected: bool,
    /// The slots that it owns, those on their way out included.
    pub slots: SlotSet,
    /// Its slots that are on their way to another node, in ascending order. Only a node's own line
    /// says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub migrating: Vec<(Slot, NodeId)>,
    /// The slots that are on their way to it, in ascending order. Only a node's own line says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub importing: Vec<(Slot, NodeId)>,
}

impl Node {
    /// Whether it is a master.
    pub fn is_master(&self) -> bool {
        self.flags.role() == Some(Role::Master)
    }

    /// Whether it is a replica.
    pub fn is_replica(&self) -> bool {
        self.flags.role() == Some(Role::Replica)
    }

    /// Whether the node that printed the line has no connection to this one though it should: nobody considers it failed, and they do
    /// not shake hands.
    pub fn lacks_link(&self) -> bool {
        let flags = &self.flags;
        let is_explained = flags.is_handshake() || flags.is_failed_or_suspected();
        !self.link_connected && !flags.is_myself() && !is_explained
    }

    /// Whether any slot is on its way to it or from it.
    pub fn has_open_slots(&self) -> bool {
        !self.migrating.is_empty() || !self.importing.is_empty()
    }

    /// The id of its shard (a master and its replicas), where the text carries it: nodes.conf of
    /// servers from 7.2, but not their `CLUSTER NODES`.
    pub fn shard_id(&self) -> Option<&str> {
        self.aux("shard-id")
    }

    /// The value of the further field of this name.
    pub fn aux(&self, name: &str) -> Option<&str> {
        self.aux.iter().find(|aux| aux.name == name)?.value.as_deref()
    }

    /// `host:port@bus,hostname,name=value…`
    fn fmt_address(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.address)?;
        if let Some(bus_port) = self.address.bus_port {
            write!(f, "@{bus_port}")?;
        }
        if self.address.hostname.is_some() || !self.aux.is_empty() {
            write!(f, ",{}", self.address.hostname.as_deref().unwrap_or_default())?;
        }
        self.aux.iter().try_for_each(|aux| match &aux.value {
            Some(value) => write!(f, ",{}={value}", aux.name),
            None => write!(f, ",{}", aux.name),
        })
    }

    /// Open slots in ascending order, as servers print them.
    fn fmt_open_slots(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_open_slots() {
            return Ok(());
        }
        let outward = self.migrating.iter().map(|(slot, to)| (*slot, "->-", to));
        let inward = self.importing.iter().map(|(slot, from)| (*slot, "-<-", from));
        let mut open: Vec<_> = outward.chain(inward).collect();
        open.sort_by_key(|(slot, ..)| *slot);
        open.iter().try_for_each(|(slot, arrow, peer)| write!(f, " [{slot}{arrow}{peer}]"))
    }
}

impl AsRef<Node> for Node {
    fn as_ref(&self) -> &Node {
        self
    }
}

/// The line of `CLUSTER NODES`, without its newline.
impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.id)?;
        self.fmt_address(f)?;
        write!(f, " {} ", self.flags)?;
        match &self.master {
            Some(master) => write!(f, "{master}")?,
            None => f.write_str("-")?,
        }
        let link = if self.link_connected { "connected" } else { "disconnected" };
        let (ping, pong, epoch) = (self.ping_sent, self.pong_received, self.config_epoch);
        write!(f, " {ping} {pong} {epoch} {link}")?;
        self.slots.ranges().try_for_each(|range| write!(f, " {range}"))?;
        self.fmt_open_slots(f)
    }
}
