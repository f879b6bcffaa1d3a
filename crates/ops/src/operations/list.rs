//! The nodes of a cluster as redis-trib.py's library lists them.

use redistrib_cluster_model::{Flags, Node, NodeId, Role, SlotSet};
use serde::Serialize;

use crate::cluster::read_topology;
use crate::error::Result;
use crate::{Connection, Endpoint, Settings};

/// A node of a cluster, as the node that was asked knows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterNode {
    /// Its id.
    pub node_id: NodeId,
    /// Its host; the default host that was given, where a freshly started node does not know its own.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Master or replica.
    pub role_in_cluster: Role,
    /// The id of its master, for a replica.
    pub master_id: Option<NodeId>,
    /// The slots it owns, those that it is giving away left out.
    pub assigned_slots: SlotSet,
    /// Whether any slot is migrating from it or being imported by it.
    pub slots_migrating: bool,
    /// Its flags.
    pub flags: Flags,
    /// Whether the node that was asked takes it for dead.
    pub fail: bool,
    /// Whether it is a master.
    pub master: bool,
    /// Whether it is a replica.
    pub slave: bool,
    /// Whether it is the node that was asked.
    pub myself: bool,
}

impl ClusterNode {
    fn new(node: &Node, default_host: &str) -> Self {
        let mut assigned_slots = node.slots.clone();
        for (slot, _) in &node.migrating {
            assigned_slots.remove(*slot);
        }
        Self {
            node_id: node.id,
            host: if node.address.host.is_empty() { default_host } else { &node.address.host }
                .to_owned(),
            port: node.address.port,
            role_in_cluster: if node.is_master() { Role::Master } else { Role::Replica },
            master_id: node.master,
            assigned_slots,
            slots_migrating: node.has_open_slots(),
            flags: node.flags.clone(),
            fail: node.flags.is_failed(),
            master: node.is_master(),
            slave: node.is_replica(),
            myself: node.flags.is_myself(),
        }
    }

    /// Where it listens, as `host:port`.
    pub fn addr(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

/// All nodes that `endpoint` knows, and `endpoint`'s own node, which is among them.
///
/// ```no_run
/// use redistrib_ops::{Settings, list_nodes};
/// let (nodes, myself) = list_nodes(&"127.0.0.1:7000".parse()?, &Settings::default(), "127.0.0.1")?;
/// assert!(nodes.contains(&myself));
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Connection::open`] and [`Connection::call`]; [`crate::Error::NotCluster`].
pub fn list_nodes(
    endpoint: &Endpoint,
    settings: &Settings,
    default_host: &str,
) -> Result<(Vec<ClusterNode>, ClusterNode)> {
    let (myself, topology) = read_topology(&mut Connection::open(endpoint, settings)?)?;
    let nodes = topology.iter().map(|node| ClusterNode::new(node, default_host));
    Ok((nodes.collect(), ClusterNode::new(&myself, default_host)))
}

/// All masters that `endpoint` knows, and `endpoint`'s own node, which is among them if it is one.
///
/// # Errors
/// Those of [`list_nodes`].
pub fn list_masters(
    endpoint: &Endpoint,
    settings: &Settings,
    default_host: &str,
) -> Result<(Vec<ClusterNode>, ClusterNode)> {
    let (mut nodes, myself) = list_nodes(endpoint, settings, default_host)?;
    nodes.retain(|node| node.role_in_cluster == Role::Master);
    Ok((nodes, myself))
}
