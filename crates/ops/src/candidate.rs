//! A node that is fit to join a cluster: in cluster mode, empty, knowing no other node.

use redistrib_cluster_model::Node;
use redistrib_resp::Command;

use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::inspect::{count_keys, text_of};
use crate::{Connection, Endpoint, Settings};

/// Such a node.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) connection: Connection,
    /// The node as it describes itself.
    pub(crate) node: Node,
}

impl Candidate {
    /// The command that makes another node shake hands with this one.
    pub(crate) fn meet(&self) -> Result<Command> {
        meet(self.connection.endpoint(), &self.node)
    }

    /// Connects to a node and makes sure that it is in cluster mode, empty and alone.
    pub(crate) fn survey(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Connection::open(endpoint, settings)?;
        let (node, topology) = read_topology(&mut connection)?;
        let keyspace = connection.call(&Command::new("INFO").arg("keyspace"))?;
        let keys = text_of(&keyspace).map_or(0, count_keys);
        let reason = match (topology.nodes.len() - 1, keys) {
            (0, 0) if node.slots.is_empty() => return Ok(Self { connection, node }),
            (0, 0) => {
                let slots = node.slots.len();
                format!("it owns {slots} slots already: CLUSTER RESET if it is not to serve them")
            }
            (0, keys) => format!("it holds {keys} keys: FLUSHALL if they are not needed"),
            (others, _) => {
                format!("it knows {others} other nodes: CLUSTER RESET if it is to leave them")
            }
        };
        Err(Error::NotEmpty { node: endpoint.clone(), reason, keys })
    }
}

/// The command that makes a node shake hands with `node` at `endpoint`. Servers take no names, so the host
/// is resolved here; they take a bus port since 4.0, so it is named only where it is not the usual one.
///
/// # Errors
/// [`Error::Resolve`], and [`Error::Precondition`] for a Unix socket, which no other node can reach.
pub(crate) fn meet(endpoint: &Endpoint, node: &Node) -> Result<Command> {
    let address = endpoint.resolve()?.into_iter().next().ok_or_else(|| {
        Error::Precondition(format!(
            "{endpoint}: other nodes cannot reach a node here: give its host and port"
        ))
    })?;
    let command =
        Command::new("CLUSTER").arg("MEET").arg(address.ip().to_string()).arg(address.port());
    Ok(match node.address.bus_port {
        Some(bus) if address.port().checked_add(10_000) != Some(bus) => command.arg(bus),
        _ => command,
    })
}
