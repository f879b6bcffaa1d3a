//! Who owns which slot, and a connection to each node.

use std::collections::HashMap;

use redistrib_cluster_model::Slot;
use redistrib_resp::Command;

use crate::cluster::{dialled, read_topology};
use crate::error::Result;
use crate::{Connection, Endpoint, Settings, StreamError};

/// A node the router knows, by the order in which it learnt of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NodeIndex(usize);

impl NodeIndex {
    /// The node that was asked first.
    pub(super) const SEED: NodeIndex = NodeIndex(0);

    /// As an index into a table of [`Router::len`] entries.
    pub(super) const fn get(self) -> usize {
        self.0
    }
}

/// Slots with their owners, and the nodes. Very many commands ask it, so it answers by numbers.
#[derive(Debug)]
pub(super) struct Router {
    settings: Settings,
    database: u32,
    nodes: Vec<(Endpoint, Option<Connection>)>,
    places: HashMap<Endpoint, NodeIndex>,
    /// The owner of each slot; the seed where nobody said.
    owners: Vec<NodeIndex>,
}

impl Router {
    /// Connects to a node and learns from it.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub(super) fn open(seed: &Endpoint, database: u32, settings: &Settings) -> Result<Self> {
        let mut router = Self {
            settings: settings.clone(),
            database,
            nodes: vec![(seed.clone(), None)],
            places: HashMap::from([(seed.clone(), NodeIndex::SEED)]),
            owners: vec![NodeIndex::SEED; usize::from(Slot::COUNT)],
        };
        router.learn()?;
        Ok(router)
    }

    /// Learns from the seed who owns what.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub(super) fn learn(&mut self) -> Result<()> {
        let (_, topology) = read_topology(self.link(NodeIndex::SEED)?)?;
        let seed = self.endpoint(NodeIndex::SEED);
        for node in topology.masters() {
            let owner = self.find(&dialled(node, &seed, &self.settings));
            node.slots.iter().for_each(|slot| self.set_owner(slot, owner));
        }
        Ok(())
    }

    /// Selects another database at every node.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub(super) fn select(&mut self, database: u32) -> Result<()> {
        self.database = database;
        let mut links = self.nodes.iter_mut().filter_map(|(_, link)| link.as_mut());
        links.try_for_each(|link| link.call(&select(database)).map(drop))
    }

    /// How many nodes there are.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node at an address.
    pub(super) fn find(&mut self, endpoint: &Endpoint) -> NodeIndex {
        if let Some(known) = self.places.get(endpoint) {
            return *known;
        }
        let new = NodeIndex(self.nodes.len());
        self.nodes.push((endpoint.clone(), None));
        self.places.insert(endpoint.clone(), new);
        new
    }

    /// Where a node is.
    pub(super) fn endpoint(&self, node: NodeIndex) -> Endpoint {
        let known = self.nodes.get(node.0).or(self.nodes.first());
        known.map_or_else(|| Endpoint::tcp("", 0), |(endpoint, _)| endpoint.clone())
    }

    /// Who owns a slot.
    pub(super) fn owner(&self, slot: Slot) -> NodeIndex {
        self.owners.get(slot.index()).copied().unwrap_or(NodeIndex::SEED)
    }

    /// Takes note of a slot's owner.
    pub(super) fn set_owner(&mut self, slot: Slot, owner: NodeIndex) {
        if let Some(known) = self.owners.get_mut(slot.index()) {
            *known = owner;
        }
    }

    /// The connection to a node, made if it is not there.
    ///
    /// # Errors
    /// Those of [`Connection::open`].
    pub(super) fn link(&mut self, node: NodeIndex) -> Result<&mut Connection> {
        let unknown = || StreamError::UnknownNode;
        let (endpoint, link) = self.nodes.get_mut(node.0).ok_or_else(unknown)?;
        match link {
            Some(link) => Ok(link),
            None => {
                let mut opened = Connection::open(endpoint, &self.settings)?;
                if self.database != 0 {
                    opened.call(&select(self.database))?;
                }
                Ok(link.insert(opened))
            }
        }
    }
}

fn select(database: u32) -> Command {
    crate::commands::select(database)
}
