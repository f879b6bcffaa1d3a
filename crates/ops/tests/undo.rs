//! A target refuses keys half-way, and clients go on writing: what they were told is written stays written.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redistrib_ops::client::Client;
use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions, Migrated};
use redistrib_ops::model::plan::fix::Blocked;
use redistrib_ops::model::{Move, NodeId, Slot, SlotSet};
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Error, Event, FixOptions, FixPlan, Observer, Operation,
    Reshard, Silent, on_each_test_server,
};

use crate::support::*;

/// How many slots have counters, and how many counters each has.
const SLOTS: usize = 12;
const COUNTERS: usize = 25;
const WRITERS: usize = 3;

/// How often each counter was raised, by what clients were told.
type Told = BTreeMap<String, i64>;

/// Raises counters one after the other until told to stop. What a server refuses does not count.
fn raise(lab: &TempLab, writer: usize, counters: &[String], stop: &AtomicBool) -> Told {
    let mut client = Client::new(&lab.endpoints()[writer], lab.settings(), Cancel::new());
    let mut told = Told::new();
    for counter in counters.iter().cycle().skip(97 * writer) {
        if stop.load(Ordering::SeqCst) {
            break;
        }
        let reply = client.follow(&Command::new("INCR").arg(counter), &mut ());
        if reply.is_ok_and(|reply| reply.view().as_int().is_some()) {
            *told.entry(counter.clone()).or_default() += 1;
        }
    }
    told
}

/// Those counters that are less than clients were told, and by how much.
fn lost(lab: &TempLab, told: Told) -> Told {
    let mut client = Client::new(&lab.endpoints()[0], lab.settings(), Cancel::new());
    let kept = |counter: &str| {
        let reply = client.follow(&Command::new("GET").arg(counter), &mut ()).unwrap();
        reply.view().as_str().and_then(|count| count.parse::<i64>().ok()).unwrap_or(0)
    };
    let mut kept = kept;
    let missing = told.into_iter().map(|(counter, told)| {
        let missing = told - kept(&counter);
        (counter, missing)
    });
    missing.filter(|(_, missing)| *missing > 0).collect()
}

/// Counters in slots that one master owns.
fn counters(cluster: &Cluster, owner: NodeId) -> (Vec<String>, SlotSet) {
    let owned = &cluster.member(owner).unwrap().node().slots;
    let tags = (0..).map(|n| format!("{{tag{n}}}"));
    let tags: Vec<String> =
        tags.filter(|tag| owned.contains(Slot::of_key(tag.as_bytes()))).take(SLOTS).collect();
    let slots = tags.iter().map(|tag| Slot::of_key(tag.as_bytes())).collect();
    // One of each slot after the other.
    let names = (0..COUNTERS).flat_map(|n| tags.iter().map(move |tag| format!("{tag}{n}")));
    (names.collect(), slots)
}

/// Sends a node a line when so many lots of keys have moved.
struct Spoiler<'a> {
    node: Mutex<Connection>,
    line: &'a str,
    lots: Mutex<usize>,
}

impl Observer for Spoiler<'_> {
    fn event(&self, event: &Event) {
        if matches!(event, Event::KeysMoved { .. }) {
            let mut lots = self.lots.lock().unwrap();
            if *lots == 0 {
                call(&mut self.node.lock().unwrap(), self.line);
            }
            *lots = lots.wrapping_sub(1);
        }
    }
}

/// A short form and, with `REDIS_TRIB_LONG=1`, a long one.
fn rounds() -> usize {
    if std::env::var_os("REDIS_TRIB_LONG").is_some() { 200 } else { 3 }
}

/// A cluster in which one master's slots have counters.
struct Field {
    server: &'static str,
    lab: TempLab,
    counters: Vec<String>,
    slots: SlotSet,
    from: NodeId,
    to: NodeId,
    third: NodeId,
}

impl Field {
    fn new(server: &TestServer, replicas: usize) -> Self {
        let lab = TempLab::up(LabOptions {
            nodes: Some(3 * (1 + replicas)),
            replicas: Some(replicas),
            layout: Some(Layout::Cluster),
            server: Some(server.program.clone()),
            // A busy machine must not look like a node that fails.
            config: vec!["cluster-node-timeout 15000".into()],
            ..LabOptions::default()
        });
        let lab = lab.unwrap();
        let cluster = discover(&lab);
        let [from, to, third] = masters(&cluster)[..] else { panic!() };
        let (counters, slots) = counters(&cluster, from);
        Self { server: server.name, lab, counters, slots, from, to, third }
    }

    /// Does something while writers raise the counters. Wherever they are afterwards, they are not less than clients were
    /// told.
    fn while_written<R>(&self, work: impl FnOnce() -> R) -> R {
        let stop = AtomicBool::new(false);
        let mut told = Told::new();
        let result = thread::scope(|scope| {
            let stop = &stop;
            let raise = |writer| move || raise(&self.lab, writer, &self.counters, stop);
            let writers: Vec<_> = (0..WRITERS).map(|writer| scope.spawn(raise(writer))).collect();
            let result = panic::catch_unwind(AssertUnwindSafe(work));
            stop.store(true, Ordering::SeqCst);
            for (counter, count) in writers.into_iter().flat_map(|writer| writer.join().unwrap()) {
                *told.entry(counter).or_default() += count;
            }
            result
        });
        let result = result.unwrap_or_else(|panic| panic::resume_unwind(panic));
        let (name, total) = (self.server, told.values().sum::<i64>());
        let lost = lost(&self.lab, told);
        println!("{name}: of {total} writes lost: {lost:?}");
        assert!(total > 100 && lost.is_empty(), "{name}: {lost:?}");
        result
    }

    /// Moves the slots, and sends a node a line when so many lots of keys have gone over.
    fn move_and_spoil(&self, node: Connection, line: &str, lots: usize) -> Result<Migrated, Error> {
        let mut cluster = discover(&self.lab);
        poll("all counters are there", || {
            let mut owner = connect(&self.lab, &cluster, self.from);
            let mut count = |slot| call(&mut owner, &format!("CLUSTER COUNTKEYSINSLOT {slot}"));
            self.slots.iter().all(|slot| count(slot).view().as_int() == Some(COUNTERS as i64))
        });
        let spoiler = Spoiler { node: Mutex::new(node), line, lots: Mutex::new(lots) };
        let moves = [Move { from: self.from, to: self.to, slots: self.slots.clone() }];
        move_slots_with(&mut cluster, &moves, &options(), &spoiler, &Cancel::new())
    }

    fn connect(&self, id: NodeId) -> Connection {
        connect(&self.lab, &discover(&self.lab), id)
    }

    fn fix(&self) -> FixPlan {
        let (mut cluster, cancel) = (discover(&self.lab), Cancel::new());
        let context = Context::new(&Silent, &cancel);
        let plan = plan_fix(&mut cluster, FixOptions::default(), context).unwrap();
        fix(&mut cluster, plan, FixOptions::default(), &options(), context).unwrap()
    }

    /// Moves back what the target owns of the slots.
    fn bring_back(&self) {
        let mut cluster = discover(&self.lab);
        let slots = &cluster.member(self.to).unwrap().node().slots & &self.slots;
        if slots.is_empty() {
            return;
        }
        let back = [Move { from: self.to, to: self.from, slots }];
        move_slots(&mut cluster, &back, &options()).unwrap();
    }

    fn open_slots(&self) -> usize {
        discover(&self.lab).snapshot().open_slots().iter().map(|open| open.slots.len()).sum()
    }
}

/// By MIGRATE, a few keys at a time.
fn options() -> MigrateOptions {
    MigrateOptions { atomic: Atomic::Never, keys_per_migrate: 7, ..MigrateOptions::default() }
}

/// The target runs out of memory in the middle, again and again.
fn no_write_is_lost(server: &TestServer, replicas: usize) {
    let field = Field::new(server, replicas);
    let taken_back = field.while_written(|| {
        (0..rounds()).filter(|round| is_taken_back(&field, 1 + round % 7)).count()
    });
    assert_settled(&field.lab);
    assert!(taken_back * 2 > rounds(), "{}: {taken_back}", server.name);
}

/// Moves the slots to a target that fills up meanwhile. Returns whether they were taken back.
fn is_taken_back(field: &Field, lots: usize) -> bool {
    let ended = field.move_and_spoil(field.connect(field.to), "CONFIG SET maxmemory 1", lots);
    call(&mut field.connect(field.to), "CONFIG SET maxmemory 0");
    match ended {
        Err(Error::TakenBack { .. }) => true,
        // A replica did not hear of a slot in time, as on a busy machine: what is open is mended.
        Err(error) => {
            println!("{}: {error}", field.server);
            assert_eq!(field.fix(), FixPlan::default());
            field.bring_back();
            false
        }
        // All was over before the target refused anything.
        Ok(_) => {
            field.bring_back();
            false
        }
    }
}

on_each_test_server! {
    fn no_write_is_lost_when_slots_are_taken_back(server) {
        no_write_is_lost(server, 0);
    }
}

/// Their SETSLOTs wait for the replicas.
#[test]
fn no_write_is_lost_where_valkey_has_replicas() {
    no_write_is_lost(&TestServer::named("valkey-9.1").unwrap(), 1);
}

/// A target that takes no writes for want of replicas can give nothing back: its slots stay open, and that stands in the way
/// of nothing else. When it is mended, they are brought to their end.
fn waits_for_replicas(name: &'static str) {
    let field = Field::new(&TestServer::named(name).unwrap(), 0);
    field.while_written(|| {
        let line = "CONFIG SET min-replicas-to-write 1";
        let error = field.move_and_spoil(field.connect(field.to), line, 2).unwrap_err();
        assert!(matches!(error, Error::LeftOpen { .. }), "{name}: {error}");
        assert!(error.to_string().contains("NOREPLICAS"), "{error}");
        let left = field.fix();
        let blocked = |it: &Blocked| matches!(it, Blocked::Unfit { obstacle } if obstacle.node.id == field.to);
        assert!(left.blocked.iter().all(|(_, why)| blocked(why)), "{name}: {left:?}");
        assert!(field.open_slots() > 0, "{name}");

        let mut cluster = discover(&field.lab);
        let (from, to) = (vec![field.from.into()], Some(field.third.into()));
        let request = Reshard { from, to, slots: 100, ..Reshard::default() };
        let moves = request.plan(&mut cluster, Context::default()).unwrap().moves;
        let moved = move_slots(&mut cluster, &moves, &options()).unwrap();
        assert_eq!(moved.slots, 100, "{name}");

        call(&mut field.connect(field.to), "CONFIG SET min-replicas-to-write 0");
        assert_eq!(field.fix(), FixPlan::default(), "{name}");
    });
    assert_settled(&field.lab);
}

#[test]
fn a_target_without_replicas_keeps_its_slots_open_until_it_is_mended() {
    thread::scope(|scope| {
        for name in ["redis-7.0", "redis-8.6", "valkey-8.1", "valkey-9.1"] {
            scope.spawn(move || waits_for_replicas(name));
        }
    });
}

/// A target that becomes a replica in the middle takes no writes and gives nothing back; its new master has what it had.
fn goes_on_at_the_new_master(name: &'static str) {
    let field = Field::new(&TestServer::named(name).unwrap(), 1);
    field.while_written(|| {
        let cluster = discover(&field.lab);
        let successor = cluster.replicas_of(field.to).next().unwrap().id();
        let mut node = field.connect(successor);
        poll("the replica has its data", || {
            call(&mut node, "INFO replication").view().as_str().unwrap().contains("link_status:up")
        });
        let error = field.move_and_spoil(node, "CLUSTER FAILOVER", 2).err();
        // On a busy machine the failover may come too late, or be given up by the servers.
        if let Some(Error::LeftOpen { .. }) = error {
            poll("the replica is the master", || {
                discover(&field.lab).member(successor).unwrap().node().is_master()
            });
        }
        assert_eq!(field.fix(), FixPlan::default(), "{name}");
    });
    assert_settled(&field.lab);
}

#[test]
fn a_target_that_is_failed_over_loses_nothing() {
    thread::scope(|scope| {
        for name in ["redis-7.0", "redis-8.6", "valkey-8.1", "valkey-9.1"] {
            scope.spawn(move || goes_on_at_the_new_master(name));
        }
    });
}
