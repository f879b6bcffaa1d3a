//! `kill -9` of the tool while nodes come and go. The same command again does what is left to do.

use std::thread;
use std::time::Duration;

use redistrib_benches::load::Dice;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Topology;
use redistrib_ops::resp::Command;
use redistrib_ops::{Connection, Endpoint};

use crate::rounds;
use crate::tool::{start, trib};

/// A cluster of three masters, and a node that comes and goes.
struct Door {
    cluster: TempLab,
    outside: TempLab,
    dice: Dice,
}

impl Door {
    fn of(server: &'static str) -> Self {
        let server = TestServer::named(server).unwrap();
        let cluster = TempLab::cluster(&server, 3, 0).unwrap();
        Self { cluster, outside: TempLab::nodes(&server, 1).unwrap(), dice: Dice::new(0xD00) }
    }

    fn seed(&self) -> Endpoint {
        self.cluster.endpoints()[0].clone()
    }

    fn node(&self) -> Endpoint {
        self.outside.endpoints()[0].clone()
    }

    fn view(&self, node: &Endpoint) -> Topology {
        let mut link = Connection::open(node, self.cluster.settings()).unwrap();
        let reply = link.call(&Command::from_args(["CLUSTER", "NODES"])).unwrap();
        Topology::parse(reply.view().as_bytes().unwrap()).unwrap()
    }

    fn id(&self) -> String {
        self.view(&self.node()).myself().unwrap().id.to_string()
    }

    /// Kills the command at any moment of its usual time and runs it again.
    fn twice(&mut self, words: &[&str], usual: Duration) -> crate::tool::Ended {
        let running = start(words);
        thread::sleep(usual.mul_f64(self.dice.below(1100) as f64 / 1000.0));
        running.kill();
        trib(words)
    }

    /// All nodes know all four, each other's roles and who owns what, and no handshake is under way.
    #[track_caller]
    fn assert_inside(&self, replica: bool, round: usize) {
        let nodes = [self.cluster.endpoints(), vec![self.node()]].concat();
        let views: Vec<Topology> = nodes.iter().map(|node| self.view(node)).collect();
        for (node, view) in nodes.iter().zip(&views) {
            assert_eq!(view.nodes.len(), 4, "round {round}: {node} sees\n{view}");
            assert_eq!(view.replicas().count(), usize::from(replica), "round {round}: {view}");
            assert_eq!(view.signature(), views[0].signature(), "round {round}: {node}");
            assert!(view.covered().complement().is_empty(), "round {round}: {view}");
        }
    }

    /// Nobody knows the node, and it knows nobody.
    #[track_caller]
    fn assert_outside(&self, round: usize) {
        for node in self.cluster.endpoints() {
            let view = self.view(&node);
            assert_eq!(view.nodes.len(), 3, "round {round}: {view}");
            assert!(view.covered().complement().is_empty(), "round {round}: {view}");
        }
        assert_eq!(self.view(&self.node()).nodes.len(), 1, "round {round}");
    }
}

/// Kills the commands that bring the node in and take it out, and has each run again.
fn come_and_go(server: &'static str, come: &[&str], replica: bool) {
    let mut door = Door::of(server);
    let (seed, node) = (door.seed().to_string(), door.node().to_string());
    let coming = |words: &[&str]| -> Vec<String> {
        let place = |word: &&str| word.replace("SEED", &seed).replace("NODE", &node);
        words.iter().map(place).collect()
    };
    let come = coming(come);
    let come: Vec<&str> = come.iter().map(String::as_str).collect();
    let usual = trib(&come).succeeded().took;
    door.assert_inside(replica, 0);
    let leaving = trib(&["quit", &node, "--yes"]).succeeded().took;
    door.assert_outside(0);
    for round in 1..=rounds(6, 100) {
        door.twice(&come, usual).succeeded();
        door.assert_inside(replica, round);
        if round % 2 == 0 {
            door.twice(&["quit", &node, "--yes"], leaving).succeeded();
        } else {
            let id = door.id();
            let words = ["del-node", &seed, &id, "--drain", "--yes"];
            let ended = door.twice(&words, leaving);
            // Where the killed run had done all of it, nobody knows of such a node.
            assert!(
                ended.code == Some(0) || ended.text.contains("No such node ID"),
                "{}",
                ended.text
            );
        }
        door.assert_outside(round);
    }
}

macro_rules! on_three_servers {
    ($($name:ident: $words:expr, $replica:expr;)*) => {$(
        mod $name {
            #[test]
            fn redis_7_0() { super::come_and_go("redis-7.0", &$words, $replica); }
            #[test]
            fn redis_8_6() { super::come_and_go("redis-8.6", &$words, $replica); }
            #[test]
            fn valkey_9_1() { super::come_and_go("valkey-9.1", &$words, $replica); }
        }
    )*};
}

on_three_servers! {
    a_killed_add_node_is_finished: ["add-node", "NODE", "SEED", "--yes"], false;
    a_killed_join_is_finished: ["join", "SEED", "NODE", "--yes"], false;
    a_killed_replicate_is_finished: ["replicate", "SEED", "NODE", "--yes"], true;
}
