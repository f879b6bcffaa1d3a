//! Migration by the servers themselves, on Redis 8.6 and Valkey 9.1.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{LabOptions, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions, Rate, finish_running, jobs};
use redistrib_ops::model::{Move, NodeId, SlotJob, SlotSet};
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Error, Event, Failover, FailoverMode, Method, MoveError, Observer,
    Silent,
};

use crate::stand_ins::{move_of, stand_ins};
use crate::support::*;

fn atomic() -> MigrateOptions {
    MigrateOptions { atomic: Atomic::Always, ..MigrateOptions::default() }
}

/// Remembers how pairs were moved, and presses the button when one starts.
struct Methods<'a> {
    seen: Mutex<Vec<Method>>,
    press: Option<&'a Cancel>,
}

impl Observer for Methods<'_> {
    fn event(&self, event: &Event) {
        if let Event::PairStarted { method, .. } = event {
            self.seen.lock().unwrap().push(*method);
            self.press.iter().for_each(|cancel| cancel.press());
        }
    }
}

const FAMILIES: [&str; 2] = ["redis-8.6", "valkey-9.1"];

fn lab(server: &'static str) -> TempLab {
    TempLab::cluster(&TestServer::named(server).unwrap(), 3, 0).unwrap()
}

/// Has a source take so many microseconds over each key of a snapshot.
fn slow_down(source: &mut Connection, micros: u32) {
    call(source, &format!("CONFIG SET rdb-key-save-delay {micros}"));
}

/// The raw command with which an earlier run, or somebody else, has begun a job.
fn begin_job(lab: &TempLab, cluster: &Cluster, [from, to]: [NodeId; 2], slots: &str) {
    let (first, last) = slots.split_once('-').unwrap();
    let known = call(&mut connect(lab, cluster, from), "COMMAND INFO cluster|migrateslots");
    if known.view().elements().next().unwrap().is_empty() {
        let import = format!("CLUSTER MIGRATION IMPORT {first} {last}");
        call(&mut connect(lab, cluster, to), &import);
    } else {
        let export = format!("CLUSTER MIGRATESLOTS SLOTSRANGE {first} {last} NODE {to}");
        call(&mut connect(lab, cluster, from), &export);
    }
}

/// Ends whatever jobs there are, as an administrator would.
fn cancel_jobs(lab: &TempLab, cluster: &Cluster, pair: [NodeId; 2]) {
    for id in pair {
        let commands = ["CLUSTER MIGRATION CANCEL ALL", "CLUSTER CANCELSLOTMIGRATIONS"];
        let commands = commands.map(|line| Command::from_args(line.split(' ')));
        connect(lab, cluster, id).pipeline(&commands).unwrap();
    }
}

/// Waits until the servers are at a job that the condition is true of.
fn await_job(cluster: &mut Cluster, what: &str, is_it: impl Fn(&SlotJob) -> bool) {
    poll(what, || jobs(cluster).iter().any(&is_it));
}

#[test]
fn all_slots_of_a_pair_move_at_once() {
    for (server, method) in
        FAMILIES.into_iter().zip([Method::MigrationImport, Method::MigrateSlots])
    {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 5000);
        let before = dumps(&lab);
        let [a, b, c] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-9 20-4000"), step(&cluster, c, a, "16000-16383")];
        let cancel = Cancel::new();
        let methods = Methods { seen: Mutex::default(), press: None };
        let options = MigrateOptions::default();
        let done = move_slots_with(&mut cluster, &moves, &options, &methods, &cancel).unwrap();
        assert_eq!(*methods.seen.lock().unwrap(), [method; 2]);
        let moved = before.keys().filter(|key| {
            let slot = redistrib_ops::model::Slot::of_key(key);
            moves.iter().any(|step| step.slots.contains(slot))
        });
        assert_eq!((done.slots, done.keys), (10 + 3981 + 384, moved.count() as u64), "{server}");
        assert!(dumps(&lab) == before, "{server}");
        assert_settled(&lab);
        // And back at once, before the servers have cleared away.
        let back = [step(&cluster, b, a, "0-9 20-4000")];
        cluster.refresh();
        let back = [Move { slots: moves[0].slots.clone(), ..back[0].clone() }];
        move_slots(&mut cluster, &back, &options).unwrap();
        assert!(dumps(&lab) == before, "{server}");
    }
}

/// Adds up the bytes that are told before the slots have moved.
#[derive(Default)]
struct Progress {
    bytes: Mutex<u64>,
    through: AtomicBool,
}

impl Observer for Progress {
    fn event(&self, event: &Event) {
        match event {
            Event::SlotsMoved { .. } => self.through.store(true, Ordering::SeqCst),
            Event::KeysMoved { bytes, .. } if !self.through.load(Ordering::SeqCst) => {
                *self.bytes.lock().unwrap() += bytes;
            }
            _ => {}
        }
    }
}

#[test]
fn what_goes_over_is_told_while_it_does() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 1000);
        let moves = [step(&cluster, a, b, "0-5000")];
        let progress = Progress::default();
        move_slots_with(&mut cluster, &moves, &atomic(), &progress, &Cancel::new()).unwrap();
        assert!(*progress.bytes.lock().unwrap() > 1000, "{server}");
    }
}

#[test]
fn a_job_is_taken_back_when_the_tool_is_to_stop() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 5000);
        let [a, b, c] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 1000);
        let moves = [step(&cluster, a, b, "0-5000")];
        let cancel = Cancel::new();
        let methods = Methods { seen: Mutex::default(), press: Some(&cancel) };
        let ended = move_slots_with(&mut cluster, &moves, &atomic(), &methods, &cancel);
        let error = ended.unwrap_err();
        assert!(matches!(error, Error::Cancelled(_)), "{server}: {error}");
        // The source has ended it; the target may still be throwing away what had come.
        poll("no job is left", || jobs(&mut cluster).is_empty());
        assert_settled(&lab);
        assert_eq!(masters(&discover(&lab)), [a, b, c], "nothing has moved");
        // And it can be had again.
        slow_down(&mut connect(&lab, &cluster, a), 0);
        move_slots(&mut cluster, &moves, &atomic()).unwrap();
        assert_settled(&lab);
    }
}

/// A source that takes writes again while its target may own the slots already loses them.
#[test]
fn a_job_whose_target_may_have_the_slots_is_not_taken_back() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let config = vec!["enable-debug-command local".to_owned()];
    let lab = TempLab::up(LabOptions {
        nodes: Some(3),
        replicas: Some(0),
        server: Some(server.program),
        config,
        ..LabOptions::default()
    });
    let lab = lab.unwrap();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 300);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-5000")];
    let mut target = connect(&lab, &cluster, b);
    call(&mut target, "DEBUG SLOTMIGRATION PREVENT-FAILOVER 1");
    let cancel = Cancel::new();
    let mut other = discover(&lab);
    let done = thread::scope(|scope| {
        let moving =
            scope.spawn(|| move_slots_with(&mut cluster, &moves, &atomic(), &Silent, &cancel));
        await_job(&mut other, "the target may take them", |job| job.state == "failover-granted");
        cancel.press();
        // The tool looks at it, and asks for its end, twenty times meanwhile.
        thread::sleep(Duration::from_millis(500));
        let states: Vec<_> = jobs(&mut other).into_iter().map(|job| job.state).collect();
        assert_eq!(states, ["failover-granted"]);
        call(&mut target, "DEBUG SLOTMIGRATION PREVENT-FAILOVER 0");
        moving.join().unwrap()
    });
    assert_eq!(done.unwrap().slots, 5001);
    assert_settled(&lab);
}

#[test]
fn a_job_of_an_earlier_run_is_waited_for() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 5000);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 500);
        begin_job(&lab, &cluster, [a, b], "0-5000");
        let cancel = Cancel::new();
        let context = redistrib_ops::Context::new(&redistrib_ops::Silent, &cancel);
        let options = MigrateOptions::default();
        assert!(finish_running(&mut cluster, &options, context).unwrap(), "{server}");
        assert!(!finish_running(&mut cluster, &options, context).unwrap(), "{server}");
        assert_eq!(cluster.member(a).unwrap().node().slots.first().unwrap().get(), 5001);
    }
}

/// Breaks the lines over which servers send slots, again and again as long as the work goes on.
fn with_broken_lines<T>(
    lab: &TempLab,
    cluster: &Cluster,
    source: NodeId,
    work: impl FnOnce() -> T,
) -> T {
    let through = AtomicBool::new(false);
    let mut source = connect(lab, cluster, source);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !through.load(Ordering::SeqCst) {
                let clients = call(&mut source, "CLIENT LIST");
                let lines = clients.view().as_str().unwrap().lines();
                for line in lines.filter(|line| line.contains("cmd=cluster|syncslots")) {
                    let id = line.split_once("id=").unwrap().1.split(' ').next().unwrap();
                    // It may have gone by itself.
                    let kill = Command::from_args(["CLIENT", "KILL", "ID", id]);
                    source.request(&kill).unwrap();
                }
                thread::sleep(Duration::from_millis(20));
            }
        });
        let done = work();
        through.store(true, Ordering::SeqCst);
        done
    })
}

/// Redis tries for ever.
#[test]
fn an_import_that_fails_again_and_again_is_told_and_cancelled() {
    let lab = lab("redis-8.6");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 3000);
    let before = dumps(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    slow_down(&mut connect(&lab, &cluster, a), 1000);
    let moves = [step(&cluster, a, b, "0-5000")];
    let options = MigrateOptions { timeout: Duration::from_secs(3), ..atomic() };
    let warnings = Warnings::default();
    let (known, mut watcher) = (discover(&lab), discover(&lab));
    let error = with_broken_lines(&lab, &known, a, || {
        move_slots_with(&mut cluster, &moves, &options, &warnings, &Cancel::new()).unwrap_err()
    });
    assert!(error.to_string().contains("no progress within 3000 ms"), "{error}");
    let warnings = warnings.0.into_inner().unwrap();
    assert!(warnings[0].contains("is tried again"), "{warnings:?}");
    assert_eq!(jobs(&mut watcher), []);
    // One that a killed tool has left is found by the next run.
    with_broken_lines(&lab, &known, a, || {
        begin_job(&lab, &watcher, [a, b], "0-1000");
        await_job(&mut discover(&lab), "it has failed", |job| job.retries > 0);
    });
    let moves = [step(&cluster, a, b, "0-2000")];
    slow_down(&mut connect(&lab, &cluster, a), 0);
    match move_slots(&mut cluster, &moves, &options) {
        Ok(_) => {}
        // The server was faster than the next run.
        Err(error) => assert!(error.to_string().contains("does not own slots 0-1000"), "{error}"),
    }
    assert_eq!(jobs(&mut watcher), []);
    assert!(dumps(&lab) == before);
}

#[test]
fn a_source_that_hangs_is_given_up_and_nothing_is_lost() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 1000);
        let index = index_of(&lab, &cluster, a);
        let (timeout, settle) = (Duration::from_secs(2), Duration::from_secs(5));
        let options = MigrateOptions { timeout, settle, ..atomic() };
        let moves = [step(&cluster, a, b, "0-1000")];
        let mut watcher = discover(&lab);
        let started = Instant::now();
        std::thread::scope(|scope| {
            let run = scope.spawn(|| move_slots(&mut cluster, &moves, &options));
            await_job(&mut watcher, "it is under way", SlotJob::is_open);
            lab.pause(index).unwrap();
            let ended = run.join().unwrap();
            assert!(ended.is_err(), "{server}: {ended:?}");
        });
        assert!(started.elapsed() < Duration::from_secs(60), "{server}");
        lab.resume(index).unwrap();
        slow_down(&mut connect(&lab, &discover(&lab), a), 0);
        let mut cluster = discover(&lab);
        let cancel = Cancel::new();
        let context = redistrib_ops::Context::new(&redistrib_ops::Silent, &cancel);
        finish_running(&mut cluster, &options, context).unwrap();
        assert!(dumps(&lab) == before, "{server}");
        // Valkey may have brought the job to its end once its source was back.
        cluster.refresh();
        let left = moves[0].slots.intersection(&cluster.member(a).unwrap().node().slots);
        if !left.is_empty() {
            move_slots(&mut cluster, &[Move { slots: left, ..moves[0].clone() }], &atomic())
                .unwrap();
        }
        let target = cluster_slots(&lab, b);
        assert!(moves[0].slots.difference(&target).is_empty(), "{server}: {target}");
        assert!(dumps(&lab) == before, "{server}");
    }
}

/// The slots that a master calls its own now.
fn cluster_slots(lab: &TempLab, id: NodeId) -> SlotSet {
    discover(lab).member(id).unwrap().node().slots.clone()
}

#[test]
fn a_job_that_somebody_cancels_goes_on_by_migrate() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 2000);
        let moves = [step(&cluster, a, b, "0-5000")];
        let mut watcher = discover(&lab);
        std::thread::scope(|scope| {
            let run = || move_slots(&mut cluster, &moves, &MigrateOptions::default());
            let run = scope.spawn(run);
            await_job(&mut watcher, "it is under way", SlotJob::is_open);
            cancel_jobs(&lab, &watcher, [a, b]);
            let done = run.join().unwrap().unwrap();
            assert_eq!(done.slots, 5001, "{server}");
        });
        assert!(dumps(&lab) == before, "{server}");
        assert_settled(&lab);
    }
}

/// Has somebody else begin a job on other slots of the same pair when the first slots have moved: Redis begins none while a
/// slot is open.
struct BeginsJob<'a>(&'a TempLab, [NodeId; 2], Mutex<bool>);

impl Observer for BeginsJob<'_> {
    fn event(&self, event: &Event) {
        if let Event::SlotsMoved { .. } = event
            && !std::mem::replace(&mut *self.2.lock().unwrap(), true)
        {
            begin_job(self.0, &discover(self.0), self.1, "3000-3400");
        }
    }
}

/// What another tool begins while slots go by MIGRATE neither mixes with it nor loses anything.
#[test]
fn a_job_that_somebody_begins_beside_a_migrate_loses_nothing() {
    for server in FAMILIES {
        let lab = lab(server);
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 20_000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        slow_down(&mut connect(&lab, &cluster, a), 200);
        let moves = [step(&cluster, a, b, "0-2000")];
        let options = MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() };
        let observer = BeginsJob(&lab, [a, b], Mutex::new(false));
        let ended = move_slots_with(&mut cluster, &moves, &options, &observer, &Cancel::new());
        assert_eq!(ended.unwrap().slots, 2001, "{server}");
        let cancel = Cancel::new();
        let context = redistrib_ops::Context::new(&redistrib_ops::Silent, &cancel);
        finish_running(&mut discover(&lab), &options, context).unwrap();
        poll("all keys are there", || dumps(&lab) == before);
        assert_settled(&lab);
    }
}

/// Redis cancels an import when writes are paused, and does not clear away after it before they go on.
#[test]
fn what_a_job_leaves_is_cleared_away_before_migrate_begins() {
    let lab = lab("redis-8.6");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 3000);
    let before = dumps(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    slow_down(&mut connect(&lab, &cluster, a), 2000);
    let moves = [step(&cluster, a, b, "0-5000")];
    let mut target = connect(&lab, &cluster, b);
    let mut watcher = discover(&lab);
    std::thread::scope(|scope| {
        let run = || move_slots(&mut cluster, &moves, &MigrateOptions::default());
        let run = scope.spawn(run);
        await_job(&mut watcher, "keys arrive", |job| job.state == "accumulate-buffer");
        call(&mut target, "CLIENT PAUSE 2000 WRITE");
        assert_eq!(run.join().unwrap().unwrap().slots, 5001);
    });
    assert!(dumps(&lab) == before);
    assert_settled(&lab);
}

/// The move continues from the master that serves the slots now, or fails and names it; no key is lost.
#[test]
fn a_source_that_is_failed_over_meanwhile_is_no_loss() {
    for server in FAMILIES {
        let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 1).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let successor = cluster.replicas_of(a).next().unwrap().id();
        let mut successor = connect(&lab, &cluster, successor);
        poll("the replica is in sync", || {
            call(&mut successor, "INFO replication")
                .view()
                .as_str()
                .unwrap()
                .contains("master_link_status:up")
        });
        slow_down(&mut connect(&lab, &cluster, a), 500);
        let moves = [step(&cluster, a, b, "0-5000")];
        let mut watcher = discover(&lab);
        let ended = std::thread::scope(|scope| {
            let run = || move_slots(&mut cluster, &moves, &MigrateOptions::default());
            let run = scope.spawn(run);
            await_job(&mut watcher, "it is under way", SlotJob::is_open);
            call(&mut successor, "CLUSTER FAILOVER");
            run.join().unwrap()
        });
        if let Err(error) = ended {
            assert!(error.to_string().contains("no master any more"), "{server}: {error}");
        }
        poll("all is well", || dumps(&lab) == before);
        assert_eq!(jobs(&mut discover(&lab)), [], "{server}");
        assert_settled(&lab);
    }
}

/// Valkey gives up what a master is at when its replica takes over, and Redis may crash over it.
#[test]
fn a_failover_waits_for_the_jobs_of_its_master() {
    for server in FAMILIES {
        let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 1).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let successor = cluster.replicas_of(a).next().unwrap().id();
        slow_down(&mut connect(&lab, &cluster, a), 500);
        begin_job(&lab, &cluster, [a, b], "0-5000");
        let (warnings, cancel) = (Warnings::default(), Cancel::new());
        let context = redistrib_ops::Context::new(&warnings, &cancel);
        let plan = Failover::plan(&cluster, successor, FailoverMode::Agreed).unwrap();
        plan.apply(&mut cluster, context).unwrap();
        assert!(cluster.member(successor).unwrap().is_master(), "{server}");
        let moved = "0-5000".parse::<SlotSet>().unwrap();
        let left = moved.difference(&cluster_slots(&lab, b));
        let warnings = warnings.0.into_inner().unwrap();
        assert!(left.is_empty(), "{server}: {left} have not moved: {warnings:?}");
        poll("all keys are there", || dumps(&lab) == before);
        assert_settled(&lab);
    }
}

/// Ends a server when the first slots have moved.
struct EndsSource<'a>(&'a TempLab, usize);

impl Observer for EndsSource<'_> {
    fn event(&self, event: &Event) {
        if let Event::SlotsMoved { .. } = event {
            self.0.kill(self.1);
        }
    }
}

#[test]
fn a_source_that_dies_when_its_slots_are_through_is_no_failure() {
    for server in FAMILIES {
        let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 1).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 3000);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-2000")];
        let observer = EndsSource(&lab, index_of(&lab, &cluster, a));
        let options = atomic();
        let ended = move_slots_with(&mut cluster, &moves, &options, &observer, &Cancel::new());
        let done = ended.unwrap();
        assert!(done.slots == 2001 && done.keys > 300, "{server}: {done:?}");
    }
}

/// Redis 8.6 drops what it imports, and says completed, where a target comes to lack its replicas.
#[test]
fn keys_that_the_servers_lose_are_missed() {
    let lab = lab("redis-8.6");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 3000);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    slow_down(&mut connect(&lab, &cluster, a), 1000);
    let mut target = connect(&lab, &cluster, b);
    let moves = [step(&cluster, a, b, "0-5000")];
    let mut watcher = discover(&lab);
    let error = std::thread::scope(|scope| {
        let run = scope.spawn(|| move_slots(&mut cluster, &moves, &MigrateOptions::default()));
        await_job(&mut watcher, "it is under way", SlotJob::is_open);
        call(&mut target, "CONFIG SET min-replicas-to-write 1");
        run.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, Error::KeysLost { keys: 1.., .. }), "{error}");
}

#[test]
fn a_rate_is_kept_by_migrate() {
    let lab = lab("valkey-9.1");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 300);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-100")];
    let rate = Some(Rate::Keys(1_000_000));
    let demanded = MigrateOptions { rate, ..atomic() };
    let error = move_slots(&mut cluster, &moves, &demanded).unwrap_err();
    assert!(matches!(error, Error::Move(MoveError::NoRate)), "{error}");
    let cancel = Cancel::new();
    let methods = Methods { seen: Mutex::default(), press: None };
    let options = MigrateOptions { rate, ..MigrateOptions::default() };
    move_slots_with(&mut cluster, &moves, &options, &methods, &cancel).unwrap();
    assert_eq!(*methods.seen.lock().unwrap(), [Method::Migrate]);
}

#[test]
fn servers_without_it_are_refused_where_it_is_demanded() {
    let lab = lab("redis-7.0");
    let mut cluster = discover(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0")];
    let error = move_slots(&mut cluster, &moves, &atomic()).unwrap_err();
    assert!(error.to_string().contains("atomic"), "{error}");
}

fn index_of(lab: &TempLab, cluster: &Cluster, id: NodeId) -> usize {
    let endpoint = cluster.member(id).unwrap().endpoint();
    lab.endpoints().iter().position(|it| it.port() == endpoint.port()).unwrap()
}

#[test]
fn a_job_that_is_through_before_it_is_taken_back_has_moved_its_slots() {
    let (play, mut cluster) = stand_ins(&["failed", "completed"]);
    let options = MigrateOptions { timeout: Duration::ZERO, ..atomic() };
    let moves = move_of(&play);
    let done = move_slots(&mut cluster, &moves, &options).unwrap();
    assert_eq!((done.slots, done.keys), (100, 300));
    let play = play.lock().unwrap();
    assert!(play.asked.contains(&"CLUSTER MIGRATION CANCEL ID task1".into()));
    assert_eq!(play.owner, 1);
}
