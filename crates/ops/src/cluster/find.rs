//! Nodes of a cluster by their ids and names.

use redistrib_cluster_model::{Address, Node, NodeId, NodeName, NodeNameError};

use super::{Cluster, Member};
use crate::Endpoint;
use crate::error::{Error, Result};

impl Cluster {
    /// The node of this id as it describes itself, or as the first node that knows it does: also one that has lost its
    /// address, or that the seed has forgotten.
    pub fn known(&self, id: NodeId) -> Option<&Node> {
        let member = self.members.iter().find(|member| member.id() == id).map(Member::node);
        let mut views = self.members.iter().filter_map(Member::topology);
        member.or_else(|| views.find_map(|topology| topology.node(id)))
    }

    /// The node of this name: a member, or one that only other nodes than the seed know. A host name that no node
    /// has is looked up.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`]; [`Error::Name`] for the name of several nodes.
    pub fn find(&self, name: &NodeName) -> Result<NodeId> {
        let snapshot = self.snapshot();
        let others = snapshot.nodes().into_iter().filter(|node| self.member(node.id).is_err());
        let others = others.map(|node| (node, node.address.clone()));
        self.find_among(name, self.members.iter().map(Member::place).chain(others))
    }

    /// The node of this name, or without one the node that was asked.
    ///
    /// # Errors
    /// Those of [`Cluster::find`].
    pub fn find_or_myself(&self, name: Option<&NodeName>) -> Result<NodeId> {
        name.map_or_else(|| Ok(self.myself().id()), |name| self.find(name))
    }

    /// The master of this name: a replica that could be called so is not meant.
    ///
    /// # Errors
    /// Those of [`Cluster::find`].
    pub(crate) fn find_master(&self, name: &NodeName) -> Result<NodeId> {
        self.find_among(name, self.masters().map(Member::place))
    }

    fn find_among<'a>(
        &self,
        name: &NodeName,
        nodes: impl Iterator<Item = (&'a Node, Address)>,
    ) -> Result<NodeId> {
        let nodes: Vec<(&Node, Address)> = nodes.collect();
        let find = |name: &NodeName| name.find(nodes.iter().map(|(node, at)| (*node, at)));
        let found = find(name).or_else(|error| {
            let endpoint: Option<Endpoint> = name.as_str().parse().ok();
            let addresses = endpoint.and_then(|endpoint| endpoint.resolve().ok());
            let mut names =
                addresses.into_iter().flatten().filter_map(|it| it.to_string().parse().ok());
            names.find_map(|name| find(&name).ok()).ok_or(error)
        });
        found.map_err(|error| match error {
            NodeNameError::Unknown(name) => self.no_such_node(&name),
            NodeNameError::Ambiguous { .. } => error.into(),
        })
    }

    /// The error for an id that no member has.
    pub(crate) fn no_such_node(&self, id: &str) -> Error {
        Error::NoSuchNode { id: id.to_owned(), seed: self.seed.clone() }
    }
}
