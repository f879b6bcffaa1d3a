//! A node that is to join a cluster, as it is before that.

use redistrib_cluster_model::{Node, NodeId, ServerInfo, SharedTopology};
use redistrib_resp::Command;

use crate::cluster::read_topology;
use crate::commands;
use crate::commands::replies::info_in;
use crate::error::{Error, Result};
use crate::{Belongings, Connection, Endpoint, MembershipError, Settings};

/// Such a node.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) connection: Connection,
    /// The node as it describes itself.
    pub(crate) node: Node,
    /// The cluster as it sees it.
    pub(crate) topology: SharedTopology,
    /// What its server says of itself.
    pub(crate) info: ServerInfo,
    /// The ids that it had before it was reset, which some nodes may still learn of.
    pub(crate) former_ids: Vec<NodeId>,
}

impl Candidate {
    /// The command that makes another node shake hands with this one.
    pub(crate) fn meet(&self) -> Result<Command> {
        meet(self.connection.endpoint(), &self.node)
    }

    /// Connects to a node in cluster mode and looks at it.
    pub(crate) fn look(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Connection::open(endpoint, settings)?;
        let (node, topology) = read_topology(&mut connection)?;
        let info = read_info(&mut connection)?;
        connection.give_room_back();
        Ok(Self { connection, node, topology, info, former_ids: Vec::new() })
    }

    /// Looks again at how the node sees itself and others.
    pub(crate) fn refresh(&mut self) -> Result<()> {
        let (node, topology) = read_topology(&mut self.connection)?;
        (self.node, self.topology) = (node, topology);
        Ok(())
    }

    /// Looks again at that, and at what the server says of itself.
    pub(crate) fn look_again(&mut self) -> Result<()> {
        self.info = read_info(&mut self.connection)?;
        self.refresh()
    }

    /// Whether the node has neither slots nor others to talk to.
    pub(crate) fn is_alone(&self) -> bool {
        self.topology.len() == 1 && self.node.slots.is_empty()
    }

    /// Makes sure that the node has nothing to lose and belongs nowhere. What a node with keys, slots or others to talk to
    /// may be is a member of a living cluster: nobody is told to reset it.
    pub(crate) fn require_empty(&self) -> Result<()> {
        if self.is_alone() && self.info.keys() == 0 { Ok(()) } else { Err(self.not_empty()) }
    }

    /// The error that says what the node is already.
    pub(crate) fn not_empty(&self) -> Error {
        let node = self.connection.endpoint();
        let (keys, slots) = (self.info.keys(), self.node.slots.len());
        let has = match (self.topology.len() - 1, slots) {
            (0, 0) => Belongings::Keys,
            (0, slots) => Belongings::Slots { slots },
            (others, _) => Belongings::Peers { others },
        };
        Error::NotEmpty { node: node.clone(), has, keys }
    }
}

fn read_info(connection: &mut Connection) -> Result<ServerInfo> {
    Ok(info_in(&connection.call(&commands::info())?))
}

/// The command that makes a node shake hands with `node` at `endpoint`. Servers take no names, so the host
/// is resolved here; they take a bus port since 4.0, so it is named only where it is not the usual one.
///
/// # Errors
/// [`Error::Resolve`], and [`Error::Membership`] for a Unix socket, which no other node can reach.
pub(crate) fn meet(endpoint: &Endpoint, node: &Node) -> Result<Command> {
    let address = endpoint.resolve()?.into_iter().next();
    let address = address.ok_or_else(|| MembershipError::NoAddress(endpoint.clone()))?;
    Ok(commands::meet(address, node.address.bus_port))
}
