//! Connections that break at any step of the protocol.

use std::time::Duration;

use redistrib_benches::fill;
use redistrib_benches::proxy::{Fault, Harm, Line};
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::SlotSet;

use crate::fire::tool::{Ended, fix, reshard, reshard_at, trib, with};
use crate::fire::{assert_sound, redis_7, rounds, stage};

const KEYS: usize = 400;
const SLOTS: usize = 40;

struct Scene {
    stage: Stage,
    line: Line,
    /// The first node, as the admin at the end of the line knows it.
    seed: String,
}

fn scene() -> Scene {
    // A node whose last slots go back must stay a master, to which they can go again.
    let config = vec!["cluster-allow-replica-migration no".to_owned()];
    let stage = stage(&redis_7(), &Plan { config, ..Plan::even(2, 3) });
    fill::plain(stage.port(0), &SlotSet::full(), KEYS, 64).unwrap();
    let line = Line::to(stage.ports(), Duration::ZERO).unwrap();
    let seed = format!("127.0.0.1:{}", line.port_of(stage.port(0)).unwrap());
    Scene { stage, line, seed }
}

impl Scene {
    fn there(&self) -> Vec<String> {
        reshard_at(&self.seed, &self.stage, 0, 2, SLOTS)
    }

    /// Moves the slots while the line breaks; then mends over a sound one and moves them back.
    fn survive(&self, fault: Fault, options: &[&str]) -> Ended {
        let name = format!("{fault:?}");
        self.line.arm(fault);
        let ended = trib(&with(self.there(), options));
        self.line.disarm();
        assert!(matches!(ended.code, Some(0 | 1)), "{name}: {}", ended.text);
        let mended = trib(&fix(&self.stage.address(1)));
        assert_eq!(mended.code, Some(0), "{name}: {}\nafter {}", mended.text, ended.text);
        assert_sound(&self.stage, KEYS);
        let taken = self.slots_of_target();
        if taken > 0 {
            trib(&reshard(&self.stage, 2, 0, taken)).succeeded();
        }
        ended
    }

    fn slots_of_target(&self) -> usize {
        let nodes = redistrib_resp::Command::from_args(["CLUSTER", "NODES"]);
        let reply = self.stage.call(2, &nodes).unwrap();
        let view = redistrib_cluster_model::Topology::parse(reply.view().as_bytes().unwrap());
        view.unwrap().myself().unwrap().slots.len()
    }
}

#[test]
fn a_connection_cut_at_any_command_leaves_what_another_run_mends() {
    let scene = scene();
    let before = scene.line.commands();
    trib(&scene.there()).succeeded();
    let whole = scene.line.commands() - before;
    trib(&reshard(&scene.stage, 2, 0, SLOTS)).succeeded();
    let step = usize::try_from(whole).unwrap() / rounds(12, 100_000) + 1;
    let mut failures = 0;
    for at in (0..whole).step_by(step) {
        let turn = usize::try_from(at).unwrap() / step;
        let harm = [Harm::Cut, Harm::LoseReply][turn % 2];
        let ended = scene.survive(Fault { at, only: None, harm }, &[]);
        failures += usize::from(ended.code == Some(1));
        if std::env::var_os("REDIS_TRIB_LONG").is_some() {
            let other = if harm == Harm::Cut { Harm::LoseReply } else { Harm::Cut };
            scene.survive(Fault { at, only: None, harm: other }, &[]);
        }
    }
    assert!(failures > 0, "a broken connection was never told of");
    println!("{whole} commands, {failures} failures");
}

#[test]
fn a_migrate_whose_reply_never_comes_is_given_up_and_mended() {
    let scene = scene();
    let impatient = ["--timeout", "500", "--answer-timeout", "1000"];
    for at in [0, 2] {
        let fault = Fault { at, only: Some("MIGRATE"), harm: Harm::Stall };
        let ended = scene.survive(fault, &impatient);
        if ended.code == Some(1) {
            ended.says("no answer to");
        }
    }
}

/// The commit: the target takes all slots in one transaction, then the source and the third master are told.
#[test]
fn a_connection_cut_at_any_step_of_the_commit_leaves_what_another_run_mends() {
    let scene = scene();
    let opened = 2 * SLOTS as u64;
    let taken = opened + 2 * SLOTS as u64 - 1;
    let steps = [opened, opened + 1, opened + 40, taken - 1, taken, taken + 1, taken + 70];
    let faults = steps.map(|at| (at, "CLUSTER SETSLOT")).into_iter();
    // Those before are of the lock and of the question whether the target has transactions.
    let faults = faults.chain((3..=5).map(|at| (at, "EXEC")));
    let mut failures = 0;
    for (at, words) in faults {
        for harm in [Harm::Cut, Harm::LoseReply] {
            let ended = scene.survive(Fault { at, only: Some(words), harm }, &[]);
            failures += usize::from(ended.code == Some(1));
        }
    }
    assert!(failures > 6, "only {failures} runs told of a broken connection");
}
