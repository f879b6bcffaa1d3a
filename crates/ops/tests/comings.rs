//! Nodes that leave and come back, and members that only some nodes know.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::{SystemTime, UNIX_EPOCH};

use redistrib_ops::lab::TempLab;
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Endpoint, NewRole, Silent, add_node, join_cluster,
    quit_cluster,
};
use support::{discover, poll};

fn with_context<T>(work: impl FnOnce(Context<'_>) -> T) -> T {
    work(Context::new(&Silent, &Cancel::new()))
}

fn send(lab: &TempLab, node: &Endpoint, words: &[&str]) -> Result<(), redistrib_ops::Error> {
    Connection::open(node, lab.settings())?.call(&Command::from_args(words)).map(drop)
}

/// Waits until every node has heard of every other after this moment: whatever they have to say of each other
/// has been said then. A message tells of all forgotten nodes.
fn gossip(lab: &TempLab, nodes: &[Endpoint]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    poll("all nodes have gossiped", || {
        let fresh = |node: &Endpoint| {
            let cluster = Cluster::discover(node, lab.settings()).unwrap();
            let topology = cluster.myself().topology().unwrap();
            let mut others = topology.nodes.iter().filter(|other| !other.flags.is_myself());
            others.all(|other| other.pong_received > now)
        };
        nodes.iter().all(fresh)
    });
}

/// Every one of these nodes knows all of them, and all slots have an owner.
#[track_caller]
fn assert_whole(lab: &TempLab, nodes: &[Endpoint]) {
    for node in nodes {
        let cluster = Cluster::discover(node, lab.settings()).unwrap();
        let missing = cluster.covered().complement();
        assert!(missing.is_empty(), "{node} sees nobody own {missing}");
        assert_eq!(cluster.members().len(), nodes.len(), "{node} does not know all");
    }
}

redistrib_ops::on_each_test_server! {
    fn a_node_that_left_comes_back_and_stays(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
        let join = || with_context(|context| join_cluster(seed, node, lab.settings(), context));
        join().unwrap();
        with_context(|context| quit_cluster(node, lab.settings(), context)).unwrap();
        assert_eq!(join().unwrap().slots, 4096, "{}", server.name);
        let all = [lab.endpoints(), vec![node.clone()]].concat();
        gossip(&lab, &all);
        assert_whole(&lab, &all);
    }

    fn a_node_that_another_tool_took_out_is_not_forgotten_again(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
        let role = NewRole::Master;
        let id = with_context(|context| add_node(&mut discover(&lab), node, role, context));
        let id = id.unwrap().to_string();
        for member in lab.endpoints() {
            send(&lab, &member, &["CLUSTER", "FORGET", &id]).unwrap();
        }
        send(&lab, node, &["CLUSTER", "RESET", "SOFT"]).unwrap();
        with_context(|context| join_cluster(seed, node, lab.settings(), context)).unwrap();
        let all = [lab.endpoints(), vec![node.clone()]].concat();
        gossip(&lab, &all);
        assert_whole(&lab, &all);
    }
}
