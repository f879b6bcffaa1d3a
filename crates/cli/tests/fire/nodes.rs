//! Nodes that die or fall silent in the middle of a migration.

use std::thread;
use std::time::Duration;

use redistrib_benches::census::Census;
use redistrib_benches::fill;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::SlotSet;
use redistrib_resp::Command;

use crate::fire::atomic::slots_of;
use crate::fire::tool::{Running, fix, reshard, start, trib, with};
use crate::fire::{assert_sound, redis_7, stage};

const KEYS: usize = 6000;
const SLOTS: usize = 2000;
/// Slow enough to be caught in the middle: some 2,200 keys have to go over.
const SLOW: [&str; 4] = ["--rate", "1500", "--answer-timeout", "2000"];

/// Data survives a restart, and a dead node is noticed soon.
fn lasting(replicas: Vec<usize>) -> Plan {
    let config = ["appendonly yes", "appendfsync always", "cluster-node-timeout 5000"];
    let config = config.map(str::to_owned).to_vec();
    Plan { replicas, config, ..Plan::even(3, 3) }
}

fn filled(plan: &Plan) -> Stage {
    let stage = stage(&redis_7(), plan);
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    stage
}

fn keys_of(stage: &Stage, index: usize) -> i64 {
    let reply = stage.call(index, &Command::new("DBSIZE")).unwrap();
    reply.view().as_int().unwrap()
}

/// Starts to move slots from the first to the second master and waits until that is under way.
fn under_way(stage: &Stage) -> Running {
    let before = keys_of(stage, 1);
    let mut running = start(&with(reshard(stage, 0, 1, SLOTS), &SLOW));
    stage
        .wait_until("keys are on the move", || {
            assert!(!running.has_ended(), "it has ended already");
            keys_of(stage, 1) > before + 300
        })
        .unwrap();
    running
}

fn wait_for_ok(stage: &Stage, nodes: &[usize]) {
    let ok = |index: &usize| {
        let info = stage.call(*index, &Command::from_args(["CLUSTER", "INFO"]));
        info.is_ok_and(|reply| reply.view().as_str().unwrap().contains("cluster_state:ok"))
    };
    stage.wait_until("the cluster is ok", || nodes.iter().all(ok)).unwrap();
}

fn dies_and_comes_back(victim: usize) {
    let stage = filled(&lasting(Vec::new()));
    let running = under_way(&stage);
    stage.lab.kill(victim);
    let port = stage.port(victim).to_string();
    running.wait().failed().says(&port);
    stage.lab.restart(victim).unwrap();
    wait_for_ok(&stage, &[0, 1, 2]);
    trib(&fix(&stage.address(2))).succeeded();
    assert_sound(&stage, KEYS);
    trib(&reshard(&stage, 0, 1, 100)).succeeded();
    assert_sound(&stage, KEYS);
}

#[test]
fn a_source_that_dies_and_comes_back_loses_nothing() {
    dies_and_comes_back(0);
}

#[test]
fn a_target_that_dies_and_comes_back_loses_nothing() {
    dies_and_comes_back(1);
}

/// Keys that servers have acknowledged to each other may be lost with a master: replication is
/// asynchronous, and no tool can change that. The slots and all other keys must be there.
fn dies_and_is_replaced(victim: usize) {
    let stage = filled(&lasting(vec![0, 1, 2]));
    let running = under_way(&stage);
    stage.lab.kill(victim);
    let port = stage.port(victim).to_string();
    running.wait().failed().says(&port);
    let successor = 3 + victim;
    stage
        .wait_until("the replica has taken over", || {
            let role = stage.call(successor, &Command::new("ROLE")).unwrap();
            let mut words = role.view().elements();
            words.next().and_then(|word| word.as_str()) == Some("master")
        })
        .unwrap();
    // Not asked of the target: as long as it imports slots from a dead node, it does not see their successor.
    wait_for_ok(&stage, &[successor, 2]);
    // The dead node is still a member, so that not all is well.
    let words = with(fix(&stage.address(2)), &["--fix-with-unreachable-masters"]);
    let fixed = trib(&words).failed().says(&port);
    let census = Census::take(stage.port(2)).unwrap();
    assert!(census.is_clean(), "{census}\nafter {}", fixed.text);
    let count = census.keys.len();
    assert!(count >= KEYS - KEYS / 20, "{count} of {KEYS} keys");
    println!("{count} of {KEYS} keys");
}

#[test]
fn a_source_that_dies_is_replaced_by_its_replica() {
    dies_and_is_replaced(0);
}

#[test]
fn a_target_that_dies_is_replaced_by_its_replica() {
    dies_and_is_replaced(1);
}

#[test]
fn a_target_that_falls_silent_for_a_while_loses_nothing() {
    let stage = filled(&lasting(Vec::new()));
    let running = under_way(&stage);
    stage.lab.pause(1).unwrap();
    thread::sleep(Duration::from_secs(3));
    stage.lab.resume(1).unwrap();
    let ended = running.wait();
    assert!(matches!(ended.code, Some(0 | 1)), "{}", ended.text);
    wait_for_ok(&stage, &[0, 1, 2]);
    trib(&fix(&stage.address(2))).succeeded();
    assert_sound(&stage, KEYS);
}

#[test]
fn a_bystander_that_falls_silent_for_a_while_is_asked_again_at_the_end() {
    // Nobody takes it for failed meanwhile.
    let config = vec!["cluster-node-timeout 30000".to_owned()];
    let stage = filled(&Plan { config, ..Plan::even(3, 3) });
    let wanted = slots_of(&stage, 1) + SLOTS;
    let hasty = ["--rate", "3000", "--answer-timeout", "1500"];
    let mut running = start(&with(reshard(&stage, 0, 1, SLOTS), &hasty));
    stage
        .wait_until("slots move", || {
            assert!(!running.has_ended(), "it has ended already");
            slots_of(&stage, 1) > wanted - SLOTS
        })
        .unwrap();
    stage.lab.pause(2).unwrap();
    stage
        .wait_until("all slots have moved", || {
            assert!(!running.has_ended(), "it cannot have ended well");
            slots_of(&stage, 1) == wanted
        })
        .unwrap();
    // It does not answer the first time that it is asked for its view.
    thread::sleep(Duration::from_secs(3));
    stage.lab.resume(2).unwrap();
    running.wait().succeeded();
    assert_sound(&stage, KEYS);
}
