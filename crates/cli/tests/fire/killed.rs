//! The end of the tool at any moment: killed, told to stop, or with nobody to read what it prints.

use std::thread;
use std::time::Duration;

use redistrib_benches::census::Census;
use redistrib_benches::fill;
use redistrib_benches::load::{Dice, Load, LoadOptions};
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::SlotSet;
use redistrib_ops::lab::TestServer;

use crate::fire::tool::{End, Ended, fix, reshard, start, trib};
use crate::fire::{redis_7, rounds, stage};

const KEYS: usize = 4000;
const SLOTS: usize = 1000;

fn filled(server: &TestServer) -> Stage {
    let stage = stage(server, &Plan::even(3, 3));
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    stage
}

/// Ends the tool again and again while it moves slots between the first two masters, and has the cluster
/// mended by `fix` and by the same command in turn.
fn kill_and_mend(server: &TestServer, count: usize) {
    let stage = filled(server);
    let load = Load::start(stage.ports(), LoadOptions { keys: 300, ..LoadOptions::default() });
    let whole = trib(&reshard(&stage, 0, 1, SLOTS)).succeeded().took;
    let mut dice = Dice::new(0xF1FE);
    let mut killed = 0;
    for round in 0..count {
        let command = match round % 4 {
            0 => reshard(&stage, 1, 0, SLOTS),
            2 => reshard(&stage, 0, 1, SLOTS),
            1 => rebalance(&stage, 2),
            _ => rebalance(&stage, 1),
        };
        let running = start(&command);
        thread::sleep(whole.mul_f64(dice.below(1200) as f64 / 1000.0));
        let ended = running.stop(End::of(round));
        killed += usize::from(ended.code.is_none());
        mend(&stage, round, &ended);
    }
    let outcome = load.finish();
    assert_eq!(outcome.complaints, Vec::<String>::new());
    assert!(killed > 0, "the tool was always faster");
    println!("{}: killed {killed} of {count} times in {whole:?}, {outcome:?}", server.name);
}

/// `rebalance` that gives the last of three masters so many times what the others get.
fn rebalance(stage: &Stage, weight: usize) -> Vec<String> {
    let weight = format!("{}={weight}", stage.id(2));
    let words = ["rebalance", &stage.address(0), "--weight", &weight, "--yes"];
    words.map(str::to_owned).to_vec()
}

/// Another run mends what is open; then every key is there.
fn mend(stage: &Stage, round: usize, ended: &Ended) {
    let mender = match round % 3 {
        // A run that moves slots finishes first what it finds open.
        2 => trib(&reshard(stage, 2, 1, 1)),
        _ => trib(&fix(&stage.address(round % 3))),
    };
    assert_eq!(mender.code, Some(0), "round {round}: {}\nafter: {}", mender.text, ended.text);
    let census = Census::take(stage.port(0)).unwrap();
    let plain = census.keys.keys().filter(|(_, key)| key.starts_with(b"key:")).count();
    assert!(
        census.is_clean() && plain == KEYS,
        "round {round}: {plain} of {KEYS} keys; {census}\nthe mender: {}\nthe killed: {}",
        mender.text,
        ended.text,
    );
}

#[test]
fn a_killed_tool_leaves_what_another_run_mends() {
    kill_and_mend(&redis_7(), rounds(8, 200));
}

#[test]
fn the_second_run_may_end_too() {
    let stage = filled(&redis_7());
    let mut dice = Dice::new(2);
    for round in 0..rounds(4, 50) {
        let (from, to) = if round % 2 == 0 { (0, 1) } else { (1, 0) };
        let (reshard, fix) = (reshard(&stage, from, to, SLOTS), fix(&stage.address(1)));
        for (command, end) in [(reshard, End::Kill), (fix, End::of(round))] {
            let running = start(&command);
            thread::sleep(Duration::from_millis(dice.below(250) as u64));
            running.stop(end);
        }
    }
    trib(&fix(&stage.address(2))).succeeded();
    crate::fire::assert_sound(&stage, KEYS);
}
