//! The servers' own migration whose tool dies: they go on, and the next run counts that in.

use redistrib_benches::fill;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::{SlotSet, Topology};
use redistrib_ops::lab::TestServer;
use redistrib_resp::Command;

use crate::fire::tool::{Running, reshard, start, trib};
use crate::fire::{assert_sound, stage};

const KEYS: usize = 3000;
const SLOTS: usize = 2000;
/// How long a source takes over each key of a snapshot, in microseconds: a job takes about 0.2 s.
const SLOW: &str = "500";

fn filled(server: &'static str) -> Stage {
    let config = vec![format!("rdb-key-save-delay {SLOW}")];
    let plan = Plan { config, ..Plan::even(3, 3) };
    let stage = stage(&TestServer::named(server).unwrap(), &plan);
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    stage
}

/// How many slots a server says it owns.
pub(crate) fn slots_of(stage: &Stage, index: usize) -> usize {
    let reply = stage.call(index, &Command::from_args(["CLUSTER", "NODES"])).unwrap();
    let topology = Topology::parse(reply.view().as_bytes().unwrap()).unwrap();
    topology.myself().unwrap().slots.len()
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
