//! Clusters of any make-up, formed by plain commands: what is measured or tested had no hand in them.

use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, SlotSet, Topology};
use redistrib_ops::lab::{Failure, LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::{Connection, Endpoint, Error, Result, Settings};
use redistrib_resp::Command;

const SETTLE: Duration = Duration::from_secs(60);

/// What a cluster is made of.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The slots of each master; a master may have none.
    pub masters: Vec<SlotSet>,
    /// For each replica the index of its master.
    pub replicas: Vec<usize>,
    /// More lines for each server's configuration.
    pub config: Vec<String>,
}

impl Plan {
    /// All slots spread over the first `owners` of `masters` masters.
    pub fn even(owners: usize, masters: usize) -> Self {
        let share = |index: usize| index * 16384 / owners.max(1);
        let slots = (0..masters).map(|index| match index < owners {
            true => slots(share(index), share(index + 1)),
            false => SlotSet::new(),
        });
        Self { masters: slots.collect(), ..Self::default() }
    }
}

fn slots(from: usize, below: usize) -> SlotSet {
    (from..below)
        .filter_map(|slot| u16::try_from(slot).ok())
        .filter_map(|slot| redistrib_cluster_model::Slot::new(slot).ok())
        .collect()
}

/// A running cluster. It ends when it is dropped.
#[derive(Debug)]
pub struct Stage {
    /// The servers: first the masters, then the replicas, as the plan lists them.
    pub lab: TempLab,
    ports: Vec<u16>,
    ids: Vec<NodeId>,
}

impl Stage {
    /// Starts servers of this version and makes them the cluster that is planned.
    ///
    /// # Errors
    /// Those of the lab and of [`Connection::call`]; [`Error::NotSettled`].
    pub fn set(server: &TestServer, plan: &Plan) -> Result<Self, Failure> {
        let lab = TempLab::up(LabOptions {
            nodes: Some(plan.masters.len() + plan.replicas.len()),
            replicas: Some(0),
            layout: Some(Layout::Nodes),
            server: Some(server.program.clone()),
            config: plan.config.clone(),
            ..LabOptions::default()
        })?;
        let ports: Vec<u16> = lab.endpoints().iter().filter_map(Endpoint::port).collect();
        let ids = ports.iter().map(|port| Ok(myself(*port)?.0)).collect::<Result<_>>()?;
        let stage = Self { lab, ports, ids };
        stage.form(plan)?;
        Ok(stage)
    }

    fn form(&self, plan: &Plan) -> Result<()> {
        for (index, slots) in plan.masters.iter().enumerate() {
            let epoch = Command::new("CLUSTER").arg("SET-CONFIG-EPOCH").arg(index + 1);
            self.call(index, &epoch)?;
            if !slots.is_empty() {
                let numbers = slots.iter().map(|slot| slot.get());
                let add = Command::new("CLUSTER").arg("ADDSLOTS").args_from(numbers);
                self.call(index, &add)?;
            }
        }
        for index in 1..self.ports.len() {
            let meet = Command::new("CLUSTER").arg("MEET").arg("127.0.0.1").arg(self.port(0));
            self.call(index, &meet)?;
        }
        self.settle(|node| node.nodes.len() == self.ports.len())?;
        for (replica, master) in plan.replicas.iter().enumerate() {
            let id = self.ids.get(*master).map(NodeId::to_string).unwrap_or_default();
            let follow = Command::new("CLUSTER").arg("REPLICATE").arg(id);
            self.call(plan.masters.len() + replica, &follow)?;
        }
        let replicas = plan.replicas.len();
        let covered = SlotSet::full();
        self.settle(|node| node.replicas().count() == replicas && node.covered() == covered)?;
        self.wait_until("the cluster is up and its replicas follow", || {
            (0..self.ports.len()).all(|index| self.is_serving(index))
        })
    }

    fn is_serving(&self, index: usize) -> bool {
        let says = |words: [&str; 2], text: &str| {
            let reply = self.call(index, &Command::from_args(words));
            reply.is_ok_and(|reply| reply.view().as_str().is_some_and(|found| found.contains(text)))
        };
        let follows = || {
            says(["INFO", "replication"], "role:master")
                || says(["INFO", "replication"], "master_link_status:up")
        };
        says(["CLUSTER", "INFO"], "cluster_state:ok") && follows()
    }

    /// Waits until each node's view of the cluster is as wished.
    ///
    /// # Errors
    /// [`Error::NotSettled`] after a minute.
    pub fn settle(&self, wish: impl Fn(&Topology) -> bool) -> Result<()> {
        self.wait_until("all nodes see the cluster as it should be", || {
            self.ports.iter().all(|port| myself(*port).is_ok_and(|(_, topology)| wish(&topology)))
        })
    }

    /// Waits until something holds.
    ///
    /// # Errors
    /// [`Error::NotSettled`] with this description after a minute.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
        let began = Instant::now();
        while !holds() {
            if began.elapsed() > SETTLE {
                let what = format!("still not so: {what}");
                return Err(Error::NotSettled { what, after: SETTLE });
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The ports of all servers.
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// The port of one server; 0 for one that is not there.
    pub fn port(&self, index: usize) -> u16 {
        self.ports.get(index).copied().unwrap_or_default()
    }

    /// `127.0.0.1:port` of one server.
    pub fn address(&self, index: usize) -> String {
        format!("127.0.0.1:{}", self.port(index))
    }

    /// The id of one server, as 40 digits; empty for one that is not there.
    pub fn id(&self, index: usize) -> String {
        self.ids.get(index).map(NodeId::to_string).unwrap_or_default()
    }

    /// Sends one command to one server.
    ///
    /// # Errors
    /// Those of [`Connection::open`] and [`Connection::call`].
    pub fn call(&self, index: usize, command: &Command) -> Result<redistrib_resp::Reply> {
        let node = Endpoint::tcp("127.0.0.1", self.port(index));
        Connection::open(&node, &Settings::default())?.call(command)
    }
}

/// The node's id, and the cluster as it sees it.
fn myself(port: u16) -> Result<(NodeId, Topology)> {
    let command = Command::from_args(["CLUSTER", "NODES"]);
    let node = Endpoint::tcp("127.0.0.1", port);
    let mut connection = Connection::open(&node, &Settings::default())?;
    let reply = connection.call(&command)?;
    let topology = Topology::parse(reply.view().as_bytes().unwrap_or_default())
        .map_err(|error| connection.unexpected(&command, error.to_string()))?;
    match topology.myself() {
        Some(myself) => Ok((myself.id, topology)),
        None => Err(connection.unexpected(&command, "no line is its own")),
    }
}
