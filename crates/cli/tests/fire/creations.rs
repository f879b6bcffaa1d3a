//! The end of the tool, in each way there is, while it makes a cluster. The same command again makes it.

use std::thread;

use redistrib_benches::load::Dice;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Topology;
use redistrib_ops::resp::Command;
use redistrib_ops::{Connection, Endpoint};

use crate::fire::tool::{End, Ended, start, trib};
use crate::fire::{rounds, tell};

/// Six nodes of which clusters are made.
struct Nodes(TempLab);

impl Nodes {
    fn of(server: &'static str) -> Self {
        Self(TempLab::nodes(&TestServer::named(server).unwrap(), 6).unwrap())
    }

    fn link(&self, node: &Endpoint) -> Connection {
        Connection::open(node, self.0.settings()).unwrap()
    }

    fn tell(&self, place: usize, words: &[&str]) {
        let command = Command::from_args(words.iter().copied());
        self.link(&self.0.endpoints()[place]).call(&command).unwrap();
    }

    fn reset(&self) {
        (0..6).for_each(|place| self.tell(place, &["CLUSTER", "RESET", "HARD"]));
        // Until all have been reset they go on telling each other of themselves.
        while self.views().iter().any(|view| view.nodes.len() > 1) {
            (0..6).for_each(|place| self.tell(place, &["CLUSTER", "RESET", "HARD"]));
        }
    }

    fn views(&self) -> Vec<Topology> {
        let view = |node: &Endpoint| {
            let reply = self.link(node).call(&Command::from_args(["CLUSTER", "NODES"])).unwrap();
            Topology::parse(reply.view().as_bytes().unwrap()).unwrap()
        };
        self.0.endpoints().iter().map(view).collect()
    }

    /// `create` with a replica for each master, or `start-multi` without.
    fn command(&self, replicas: bool) -> Vec<String> {
        let (verb, end): (_, &[&str]) = match replicas {
            true => ("create", &["--replicas", "1", "--yes", "--no-wait"]),
            false => ("start-multi", &["--yes", "--no-wait"]),
        };
        let nodes = self.0.endpoints().iter().map(ToString::to_string).collect::<Vec<_>>();
        let end = end.iter().map(ToString::to_string);
        [verb.to_owned()].into_iter().chain(nodes).chain(end).collect()
    }

    /// All nodes know all six, each other's roles and who owns what.
    #[track_caller]
    fn assert_a_cluster(&self, replicas: bool, after: &Ended) {
        let views = self.views();
        for view in &views {
            assert_eq!(view.nodes.len(), 6, "{view}\nafter {}", after.text);
            assert_eq!(view.replicas().count(), if replicas { 3 } else { 0 }, "{view}");
            assert_eq!(view.signature(), views[0].signature());
            assert!(view.covered().complement().is_empty(), "{view}");
        }
    }
}

fn kill_and_create(server: &'static str) {
    let nodes = Nodes::of(server);
    let usual = trib(&nodes.command(true)).succeeded().took;
    let mut dice = Dice::new(0xC4EA);
    for round in 1..=rounds(6, 100) {
        nodes.reset();
        let replicas = round % 3 != 0;
        let command = nodes.command(replicas);
        for _ in 0..1 + round % 2 {
            let running = start(&command);
            thread::sleep(usual.mul_f64(dice.below(1000) as f64 / 1000.0));
            running.stop(End::of(round));
        }
        let ended = trib(&command).succeeded();
        nodes.assert_a_cluster(replicas, &ended);
        tell(&format!(
            "{server} round {round}: {} {:?}, then {:?}",
            command[0],
            End::of(round),
            ended.took
        ));
    }
}

#[test]
fn a_killed_creation_is_finished_redis_7_0() {
    kill_and_create("redis-7.0");
}

#[test]
fn a_killed_creation_is_finished_redis_8_6() {
    kill_and_create("redis-8.6");
}

#[test]
fn a_killed_creation_is_finished_valkey_9_1() {
    kill_and_create("valkey-9.1");
}

#[test]
fn what_is_left_of_a_creation_is_made_a_cluster_and_nothing_else_is() {
    let nodes = Nodes::of("redis-7.0");
    let command = nodes.command(true);
    let ended = trib(&command).succeeded();
    nodes.assert_a_cluster(true, &ended);

    let before: Vec<String> = nodes.views().iter().map(Topology::signature).collect();
    trib(&command).succeeded().says("already");
    trib(&nodes.command(false)).failed().says("is not empty");
    let after: Vec<String> = nodes.views().iter().map(Topology::signature).collect();
    assert_eq!(before, after, "nothing was to be done");

    // Some nodes of an attempt have been reset, the others remember them.
    nodes.tell(0, &["CLUSTER", "RESET", "HARD"]);
    nodes.tell(4, &["CLUSTER", "RESET", "HARD"]);
    let ended = trib(&command).succeeded();
    nodes.assert_a_cluster(true, &ended);

    // The same with one key: it may be missed.
    nodes.tell(1, &["CLUSTER", "RESET", "HARD"]);
    nodes.tell(0, &["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    let key = Command::from_args(["SET", "{b}", "x"]);
    let mut owner = nodes.link(&nodes.0.endpoints()[0]);
    while owner.call(&key).is_err() {
        thread::yield_now();
    }
    let before = nodes.views()[0].signature();
    let refused = trib(&command).failed().says("is not empty");
    assert!(!refused.text.contains("RESET"), "{}", refused.text);
    assert_eq!(before, nodes.views()[0].signature(), "a node with a key was changed");
}
