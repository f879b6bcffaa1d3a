//! Sharded fleets: plain servers over which clients spread their keys, as rediscluster-py does.
//!
//! A [`Fleet`] is the description: which master has which name, and which replica. [`FleetClient`] executes
//! commands on it as if it were one server, as far as that can be right; [`policy`] is the table of what is
//! done with which command. Where a key lives is decided in
//! [`placement`](redistrib_cluster_model::placement).

mod client;
mod compose;
mod error;
mod everywhere;
mod file;
mod links;
mod many;
mod moving;
pub mod policy;
mod sets;

use std::collections::BTreeMap;

use redistrib_cluster_model::placement::WrittenKey;

pub use client::{Answer, FleetClient, FleetOptions};
pub use error::FleetError;

use crate::error::Result;
use crate::transfer::Server;
use crate::{Credentials, Endpoint, Settings};

/// One server of a fleet.
#[derive(Clone, Debug)]
pub struct FleetNode {
    /// Its name: `node_1` and so on.
    pub name: String,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its own credentials, where they differ from those of the settings.
    pub credentials: Option<Credentials>,
}

impl FleetNode {
    /// A node without credentials of its own.
    pub fn new(name: impl Into<String>, endpoint: Endpoint) -> Self {
        Self { name: name.into(), endpoint, credentials: None }
    }
}

/// The description of a fleet. Its masters are called `node_1` to `node_n`; a key's place is found by counting
/// them.
///
/// ```
/// use redistrib_ops::fleet::Fleet;
///
/// let fleet = Fleet::from_arguments(&["node_1=127.0.0.1:63791", "node_2=127.0.0.1:63792"], &[])?;
/// assert_eq!(fleet.master_of(b"foo").endpoint.to_string(), "127.0.0.1:63792");
/// assert_eq!(fleet.master_of(b"bar").name, "node_1");
/// assert_eq!(fleet.master_of(b"bar{foo}").name, "node_2");
/// # Ok::<(), redistrib_ops::fleet::FleetError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Fleet {
    /// `node_1` first, without gaps, at least one.
    masters: Vec<FleetNode>,
    /// For each master its replica, where one is named.
    replicas: Vec<Option<FleetNode>>,
    db: u32,
}

impl Fleet {
    /// A fleet of these nodes. `master_of` are pairs of a master and its replica; a master without one is paired
    /// with itself. Without any pairs all nodes are masters.
    ///
    /// # Errors
    /// A [`FleetError`] for what is wrong with them.
    pub fn new(
        nodes: Vec<FleetNode>,
        master_of: Vec<(String, String)>,
    ) -> Result<Self, FleetError> {
        let mut by_name = BTreeMap::new();
        for node in nodes {
            let name = node.name.clone();
            if by_name.insert(name.clone(), node).is_some() {
                return Err(FleetError::Twice { name });
            }
        }
        let replica_of = check_roles(&by_name, master_of)?;
        let is_master = |name: &str| replica_of.is_empty() || replica_of.contains_key(name);
        let count = by_name.keys().filter(|name| is_master(name)).count();
        let mut masters = Vec::with_capacity(count);
        for number in 1..=count {
            let name = format!("node_{number}");
            match by_name.get(&name).filter(|_| is_master(&name)) {
                Some(node) => masters.push(node.clone()),
                None => return Err(FleetError::Gap { masters: count, missing: name }),
            }
        }
        check_places(&masters)?;
        let replica = |master: &FleetNode| {
            let name = replica_of.get(&master.name).filter(|name| **name != master.name)?;
            by_name.get(name).cloned()
        };
        let replicas = masters.iter().map(replica).collect();
        Ok(Self { masters, replicas, db: 0 })
    }

    /// A fleet from command line arguments: nodes as `node_1=127.0.0.1:63791`, masters with their replicas as
    /// `node_1=node_3`.
    ///
    /// # Errors
    /// Those of [`Fleet::new`]; [`FleetError::Address`].
    pub fn from_arguments<A: AsRef<str>>(nodes: &[A], master_of: &[A]) -> Result<Self, FleetError> {
        let node = |text: &A| {
            let text = text.as_ref();
            match text.split_once('=') {
                Some((name, address)) => Ok(FleetNode::new(name, address.parse()?)),
                None => Err(FleetError::Argument { text: text.to_owned() }),
            }
        };
        let pair = |text: &A| match text.as_ref().split_once('=') {
            Some((master, replica)) => Ok((master.to_owned(), replica.to_owned())),
            None => Err(FleetError::MasterOf { text: text.as_ref().to_owned() }),
        };
        let nodes = nodes.iter().map(node).collect::<Result<_, FleetError>>()?;
        Self::new(nodes, master_of.iter().map(pair).collect::<Result<_, FleetError>>()?)
    }

    /// The same fleet with another database selected at each of its servers.
    #[must_use]
    pub fn at_db(self, db: u32) -> Self {
        Self { db, ..self }
    }

    /// The masters, `node_1` first; never none.
    pub fn masters(&self) -> &[FleetNode] {
        &self.masters
    }

    /// The replica named for the master with this index, where there is one.
    pub fn replica_of(&self, master: usize) -> Option<&FleetNode> {
        self.replicas.get(master)?.as_ref()
    }

    /// The database in use.
    pub fn db(&self) -> u32 {
        self.db
    }

    /// The master that has a key, which may be written with a hash tag.
    pub fn master_of(&self, written: &[u8]) -> &FleetNode {
        self.place_of(&WrittenKey::parse(written))
    }

    /// The master that has a key, however it was read.
    pub fn place_of(&self, key: &WrittenKey<'_>) -> &FleetNode {
        &self.masters[self.index_of(key)]
    }

    /// The index of the master that has a key.
    pub(crate) fn index_of(&self, key: &WrittenKey<'_>) -> usize {
        // There is at least one master, so there is a number.
        key.node_number(self.masters.len()).map_or(0, |number| number - 1)
    }

    /// The masters as ends of a transfer. A node's own credentials go before those of the settings.
    pub fn servers(&self, settings: &Settings) -> Vec<Server> {
        self.masters.iter().map(|node| self.server(node, settings)).collect()
    }

    /// One node as a server to connect to.
    pub(crate) fn server(&self, node: &FleetNode, settings: &Settings) -> Server {
        let credentials = node.credentials.clone().or_else(|| settings.credentials.clone());
        let settings = Settings { credentials, ..settings.clone() };
        Server::new(node.endpoint.clone(), settings).at_db(self.db)
    }
}

/// The replica's name for each master's; none where nothing is said of it.
fn check_roles(
    nodes: &BTreeMap<String, FleetNode>,
    pairs: Vec<(String, String)>,
) -> Result<BTreeMap<String, String>, FleetError> {
    if nodes.is_empty() {
        return Err(FleetError::Empty);
    }
    let mut replica_of = BTreeMap::new();
    for (master, replica) in pairs {
        for name in [&master, &replica] {
            if !nodes.contains_key(name) {
                return Err(FleetError::Unknown { name: name.clone() });
            }
        }
        if replica_of.values().any(|other| *other == replica) {
            return Err(FleetError::TwoMasters { name: replica });
        }
        if replica_of.insert(master.clone(), replica).is_some() {
            return Err(FleetError::Twice { name: master });
        }
    }
    for (master, replica) in &replica_of {
        if master != replica && replica_of.contains_key(replica) {
            return Err(FleetError::BothRoles { name: replica.clone(), master: master.clone() });
        }
    }
    let has_role = |name: &str| {
        replica_of.contains_key(name) || replica_of.values().any(|replica| replica == name)
    };
    match nodes.keys().find(|name| !replica_of.is_empty() && !has_role(name)) {
        Some(name) => Err(FleetError::NoRole { name: name.clone() }),
        None => Ok(replica_of),
    }
}

fn check_places(masters: &[FleetNode]) -> Result<(), FleetError> {
    for (index, one) in masters.iter().enumerate() {
        let twin = masters.iter().skip(index + 1).find(|other| other.endpoint == one.endpoint);
        if let Some(other) = twin {
            let (one, address) = (one.name.clone(), one.endpoint.to_string());
            return Err(FleetError::SameServer { one, other: other.name.clone(), address });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(nodes: &[&str], master_of: &[&str]) -> String {
        Fleet::from_arguments(nodes, master_of).unwrap_err().to_string()
    }

    #[test]
    fn masters_are_counted_by_number_not_by_spelling() {
        let nodes: Vec<String> = (1..=11).rev().map(|n| format!("node_{n}=10.0.0.{n}:1")).collect();
        let fleet = Fleet::from_arguments(&nodes, &[]).unwrap();
        assert_eq!(fleet.masters()[1].name, "node_2");
        assert_eq!(fleet.masters()[10].endpoint.host(), "10.0.0.11");
    }

    #[test]
    fn the_replicas_of_a_description_are_no_masters() {
        let nodes = ["node_1=h:1", "node_2=h:2", "node_5=h:5"];
        let fleet = Fleet::from_arguments(&nodes, &["node_1=node_5", "node_2=node_2"]).unwrap();
        assert_eq!(fleet.masters().len(), 2);
        assert_eq!(fleet.replica_of(0).unwrap().name, "node_5");
        assert!(fleet.replica_of(1).is_none());
    }

    #[test]
    fn what_is_no_fleet_is_refused_with_the_reason() {
        for (nodes, master_of, expected) in [
            (&[][..], &[][..], "at least one node"),
            (&["node_1"], &[], "does not name a node"),
            (&["node_1=h"], &[], "is not an address"),
            (&["node_2=h:1"], &[], "there is no node_1"),
            (&["node_1=h:1", "node_3=h:3"], &[], "there is no node_2"),
            (&["node_1=h:1", "node_01=h:3"], &[], "there is no node_2"),
            (&["node_1=h:1", "a=h:3"], &[], "there is no node_2"),
            (&["node_1=h:1", "node_1=h:2"], &[], "node_1 is there twice"),
            (&["node_1=h:1", "node_2=h:1"], &[], "node_1 and node_2 are both at h:1"),
            (&["node_1=h:1"], &["node_1"], "does not name a master"),
            (&["node_1=h:1"], &["node_1=node_2"], "node_2, which is not among"),
            (&["node_1=h:1", "b=h:2", "c=h:3"], &["node_1=b"], "c is neither"),
            (
                &["node_1=h:1", "node_2=h:2"],
                &["node_1=node_2", "node_2=node_1"],
                "and as the replica",
            ),
            (&["node_1=h:1", "node_2=h:2", "b=h:3"], &["node_1=b", "node_2=b"], "of two masters"),
            (&["node_1=h:1", "b=h:3", "c=h:4"], &["node_1=b", "node_1=c"], "node_1 is there twice"),
        ] {
            let error = refusal(nodes, master_of);
            assert!(error.contains(expected), "{nodes:?} {master_of:?}: {error}");
        }
    }
}
