//! `meet`: a cluster whose nodes have all got other addresses.

use std::fs;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{Cluster, Connection, on_each_test_server};
use serde_json::Value;

use crate::support::{Run, addresses, trib};

const KEYS: usize = 300;

fn call(lab: &TempLab, node: usize, line: &str) -> Reply {
    let mut node = Connection::open(&lab.endpoints()[node], lab.settings()).unwrap();
    node.call(&Command::from_args(line.split(' '))).unwrap()
}

/// Sends a command about each key to the key's owner.
fn of_each_key(lab: &TempLab, command: impl Fn(usize) -> Command) -> Vec<Reply> {
    let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
    let mut ask = |command: Command| {
        let owner = cluster.owner(Slot::of_key(command.args().nth(1).unwrap())).unwrap().id();
        cluster.member_mut(owner).unwrap().connection().unwrap().call(&command).unwrap()
    };
    (0..KEYS).map(|n| ask(command(n))).collect()
}

/// The data and the nodes.conf of every node of a cluster, on servers at other ports; the old ones are gone.
fn moved(server: &TestServer) -> TempLab {
    let old = TempLab::cluster(server, 3, 1).unwrap();
    of_each_key(&old, |n| Command::new("SET").arg(format!("key:{n}")).arg(n));
    let new = TempLab::nodes(server, 6).unwrap();
    let folder = |lab: &TempLab, node: usize| {
        lab.dir().join(lab.endpoints()[node].port().unwrap().to_string())
    };
    for node in 0..6 {
        call(&old, node, "SAVE");
        assert!(old.kill(node) && new.kill(node));
        for file in ["nodes.conf", "dump.rdb"] {
            fs::copy(folder(&old, node).join(file), folder(&new, node).join(file)).unwrap();
        }
    }
    (0..6).for_each(|node| new.restart(node).unwrap());
    new
}

fn meet(lab: &TempLab, more: &[&str]) -> Run {
    let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
    let nodes = nodes.iter().map(String::as_str);
    trib(&[&["meet"], nodes.collect::<Vec<_>>().as_slice(), more].concat())
}

on_each_test_server! {
    fn members_under_new_addresses_find_each_other_again(server) {
        let lab = moved(server);
        let seed = lab.endpoints()[0].to_string();
        trib(&["check", &seed]).expect(1).shows(&["`redis-trib meet`"]);
        meet(&lab, &[]).expect(0).shows(&["[OK] 6 members know each other's addresses."]);
        trib(&["check", &seed]).expect(0).shows(&["[OK] All 16384 slots covered."]);
        let values = of_each_key(&lab, |n| Command::new("GET").arg(format!("key:{n}")));
        let whole = |(n, value): (usize, &Reply)| value.view().as_bytes() == Some(n.to_string().as_bytes());
        assert!(values.iter().enumerate().all(whole), "{}: keys are lost", server.name);
        // Once more changes nothing.
        meet(&lab, &[]).expect(0);
    }
}

#[test]
fn strangers_are_refused_before_anything_is_sent() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = moved(&server);
    let alone = TempLab::nodes(&server, 1).unwrap();
    let stranger = alone.endpoints()[0].to_string();
    let first_refusal = meet(&lab, &[&stranger]).expect(1);
    first_refusal.complains(&[&format!("{stranger} is a stranger to the other 6"), "add-node"]);
    let known = call(&alone, 0, "CLUSTER NODES");
    assert_eq!(String::from_utf8_lossy(known.view().as_bytes().unwrap()).lines().count(), 1);
    let planned = meet(&lab, &["--dry-run", "--json"]).expect(0);
    let plan: Value = serde_json::from_str(&planned.stdout).unwrap();
    assert_eq!(plan["members"].as_array().unwrap().len(), 6, "{plan}");
    let seed = lab.endpoints()[0].to_string();
    trib(&["check", &seed]).expect(1).shows(&["cannot be reached"]);
    // Two of six leave the others' slots behind, and say so.
    let told = trib(&["meet", &seed, &lab.endpoints()[1].to_string()]).expect(1);
    told.shows(&["[WARNING]", "5461 slots, once at", "[OK] 2 members"]);
    meet(&lab, &["--json"]).expect(0).shows(&[r#""event":"met""#]);
}

/// One that was left out where all have moved: the others know it at its old address.
#[test]
fn a_member_that_is_known_elsewhere_is_refused() {
    let lab = moved(&TestServer::named("redis-7.0").unwrap());
    let nodes = addresses(&lab);
    let (left_out, met) = nodes.split_last().unwrap();
    let met: Vec<&str> = met.iter().map(String::as_str).collect();
    trib(&[&["meet"], &met[..]].concat()).expect(1).shows(&["[OK] 5 members"]);
    trib(&["add-node", left_out, met[0]]).expect(1).complains(&[
        &format!("node {left_out} is a member of the cluster already, which knows it elsewhere"),
        "`redis-trib meet` with those of all of them",
    ]);
    // The step that it advises.
    meet(&lab, &[]).expect(0);
    trib(&["check", met[0]]).expect(0);
}
