//! Numbered databases in cluster mode, as Valkey 9 has them: every one of them moves.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions, jobs};
use redistrib_ops::model::{NodeId, Slot, SlotJob};
use redistrib_ops::resp::Command;
use redistrib_ops::{Cancel, Cluster, Connection, Context, Event, FixOptions, Observer, Silent};

use crate::support::*;

/// Three masters of Valkey 9.1 with 16 databases each, and without the append-only file, since the server mixes databases up
/// when it exports slots without one.
fn lab() -> TempLab {
    let options = LabOptions {
        nodes: Some(3),
        replicas: Some(0),
        layout: Some(Layout::Cluster),
        server: Some(TestServer::named("valkey-9.1").unwrap().program),
        config: vec!["cluster-databases 16".into(), "appendonly no".into()],
        ..LabOptions::default()
    };
    TempLab::up(options).unwrap()
}

const USED: [u32; 3] = [0, 3, 9];

/// The same names in several databases, each with a value of its own.
fn fill_databases(cluster: &mut Cluster, count: usize) {
    for id in masters(cluster) {
        let owned = cluster.member(id).unwrap().node().slots.clone();
        let names = (0..count).map(|n| format!("key:{n}"));
        let names: Vec<String> =
            names.filter(|name| owned.contains(Slot::of_key(name.as_bytes()))).collect();
        let connection = cluster.member_mut(id).unwrap().connection().unwrap();
        for database in USED {
            let set = |name| Command::new("SET").arg(name).arg(format!("{name} in {database}"));
            let mut commands = vec![Command::new("SELECT").arg(database)];
            commands.extend(names.iter().map(set));
            commands.push(Command::new("SELECT").arg(0));
            connection.call_all(&commands).unwrap();
        }
    }
}

/// What all masters hold, by database and name.
fn held(lab: &TempLab) -> BTreeMap<(u32, Vec<u8>), Vec<u8>> {
    let cluster = discover(lab);
    let mut all = BTreeMap::new();
    for (id, database) in masters(&cluster).into_iter().flat_map(|id| (0..16).map(move |n| (id, n)))
    {
        let mut connection = connect(lab, &cluster, id);
        call(&mut connection, &format!("SELECT {database}"));
        let names = call(&mut connection, "KEYS *");
        for name in names.view().elements().map(|name| name.as_bytes().unwrap()) {
            let value = connection.call(&Command::new("GET").arg(name)).unwrap();
            let value = value.view().as_bytes().unwrap().to_vec();
            let before = all.insert((database, name.to_vec()), value);
            assert!(before.is_none(), "{} of {database} is in two places", name.escape_ascii());
        }
    }
    all
}

fn by_migrate() -> MigrateOptions {
    MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() }
}

#[test]
fn every_database_moves() {
    let lab = lab();
    let mut cluster = discover(&lab);
    fill_databases(&mut cluster, 3000);
    let before = held(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-1999")];
    let done = move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
    let moved = before.keys().filter(|(_, name)| moves[0].slots.contains(Slot::of_key(name)));
    assert_eq!(done.keys, moved.count() as u64);
    assert!(held(&lab) == before);
    assert_settled(&lab);
}

/// A job of the servers' own that somebody cancels, when another database has got keys meanwhile: MIGRATE brings those of all.
#[test]
fn every_database_moves_where_a_job_is_cancelled() {
    let lab = lab();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 3000);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut source = connect(&lab, &cluster, a);
    call(&mut source, "CONFIG SET rdb-key-save-delay 2000");
    let moves = [step(&cluster, a, b, "0-5000")];
    let owned = &moves[0].slots;
    let (slots, before) = thread::scope(|scope| {
        let run = || move_slots(&mut cluster, &moves, &MigrateOptions::default());
        let run = scope.spawn(run);
        let mut watcher = discover(&lab);
        poll("it is under way", || jobs(&mut watcher).iter().any(SlotJob::is_open));
        call(&mut source, "SELECT 9");
        let names = (0..200).map(|n| format!("key:{n}"));
        for name in names.filter(|name| owned.contains(Slot::of_key(name.as_bytes()))) {
            call(&mut source, &format!("SET {name} ninth"));
        }
        let before = held(&lab);
        call(&mut source, "CLUSTER CANCELSLOTMIGRATIONS");
        (run.join().unwrap().unwrap().slots, before)
    });
    assert_eq!(slots, 5001);
    assert!(before.keys().any(|(database, _)| *database == 9));
    assert!(held(&lab) == before);
    assert_settled(&lab);
}

/// Counts up each name at whichever node serves it, and returns how far.
fn count_up(nodes: &mut [Connection; 2], names: &[String], stop: &AtomicBool) -> Vec<i64> {
    let mut counts = vec![0; names.len()];
    while !stop.load(Ordering::Relaxed) {
        for (name, count) in names.iter().zip(&mut counts) {
            let incr = Command::new("INCR").arg(name);
            let mut answers = nodes.iter_mut().filter_map(|node| node.request(&incr).ok());
            *count = answers.find_map(|reply| reply.view().as_int()).unwrap_or(*count);
        }
    }
    counts
}

#[test]
fn what_clients_write_to_the_first_database_meanwhile_stays_in_it() {
    let lab = lab();
    let mut cluster = discover(&lab);
    fill_databases(&mut cluster, 3000);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut nodes = [a, b].map(|id| connect(&lab, &cluster, id));
    let slots = "0-999";
    let moved = step(&cluster, a, b, slots).slots;
    let names = (0..2000).map(|n| format!("counter:{n}"));
    let names: Vec<String> =
        names.filter(|name| moved.contains(Slot::of_key(name.as_bytes()))).collect();
    let stop = AtomicBool::new(false);
    let counts = thread::scope(|scope| {
        let writer = scope.spawn(|| count_up(&mut nodes, &names, &stop));
        for [from, to] in [[a, b], [b, a]].repeat(4) {
            let moves = [step(&cluster, from, to, slots)];
            let done = move_slots(&mut cluster, &moves, &MigrateOptions::default());
            done.inspect_err(|_| stop.store(true, Ordering::Relaxed)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap()
    });
    let held = held(&lab);
    for (name, count) in names.iter().zip(counts) {
        let value = held.get(&(0, name.clone().into_bytes())).unwrap();
        assert_eq!(value, count.to_string().as_bytes(), "{name}");
    }
    let always = MigrateOptions { atomic: Atomic::Always, ..MigrateOptions::default() };
    let moves = [step(&cluster, a, b, slots)];
    let error = move_slots(&mut cluster, &moves, &always).unwrap_err();
    assert!(error.to_string().contains("holds keys in database 3"), "{error}");
}

/// Writes keys to a database that had none, when the last of those known have moved. While a slot is on its way no
/// client can, so an administrator has to close it for that moment.
struct Intruder {
    source: Mutex<Connection>,
    slot: Slot,
    target: NodeId,
    left: Mutex<u64>,
}

impl Observer for Intruder {
    fn event(&self, event: &Event) {
        let Event::KeysMoved { keys, .. } = event else { return };
        let mut left = self.left.lock().unwrap();
        *left = left.saturating_sub(*keys);
        if *left == 0 {
            *left = u64::MAX;
            let source = &mut self.source.lock().unwrap();
            call(source, &format!("CLUSTER SETSLOT {} STABLE", self.slot));
            call(source, "SELECT 12");
            (0..50).for_each(|n| drop(call(source, &format!("SET {{a}}new{n} 1"))));
            call(source, &format!("CLUSTER SETSLOT {} MIGRATING {}", self.slot, self.target));
        }
    }
}

#[test]
fn keys_that_come_into_another_database_meanwhile_are_not_left_behind() {
    let lab = lab();
    let mut cluster = discover(&lab);
    fill(&mut cluster, (0..1000).map(|n| Command::new("SET").arg(format!("{{a}}{n}")).arg(n)));
    let slot = Slot::of_key(b"a");
    let from = cluster.owner(slot).unwrap().id();
    let mut source = connect(&lab, &cluster, from);
    call(&mut source, "SELECT 3");
    (0..10).for_each(|n| drop(call(&mut source, &format!("SET {{a}}{n} 1"))));
    let target = masters(&cluster).into_iter().find(|id| *id != from).unwrap();
    let intruder = Intruder { source: Mutex::new(source), slot, target, left: Mutex::new(1010) };
    let moves = [step(&cluster, from, target, &slot.to_string())];
    move_slots_with(&mut cluster, &moves, &by_migrate(), &intruder, &Cancel::new()).unwrap();
    let held = held(&lab);
    assert_eq!(held.keys().filter(|(database, _)| *database == 12).count(), 50);
    assert_eq!(held.len(), 1060);
    assert_settled(&lab);
}

/// The source's half of a migration was closed when some of the keys, all in another database, had gone over.
#[test]
fn keys_astray_in_another_database_go_back() {
    let lab = lab();
    let mut cluster = discover(&lab);
    let slot = Slot::of_key(b"a");
    let from = cluster.owner(slot).unwrap().id();
    let to = masters(&cluster).into_iter().find(|id| *id != from).unwrap();
    let (mut source, mut target) = (connect(&lab, &cluster, from), connect(&lab, &cluster, to));
    call(&mut source, "SELECT 3");
    (0..10).for_each(|n| drop(call(&mut source, &format!("SET {{a}}{n} 1"))));
    call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    let port = target.endpoint().port().unwrap();
    for key in 0..5 {
        call(&mut source, &format!("MIGRATE 127.0.0.1 {port} {{a}}{key} 3 5000"));
    }
    call(&mut source, &format!("CLUSTER SETSLOT {slot} STABLE"));
    cluster.refresh();
    let (cancel, options) = (Cancel::new(), FixOptions::default());
    let context = Context::new(&Silent, &cancel);
    let plan = plan_fix(&mut cluster, options, context).unwrap();
    fix(&mut cluster, plan, options, &MigrateOptions::default(), context).unwrap();
    assert_eq!(held(&lab).len(), 10);
    assert_eq!(call(&mut source, "DBSIZE").view().as_int(), Some(10));
    assert_settled(&lab);
}
