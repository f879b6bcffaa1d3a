//! A target refuses keys half-way, and clients go on writing: what they were told is written stays written.

#![allow(clippy::unwrap_used)]

mod support;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redistrib_ops::client::Client;
use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions};
use redistrib_ops::model::{Move, NodeId, Slot, SlotSet};
use redistrib_ops::resp::Command;
use redistrib_ops::{Cancel, Cluster, Connection, Error, Event, Observer, on_each_test_server};
use support::*;

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

/// The target runs out of memory in the middle, again and again, while writers raise counters. Wherever they find a counter,
/// it is not less than they were told.
fn no_write_is_lost(server: &TestServer, replicas: usize) {
    let name = server.name;
    let lab = TempLab::up(Options {
        nodes: Some(3 * (1 + replicas)),
        replicas: Some(replicas),
        layout: Some(Layout::Cluster),
        server: Some(server.program.clone()),
        // A busy machine must not look like a node that fails.
        config: vec!["cluster-node-timeout 15000".into()],
        ..Options::default()
    });
    let lab = lab.unwrap();
    let mut cluster = discover(&lab);
    let [from, to, _] = masters(&cluster)[..] else { panic!() };
    let (counters, slots) = counters(&cluster, from);
    let stop = AtomicBool::new(false);
    let (mut told, mut taken_back) = (Told::new(), 0);
    let ended: Result<(), Error> = thread::scope(|scope| {
        let (lab, counters, stop) = (&lab, &counters, &stop);
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || raise(lab, writer, counters, stop)))
            .collect();
        let ended = (0..rounds()).try_for_each(|round| {
            let is_back = one_round(lab, &mut cluster, [from, to], &slots, round)?;
            taken_back += usize::from(is_back);
            Ok(())
        });
        stop.store(true, Ordering::SeqCst);
        for (counter, count) in writers.into_iter().flat_map(|writer| writer.join().unwrap()) {
            *told.entry(counter).or_default() += count;
        }
        ended
    });
    ended.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_settled(&lab);
    let total: i64 = told.values().sum();
    let lost = lost(&lab, told);
    println!("{name}: {total} writes, {taken_back} times taken back, {lost:?} lost");
    assert!(total > 100 && taken_back * 2 > rounds() && lost.is_empty(), "{name}: {lost:?}");
}

/// Moves the slots to a target that fills up meanwhile. Returns whether they were taken back.
fn one_round(
    lab: &TempLab,
    cluster: &mut Cluster,
    [from, to]: [NodeId; 2],
    slots: &SlotSet,
    round: usize,
) -> Result<bool, Error> {
    poll("all counters are there", || {
        let mut owner = connect(lab, cluster, from);
        let mut count = |slot| call(&mut owner, &format!("CLUSTER COUNTKEYSINSLOT {slot}"));
        slots.iter().all(|slot| count(slot).view().as_int() == Some(COUNTERS as i64))
    });
    let node = Mutex::new(connect(lab, cluster, to));
    let spoiler = Spoiler { node, line: "CONFIG SET maxmemory 1", lots: Mutex::new(1 + round % 7) };
    let options =
        MigrateOptions { atomic: Atomic::Never, keys_per_migrate: 7, ..MigrateOptions::default() };
    let moves = [Move { from, to, slots: slots.clone() }];
    let ended = move_slots_with(cluster, &moves, &options, &spoiler, &Cancel::new());
    call(&mut connect(lab, cluster, to), "CONFIG SET maxmemory 0");
    cluster.refresh();
    match ended {
        Err(Error::TakenBack { .. }) => Ok(true),
        Err(error) => Err(error),
        // All was over before the target refused anything.
        Ok(_) => {
            let back = [Move { from: to, to: from, slots: slots.clone() }];
            move_slots(cluster, &back, &options)?;
            cluster.refresh();
            Ok(false)
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
