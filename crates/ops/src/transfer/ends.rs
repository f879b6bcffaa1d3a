//! Between which servers keys are copied, and what must be true of them first.

use std::collections::BTreeSet;

use redistrib_cluster_model::Slot;

use super::server::{Facts, Server};
use crate::cluster::in_parallel;
use crate::error::{Error, Result};
use crate::{Cluster, CopyError, Endpoint};

/// Where keys are copied from.
#[derive(Clone, Debug)]
pub enum Source {
    /// All keys of these servers.
    Servers(Vec<Server>),
    /// The masters of a fleet, `node_1` first: a key's place among them matters.
    Fleet(Vec<Server>),
}

/// Where keys are copied to, which decides where each key goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// All keys to one server.
    Server(Server),
    /// Each to its place among the masters of a fleet, `node_1` first.
    Fleet(Vec<Server>),
    /// Each to the owner of its slot in the cluster that this server is a node of.
    Cluster(Server),
}

/// A server with what it says of itself.
#[derive(Clone, Debug)]
pub(super) struct ServerEnd {
    pub(super) server: Server,
    pub(super) facts: Facts,
}

/// All the servers of a transfer.
#[derive(Debug)]
pub(super) struct Ends {
    pub(super) sources: Vec<ServerEnd>,
    pub(super) targets: Vec<ServerEnd>,
    /// For each slot its owner among the targets, where the target is a cluster.
    pub(super) owners: Option<Vec<Option<usize>>>,
    /// For each source, the target that is the same database of the same server.
    pub(super) same: Vec<Option<usize>>,
    /// Whether the database that keys go to has the number of their source's, not of the target's.
    keeps_database: bool,
}

impl Ends {
    /// Asks all the servers what they are. `remove` is whether keys are to be removed from their source.
    ///
    /// # Errors
    /// Those of connecting, and [`Error::Copy`] for servers between which this transfer cannot be.
    pub(super) fn find(
        source: &Source,
        target: &Target,
        keeps_database: bool,
        remove: bool,
    ) -> Result<Self> {
        let sources = match source {
            Source::Servers(servers) | Source::Fleet(servers) => ask(servers)?,
        };
        let (targets, owners) = match target {
            Target::Server(server) => (ask(std::slice::from_ref(server))?, None),
            Target::Fleet(servers) => (ask(servers)?, None),
            Target::Cluster(seed) => {
                let cluster = Cluster::discover(&seed.endpoint, &seed.settings)?;
                let targets = ask(&masters(&cluster, seed))?;
                let owners = owners(&cluster, &targets);
                (targets, Some(owners))
            }
        };
        if sources.is_empty() || targets.is_empty() {
            return Err(CopyError::NoEnds.into());
        }
        let mut ends = Self { sources, targets, owners, same: Vec::new(), keeps_database };
        ends.same = (0..ends.sources.len()).map(|source| ends.itself(source)).collect();
        ends.check(target)?;
        ends.check_databases()?;
        if remove {
            ends.check_removal()?;
        }
        Ok(ends)
    }

    /// The server that keys of a source go to where `target` is their place, with the database.
    pub(super) fn target_for(&self, source: usize, target: &Server) -> Server {
        let kept = self.sources.get(source).filter(|_| self.keeps_database);
        kept.map_or_else(|| target.clone(), |end| target.clone().at_db(end.server.db))
    }

    /// How many of the sources are databases of the same server as this one, itself included.
    pub(super) fn databases_beside(&self, source: usize) -> usize {
        let facts = &self.sources[source].facts;
        self.sources.iter().filter(|end| end.facts.is_same_server(facts)).count()
    }

    /// The target that is the same database of the same server as a source.
    fn itself(&self, source: usize) -> Option<usize> {
        let from = &self.sources[source];
        self.targets.iter().position(|end| {
            end.facts.is_same_server(&from.facts)
                && self.target_for(source, &end.server).db == from.server.db
        })
    }

    /// Whether every target has the databases that keys are to go to: nothing may have been written when the
    /// first of them is missing.
    fn check_databases(&self) -> Result<()> {
        let numbers = (0..self.sources.len())
            .map(|source| self.target_for(source, &self.targets[0].server).db);
        let numbers: BTreeSet<u32> = numbers.filter(|_| self.keeps_database).collect();
        let look = |end: &ServerEnd| {
            numbers.iter().try_for_each(|&db| end.server.clone().at_db(db).connect().map(drop))
        };
        for (end, outcome) in self.targets.iter().zip(in_parallel(&self.targets, look)) {
            outcome.map_err(|error| match error {
                Error::Refused { reply, .. } => {
                    let server = end.server.to_string();
                    let databases = numbers.iter().map(u32::to_string).collect::<Vec<_>>();
                    let databases = databases.join(", ");
                    CopyError::MissingDatabases { server, databases, reply }.into()
                }
                other => other,
            })?;
        }
        Ok(())
    }

    /// Whether keys can be removed from all sources.
    fn check_removal(&self) -> Result<()> {
        for ServerEnd { server, facts } in &self.sources {
            if !facts.is_master {
                return Err(CopyError::FromReplica(server.to_string()).into());
            }
            if facts.in_cluster_mode {
                return Err(CopyError::FromCluster(server.to_string()).into());
            }
        }
        Ok(())
    }

    fn check(&self, target: &Target) -> Result<()> {
        for end in &self.targets {
            if !end.facts.is_master {
                return Err(CopyError::ToReplica(end.server.to_string()).into());
            }
            if end.facts.in_cluster_mode && !matches!(target, Target::Cluster(_)) {
                return Err(CopyError::ToClusterNode(end.server.to_string()).into());
            }
        }
        for (number, end) in self.targets.iter().enumerate() {
            if position(&self.targets, end).is_some_and(|first| first != number) {
                return Err(CopyError::NamedTwice(end.server.to_string()).into());
            }
        }
        let fleet = matches!(target, Target::Fleet(_));
        let itself = self.sources.iter().zip(&self.same).find(|(_, same)| same.is_some());
        match itself {
            Some((end, _)) if !fleet => Err(CopyError::Itself(end.server.to_string()).into()),
            _ => Ok(()),
        }
    }

    /// How many keys the sources have.
    pub(super) fn keys(&self) -> u64 {
        self.sources.iter().map(|end| end.facts.keys).sum()
    }
}

fn ask(servers: &[Server]) -> Result<Vec<ServerEnd>> {
    let facts = in_parallel(servers, Server::facts);
    let ends = servers.iter().zip(facts);
    ends.map(|(server, facts)| Ok(ServerEnd { server: server.clone(), facts: facts? })).collect()
}

/// The end that is the same database of the same server.
fn position(ends: &[ServerEnd], wanted: &ServerEnd) -> Option<usize> {
    ends.iter().position(|end| {
        end.facts.is_same_server(&wanted.facts) && end.server.db == wanted.server.db
    })
}

/// The masters that own slots.
fn masters(cluster: &Cluster, seed: &Server) -> Vec<Server> {
    let owners = cluster.masters().filter(|member| !member.node().slots.is_empty());
    let server = |endpoint: &Endpoint| Server { endpoint: endpoint.clone(), ..seed.clone() };
    owners.map(|member| server(member.endpoint())).collect()
}

fn owners(cluster: &Cluster, targets: &[ServerEnd]) -> Vec<Option<usize>> {
    let mut owners = vec![None; usize::from(Slot::COUNT)];
    for member in cluster.masters() {
        let at =
            |endpoint: &Endpoint| targets.iter().position(|end| end.server.endpoint == *endpoint);
        let Some(target) = at(member.endpoint()) else { continue };
        for slot in member.node().slots.iter() {
            if let Some(owner) = owners.get_mut(usize::from(slot.get())) {
                *owner = Some(target);
            }
        }
    }
    owners
}
