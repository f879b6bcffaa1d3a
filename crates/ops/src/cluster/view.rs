//! How one node sees its cluster, and where the nodes that it knows are reached.

use std::sync::{Mutex, PoisonError};

use redistrib_cluster_model::{Node, SharedNodes, SharedTopology};
use redistrib_resp::{Command, Reply};

use crate::commands;
use crate::conn::{describe, refusal};
use crate::error::{Error, Result};
use crate::{Connection, Endpoint, Refusal, Settings, TlsSettings};

/// Asks one node how it sees itself and the cluster.
pub(crate) fn read_topology(connection: &mut Connection) -> Result<(Node, SharedTopology)> {
    ViewsAlike::default().read(connection)
}

/// Views of several nodes, read side by side, which share what they say alike.
#[derive(Debug, Default)]
pub(crate) struct ViewsAlike(Mutex<SharedNodes>);

impl ViewsAlike {
    /// Asks one node how it sees itself and the cluster.
    pub(crate) fn read(&self, connection: &mut Connection) -> Result<(Node, SharedTopology)> {
        let command = commands::cluster_nodes();
        let reply = connection.request(&command)?;
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        parse_view(connection.endpoint(), &command, &reply, &mut known)
    }

    /// What the views that were read say, for others to share.
    pub(crate) fn into_nodes(self) -> SharedNodes {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn parse_view(
    node: &Endpoint,
    command: &Command,
    reply: &Reply,
    known: &mut SharedNodes,
) -> Result<(Node, SharedTopology)> {
    let unexpected =
        |what: String| Error::Unexpected { node: node.clone(), command: describe(command), what };
    let view = reply.view();
    if let Some(error) = refusal(node, command, view) {
        return Err(match error.refused() {
            Some(Refusal::NoCluster) => Error::NotCluster { node: node.clone() },
            _ => error,
        });
    }
    let text = view.as_bytes().ok_or_else(|| unexpected("no text".into()))?;
    let topology = known.read(text).map_err(|error| unexpected(error.to_string()))?;
    let myself = topology.myself().ok_or_else(|| unexpected("no line is its own".into()))?.clone();
    Ok((myself, topology))
}

/// The nodes other than the one asked that have an address to connect to.
pub(crate) fn reachable_nodes(
    topology: &SharedTopology,
    seed: &Endpoint,
    settings: &Settings,
) -> Vec<(Node, Endpoint)> {
    let others = topology.iter().filter(|node| !node.flags.is_myself());
    others
        .filter(|node| {
            !node.flags.is_handshake() && !node.flags.is_without_address() && node.address.port != 0
        })
        .map(|node| (node.clone(), dialled(node, seed, settings)))
        .collect()
}

/// Where a node is reached; one without a host of its own is where we found the seed.
pub(crate) fn endpoint_of(node: &Node, seed: &Endpoint) -> Endpoint {
    let host = if node.address.host.is_empty() { seed.host() } else { &node.address.host };
    Endpoint::tcp(host, node.address.port)
}

/// Where we connect to a node: by the name it announces where certificates are checked for names.
pub(crate) fn dialled(node: &Node, seed: &Endpoint, settings: &Settings) -> Endpoint {
    let by_name = settings.tls.as_ref().is_some_and(TlsSettings::verifies_names);
    match node.address.hostname.as_deref().filter(|name| by_name && !name.is_empty()) {
        Some(name) => Endpoint::tcp(name, node.address.port),
        None => endpoint_of(node, seed),
    }
}
