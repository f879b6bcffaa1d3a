//! The end of the tool, in each way there is, while nodes come and go. The same command again does what is left to do.

use std::thread;
use std::time::Duration;

use redistrib_benches::load::Dice;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::{SlotSet, Topology};
use redistrib_ops::resp::Command;
use redistrib_ops::{Connection, Endpoint};

use crate::fire::tool::{End, Ended, start, trib};
use crate::fire::{rounds, tell};

/// A cluster of three masters, and a node that comes and goes.
struct Door {
    cluster: TempLab,
    outside: TempLab,
    dice: Dice,
    /// What the longest run took that nothing befell.
    longest: Duration,
}

impl Door {
    fn of(server: &'static str) -> Self {
        let server = TestServer::named(server).unwrap();
        let cluster = TempLab::cluster(&server, 3, 0).unwrap();
        let outside = TempLab::nodes(&server, 1).unwrap();
        Self { cluster, outside, dice: Dice::new(0xD00), longest: Duration::ZERO }
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

    /// Ends the command at any moment of its usual time and runs it again.
    fn twice(&mut self, words: &[&str], usual: Duration, round: usize) -> Ended {
        let running = start(words);
        thread::sleep(usual.mul_f64(self.dice.below(1100) as f64 / 1000.0));
        let end = End::of(round);
        let ended = running.stop(end);
        if end == End::ClosedPipe {
            assert_eq!(ended.code, Some(0), "nobody reads, but that is no failure: {words:?}");
        }
        let again = trib(words);
        self.longest = self.longest.max(again.took);
        tell(&format!("round {round}: {} {end:?}, then {:?}", words[0], again.took));
        again
    }

    /// The lab of a node, and its place in it.
    fn place(&self, node: &Endpoint) -> (&TempLab, usize) {
        let index = self.cluster.endpoints().iter().position(|endpoint| endpoint == node);
        index.map_or((&self.outside, 0), |index| (&self.cluster, index))
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

/// Ends the commands that bring the node in and take it out, and has each run again.
fn come_and_go(server: &'static str, few: usize, come: &[&str], replica: bool) {
    let count = rounds(few, 100);
    if count == 0 {
        return;
    }
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
    for round in 1..=count {
        door.twice(&come, usual, round).succeeded();
        door.assert_inside(replica, round);
        if round % 2 == 0 {
            door.twice(&["quit", &node, "--yes"], leaving, round).succeeded();
        } else {
            let id = door.id();
            let words = ["del-node", &seed, &id, "--drain", "--yes"];
            let ended = door.twice(&words, leaving, round);
            // Where the killed run had done all of it, nobody knows of such a node.
            assert!(
                ended.code == Some(0) || ended.text.contains("No such node ID"),
                "{}",
                ended.text
            );
        }
        door.assert_outside(round);
    }
    tell(&format!("{server} {come:?}: {count} rounds, longest run {:?}", door.longest));
}

/// One node is made a cluster, and that cluster is ended.
fn start_and_shut_down(server: &'static str, few: usize) {
    let count = rounds(few, 100);
    if count == 0 {
        return;
    }
    let mut door = Door::of(server);
    let (node, whole) = (door.node(), SlotSet::full());
    let name = node.to_string();
    let (start, end) = (["start", &name, "--yes"], ["shutdown", &name, "--yes"]);
    let usual = trib(&start).succeeded().took;
    let ending = trib(&end).succeeded().took;
    for round in 0..count {
        door.twice(&start, usual, round).succeeded();
        assert_eq!(door.view(&node).covered(), whole, "round {round}");
        door.twice(&end, ending, round).succeeded();
        assert_eq!(door.view(&node).covered(), SlotSet::new(), "round {round}");
    }
    tell(&format!("{server} start, shutdown: {count} rounds, longest run {:?}", door.longest));
}

/// The node outside takes the place of a master that dies; then that comes back as somebody new and stands outside.
fn die_and_be_rescued(server: &'static str, few: usize) {
    let count = rounds(few, 100);
    if count == 0 {
        return;
    }
    let mut door = Door::of(server);
    let seed = door.seed();
    let (mut victim, mut spare) = (door.cluster.endpoints()[2].clone(), door.node());
    let mut usual = Duration::from_secs(3);
    for round in 0..count {
        let slots = door.view(&victim).myself().unwrap().slots.clone();
        let (lab, place) = door.place(&victim);
        lab.kill(place);
        let has_failed = |view: &Topology| {
            view.nodes.iter().any(|node| node.flags.is_failed() && !node.flags.is_suspected())
        };
        let others = [seed.clone(), door.cluster.endpoints()[1].clone()];
        while !others.iter().all(|node| has_failed(&door.view(node))) {
            thread::sleep(Duration::from_millis(20));
        }
        let words = ["rescue", &seed.to_string(), &spare.to_string(), "--yes"];
        let ended = door.twice(&words, usual, round).succeeded();
        usual = usual.min(ended.took.max(Duration::from_millis(500)));
        for node in others.iter().chain([&spare]) {
            let view = door.view(node);
            let owned = view.nodes.iter().find(|node| node.slots == slots);
            let owner = owned.map(|node| node.address.port);
            assert_eq!(owner, spare.port(), "round {round}: {view}\nafter {}", ended.text);
            assert!(view.covered().complement().is_empty(), "round {round}: {view}");
        }
        trib(&["forget-failed", &seed.to_string(), "--yes"]).succeeded();
        let (lab, place) = door.place(&victim);
        lab.restart(place).unwrap();
        let mut link = Connection::open(&victim, lab.settings()).unwrap();
        link.call(&Command::from_args(["CLUSTER", "RESET", "HARD"])).unwrap();
        std::mem::swap(&mut victim, &mut spare);
    }
    tell(&format!("{server} rescue: {count} rounds, longest run {:?}", door.longest));
}

/// What has no rounds otherwise is for long runs alone.
macro_rules! on_three_servers {
    ($($name:ident: $does:ident [$redis_7_0:literal, $redis_8_6:literal, $valkey_9_1:literal] $($more:expr),*;)*) => {$(
        mod $name {
            #[test]
            fn redis_7_0() { super::$does("redis-7.0", $redis_7_0 $(, $more)*); }
            #[test]
            fn redis_8_6() { super::$does("redis-8.6", $redis_8_6 $(, $more)*); }
            #[test]
            fn valkey_9_1() { super::$does("valkey-9.1", $valkey_9_1 $(, $more)*); }
        }
    )*};
}

on_three_servers! {
    add_node_is_finished: come_and_go [6, 6, 6] &["add-node", "NODE", "SEED", "--yes"], false;
    join_is_finished: come_and_go [6, 6, 6] &["join", "SEED", "NODE", "--yes"], false;
    join_no_load_is_finished: come_and_go [0, 2, 0] &["join-no-load", "SEED", "NODE", "--yes"], false;
    replicate_is_finished: come_and_go [6, 6, 6] &["replicate", "SEED", "NODE", "--yes"], true;
    start_and_shutdown_are_finished: start_and_shut_down [0, 0, 2];
    rescue_is_finished: die_and_be_rescued [0, 2, 0];
}
