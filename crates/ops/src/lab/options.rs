//! What a lab should be, and whether the one that is there is that.

use std::path::{Path, PathBuf};

use redistrib_cluster_model::Address;
use redistrib_cluster_model::plan::create::{Dealing, plan_create};

use super::failure::Failure;
use super::record::{Layout, Record};
use super::{find_server, ports};
use crate::{Error, Secret};

/// How many nodes a lab has by default.
pub const DEFAULT_NODES: usize = 6;
/// The first port by default.
pub const DEFAULT_PORT: u16 = 7000;

/// The least number of masters a cluster can do with.
pub(super) const LEAST_MASTERS: usize = 3;

/// What a lab should be. Whatever is `None` takes its default in a new lab, and stays as it is in one that is
/// there already.
#[derive(Clone, Debug, Default)]
pub struct LabOptions {
    /// How many servers; 6 by default.
    pub nodes: Option<usize>,
    /// How many of them replicate each master; by default 1 where the nodes suffice for it, else 0.
    pub replicas: Option<usize>,
    /// The first port, 7000 by default; the servers have this and the following ones.
    pub port: Option<u16>,
    /// The server program; see [`find_server`] for the default.
    pub server: Option<PathBuf>,
    /// What the servers are to each other; a cluster by default.
    pub layout: Option<Layout>,
    /// The password that clients and the servers among themselves need. One that is there keeps its own.
    pub password: Option<Secret>,
    /// An RDB file whose data each server begins with, unless its configuration has it keep an append-only file. It is linked,
    /// not copied, and not written to unless the configuration asks for saving. A new lab's alone.
    pub data: Option<PathBuf>,
    /// More lines for each redis.conf; `{port}` in them stands for the server's port, and a later line
    /// overrides an earlier one. A new lab's alone.
    pub config: Vec<String>,
}

impl LabOptions {
    /// A new lab's make-up. Whether ports and folders are free is still to be seen.
    ///
    /// # Errors
    /// [`crate::Error::Layout`]; [`Failure::NoNodes`], [`Failure::PortRange`] and those of [`find_server`].
    pub(super) fn plan(&self) -> Result<Record, Failure> {
        let layout = self.layout.unwrap_or_default();
        let nodes = self.nodes.unwrap_or(DEFAULT_NODES);
        if nodes == 0 {
            return Err(Failure::NoNodes);
        }
        let replicas = match (self.replicas, layout) {
            (Some(replicas), _) => replicas,
            (None, Layout::Plain) => 0,
            (None, _) => usize::from(nodes >= 2 * LEAST_MASTERS),
        };
        let ports = ports::block(self.port.unwrap_or(DEFAULT_PORT), nodes)?;
        if layout == Layout::Cluster {
            require_cluster(&ports, replicas)?;
        }
        let server = find_server(self.server.as_deref())?;
        Ok(Record { server, ports, added: 0, replicas, layout })
    }

    /// Fails where an existing lab is not what was asked for.
    pub(super) fn require(&self, record: &Record, dir: &Path) -> Result<(), Failure> {
        let first = record.ports.first().copied().unwrap_or_default();
        let other =
            |has: String, asked: String| Err(Failure::OtherLab { dir: dir.to_owned(), has, asked });
        match self {
            Self { nodes: Some(asked), .. } if !record.has_or_had(*asked) => {
                other(format!("{} nodes", record.ports.len()), asked.to_string())
            }
            Self { replicas: Some(asked), .. } if *asked != record.replicas => {
                other(format!("{} replicas for each master", record.replicas), asked.to_string())
            }
            Self { port: Some(asked), .. } if *asked != first => {
                other(format!("ports from {first} on"), asked.to_string())
            }
            Self { layout: Some(asked), .. } if *asked != record.layout => {
                other(format!("the layout {:?}", record.layout), format!("{asked:?}"))
            }
            Self { config, .. } if !config.is_empty() => {
                other("its configuration in its redis.conf files".into(), "new lines".into())
            }
            _ => Ok(()),
        }
    }
}

/// Fails where no cluster can be made of servers on these ports.
fn require_cluster(ports: &[u16], replicas: usize) -> Result<(), Failure> {
    let nodes: Vec<_> = ports.iter().map(|&port| Address::new("127.0.0.1", port)).collect();
    plan_create(&nodes, replicas, LEAST_MASTERS, Dealing::InTurn).map_err(Error::from)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> LabOptions {
        LabOptions { server: Some("/bin/sh".into()), ..LabOptions::default() }
    }

    #[test]
    fn six_nodes_from_7000_with_a_replica_each_are_the_default() {
        let record = options().plan().unwrap();
        assert_eq!(record.ports, [7000, 7001, 7002, 7003, 7004, 7005]);
        assert_eq!((record.replicas, record.layout), (1, Layout::Cluster));
        let three = LabOptions { nodes: Some(3), ..options() }.plan().unwrap();
        assert_eq!(three.replicas, 0, "three nodes are enough for a cluster without replicas");
    }

    #[test]
    fn a_cluster_that_cannot_be_is_refused_before_anything_starts() {
        for (nodes, replicas) in
            [(2, None), (1, None), (5, Some(1)), (6, Some(2)), (9, Some(usize::MAX))]
        {
            let asked = LabOptions { nodes: Some(nodes), replicas, ..options() };
            assert!(
                matches!(asked.plan(), Err(Failure::Other(Error::Layout(_)))),
                "{nodes} {replicas:?}"
            );
        }
        let none = LabOptions { nodes: Some(0), ..options() };
        assert!(matches!(none.plan(), Err(Failure::NoNodes)));
        let plain = LabOptions { nodes: Some(1), layout: Some(Layout::Plain), ..options() };
        assert_eq!(plain.plan().unwrap().ports, [7000]);
    }

    #[test]
    fn options_that_contradict_a_lab_name_what_it_has() {
        let record = options().plan().unwrap();
        let dir = Path::new("/lab");
        assert!(options().require(&record, dir).is_ok());
        let grown = Record { ports: (7000..7008).collect(), added: 2, ..record.clone() };
        let nodes = |nodes| LabOptions { nodes: Some(nodes), ..options() };
        assert!([6, 8].iter().all(|&count| nodes(count).require(&grown, dir).is_ok()));
        assert!([5, 9].iter().all(|&count| nodes(count).require(&grown, dir).is_err()));
        let same = LabOptions { nodes: Some(6), replicas: Some(1), port: Some(7000), ..options() };
        assert!(same.require(&record, dir).is_ok());
        for (asked, has) in [
            (LabOptions { nodes: Some(3), ..options() }, "6 nodes, not 3"),
            (LabOptions { replicas: Some(0), ..options() }, "1 replicas for each master, not 0"),
            (LabOptions { port: Some(8000), ..options() }, "ports from 7000 on, not 8000"),
            (LabOptions { layout: Some(Layout::Plain), ..options() }, "layout"),
            (LabOptions { config: vec!["save 1 1".into()], ..options() }, "redis.conf"),
        ] {
            let error = asked.require(&record, dir).unwrap_err().to_string();
            assert!(error.contains(has) && error.contains("/lab"), "{error}");
        }
    }
}
