//! The servers' own migration while the tool, the source or the target dies or hangs, at random moments.

use std::thread;
use std::time::Duration;

use redistrib_benches::fill;
use redistrib_benches::load::Dice;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::{SlotSet, Topology};
use redistrib_ops::lab::TestServer;
use redistrib_resp::Command;

use crate::tool::{Running, fix, reshard, start, trib, with};
use crate::{assert_sound, rounds, stage};

const KEYS: usize = 3000;
const SLOTS: usize = 2000;
/// How long a source takes over each key of a snapshot, in microseconds: a job takes about 0.2 s.
const SLOW: &str = "500";
const IMPATIENT: [&str; 4] = ["--timeout", "3000", "--answer-timeout", "2000"];

/// Data survives a restart, and a dead node is noticed soon.
fn filled(server: &'static str) -> Stage {
    let config = ["appendonly yes", "appendfsync always", "cluster-node-timeout 5000"];
    let config = config.map(str::to_owned).to_vec();
    let plan = Plan { config, ..Plan::even(3, 3) };
    let stage = stage(&TestServer::named(server).unwrap(), &plan);
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    slow_down(&stage, SLOW);
    stage
}

fn slow_down(stage: &Stage, micros: &str) {
    for index in 0..3 {
        let words = ["CONFIG", "SET", "rdb-key-save-delay", micros];
        stage.call(index, &Command::from_args(words)).unwrap();
    }
}

fn slots_of(stage: &Stage, index: usize) -> usize {
    let reply = stage.call(index, &Command::from_args(["CLUSTER", "NODES"])).unwrap();
    let topology = Topology::parse(reply.view().as_bytes().unwrap()).unwrap();
    topology.myself().unwrap().slots.len()
}

fn wait_for_ok(stage: &Stage) {
    let ok = |index: &usize| {
        let info = stage.call(*index, &Command::from_args(["CLUSTER", "INFO"]));
        info.is_ok_and(|reply| reply.view().as_str().unwrap().contains("cluster_state:ok"))
    };
    stage.wait_until("the cluster is ok", || [0, 1, 2].iter().all(ok)).unwrap();
}

/// Waits until the servers are at a job, as the target of it says.
fn await_job(stage: &Stage, running: &mut Running) {
    let words =
        [vec!["CLUSTER", "MIGRATION", "STATUS", "ALL"], vec!["CLUSTER", "GETSLOTMIGRATIONS"]];
    let is_at_work = || {
        let asked = words.iter().filter_map(|words| stage.call(1, &Command::from_args(words)).ok());
        let wire: Vec<_> = asked.map(|reply| reply.view().wire().to_vec()).collect();
        let has = |text: &[u8], word: &[u8]| text.windows(word.len()).any(|at| at == word);
        let under_way = [&b"accumulate-buffer"[..], b"receiving-snapshot"];
        wire.iter().any(|text| under_way.iter().any(|word| has(text, word)))
    };
    stage
        .wait_until("the servers are at it", || {
            assert!(!running.has_ended(), "it has ended already");
            is_at_work()
        })
        .unwrap();
}

/// What befalls a run.
#[derive(Clone, Copy, Debug)]
enum Harm {
    ToolDies,
    Hangs(usize),
    Dies(usize),
}

const HARMS: [Harm; 5] =
    [Harm::ToolDies, Harm::Hangs(0), Harm::Hangs(1), Harm::Dies(0), Harm::Dies(1)];

/// Moves slots to and fro while something dies or hangs; another run mends what is left, and every key is there.
fn survives(server: &'static str, count: usize) {
    let stage = filled(server);
    let mut dice = Dice::new(0xA70);
    for round in 0..count {
        let harm = HARMS[round % HARMS.len()];
        let (from, to) = if slots_of(&stage, 0) > slots_of(&stage, 1) { (0, 1) } else { (1, 0) };
        let running = start(&with(reshard(&stage, from, to, SLOTS), &IMPATIENT));
        thread::sleep(Duration::from_millis(dice.below(500) as u64));
        let ended = match harm {
            Harm::ToolDies => running.kill(),
            Harm::Hangs(index) => {
                stage.lab.pause(index).unwrap();
                thread::sleep(Duration::from_millis(dice.below(4000) as u64));
                stage.lab.resume(index).unwrap();
                running.wait()
            }
            Harm::Dies(index) => {
                stage.lab.kill(index);
                let ended = running.wait();
                stage.lab.restart(index).unwrap();
                ended
            }
        };
        wait_for_ok(&stage);
        let mended = trib(&fix(&stage.address(2)));
        let story = format!("round {round}, {harm:?}: {}\nthen {}", ended.text, mended.text);
        assert_eq!(mended.code, Some(0), "{story}");
        println!(
            "{server}, round {round}, {harm:?}: ended with {:?} after {:?}",
            ended.code, ended.took
        );
        let census = redistrib_benches::census::Census::take(stage.port(0)).unwrap();
        assert!(census.is_clean() && census.keys.len() == KEYS, "{census}\n{story}");
        slow_down(&stage, SLOW);
    }
}

#[test]
fn redis_loses_nothing_whatever_dies_or_hangs() {
    survives("redis-8.6", rounds(5, 200));
}

#[test]
fn valkey_loses_nothing_whatever_dies_or_hangs() {
    survives("valkey-9.1", rounds(5, 200));
}

/// What a killed run had begun is part of what its successor is asked for.
fn counts_what_was_under_way(server: &'static str) {
    let stage = filled(server);
    let before = slots_of(&stage, 1);
    let command = reshard(&stage, 0, 1, SLOTS);
    let mut running = start(&command);
    await_job(&stage, &mut running);
    running.kill();
    trib(&command).succeeded().says("an earlier run had left on their way");
    assert_eq!(slots_of(&stage, 1), before + SLOTS);
    assert_sound(&stage, KEYS);
}

#[test]
fn what_was_under_way_counts_on_redis() {
    counts_what_was_under_way("redis-8.6");
}

#[test]
fn what_was_under_way_counts_on_valkey() {
    counts_what_was_under_way("valkey-9.1");
}
