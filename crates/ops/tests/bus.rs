//! Slots move only where the cluster bus has nothing old under way.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use redistrib_ops::lab::{LabOptions, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions};
use redistrib_ops::model::Finding;
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Error, Event, Observer, Silent, await_all_served,
    inspect, on_each_test_server,
};

use crate::support::*;

/// A relay before a node's bus port that can hold back what the others tell the node.
struct Relay {
    port: u16,
    gate: Arc<(Mutex<bool>, Condvar)>,
    /// How many connections it has relayed.
    links: Arc<AtomicUsize>,
    ended: Arc<AtomicBool>,
}

impl Relay {
    fn before(bus_port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let relay = Self {
            port,
            gate: Arc::new((Mutex::new(true), Condvar::new())),
            links: Arc::default(),
            ended: Arc::default(),
        };
        let (gate, links, ended) = (relay.gate.clone(), relay.links.clone(), relay.ended.clone());
        thread::spawn(move || {
            for told in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(node) = TcpStream::connect(("127.0.0.1", bus_port)) else { continue };
                let back = (node.try_clone().unwrap(), told.try_clone().unwrap());
                let gate = gate.clone();
                thread::spawn(move || pump(told, node, Some(&gate)));
                thread::spawn(move || pump(back.0, back.1, None));
                links.fetch_add(1, Ordering::SeqCst);
            }
        });
        relay
    }

    fn open(&self, open: bool) {
        *self.gate.0.lock().unwrap() = open;
        self.gate.1.notify_all();
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.open(true);
        self.ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// Nodes that have met, or whose link was cut, have none for some tenths of a second.
#[test]
fn links_that_come_in_a_moment_are_waited_for() {
    let lab = TempLab::up(LabOptions {
        nodes: Some(3),
        replicas: Some(0),
        server: Some(TestServer::named("redis-7.0").unwrap().program),
        config: vec!["enable-debug-command local".to_owned()],
        ..LabOptions::default()
    });
    let lab = lab.unwrap();
    let mut cluster = discover(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut node = connect(&lab, &cluster, a);
    let is_missing = |cluster: &mut Cluster| {
        let found = inspect(cluster).findings;
        found.iter().any(|finding| matches!(finding, Finding::BusLinkDown { .. }))
    };
    poll("a link is missing", || {
        call(&mut node, &format!("DEBUG CLUSTERLINK KILL TO {b}"));
        cluster.refresh();
        is_missing(&mut cluster)
    });
    await_all_served(&mut cluster, Context::new(&Silent, &Cancel::new())).unwrap();
    assert!(!is_missing(&mut cluster));
}

fn pump(mut from: TcpStream, mut to: TcpStream, gate: Option<&(Mutex<bool>, Condvar)>) {
    let mut piece = [0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        if let Some((open, changed)) = gate {
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        }
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Both);
}

/// Redis 7.0.15 gives slots away again, and deletes their keys, where it takes them back before it has heard
/// that they were gone.
#[test]
fn a_target_hears_its_sources_old_news_before_it_takes_slots() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 2000);
    let before = dumps(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let bus_port = cluster.member(a).unwrap().node().address.bus_port().unwrap();
    let relay = Relay::before(bus_port);
    call(
        &mut connect(&lab, &cluster, a),
        &format!("CONFIG SET cluster-announce-bus-port {}", relay.port),
    );
    poll("both others come by the relay", || relay.links.load(Ordering::SeqCst) >= 2);

    relay.open(false);
    let options = MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() };
    let moves = [step(&cluster, a, b, "0-299")];
    move_slots(&mut cluster, &moves, &options).unwrap();

    poll("the epoch is heard of another way", || {
        cluster.refresh();
        let known = cluster.member(a).unwrap().topology().unwrap().node(b).unwrap().config_epoch;
        known == cluster.member(b).unwrap().node().config_epoch
    });
    let back = [step(&cluster, b, a, "0-149")];
    let hasty = MigrateOptions { settle: Duration::from_millis(200), ..options.clone() };
    let error = move_slots(&mut cluster, &back, &hasty).unwrap_err();
    assert!(matches!(error, Error::NotSettled { .. }), "{error}");
    assert!(error.to_string().contains("hears nothing from"), "{error}");
    assert_eq!(discover(&lab).snapshot().open_slots(), []);

    let told = thread::scope(|scope| {
        let moving = scope.spawn(|| move_slots(&mut discover(&lab), &back, &options));
        relay.open(true);
        moving.join().unwrap()
    });
    assert_eq!(told.unwrap().slots, 150);
    assert_settled(&lab);
    assert!(dumps(&lab) == before);
}

/// A master that was told of an owner, and then hears that owner's news from before, goes back to the old one.
#[test]
fn the_end_is_looked_at_when_old_news_has_been_heard() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.2").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, c] = masters(&cluster)[..] else { panic!() };
    let bus_port = cluster.member(c).unwrap().node().address.bus_port().unwrap();
    let relay = Relay::before(bus_port);
    let mut told = connect(&lab, &cluster, c);
    call(&mut told, &format!("CONFIG SET cluster-announce-bus-port {}", relay.port));
    poll("both others come by the relay", || relay.links.load(Ordering::SeqCst) >= 2);

    relay.open(false);
    let moves = [step(&cluster, a, b, "0-99")];
    let options = MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() };
    thread::scope(|scope| {
        let moving = scope.spawn(|| move_slots(&mut cluster, &moves, &options));
        poll("the third master listens", || {
            assert!(!moving.is_finished(), "the end was not waited for");
            let list = call(&mut told, "CLIENT LIST TYPE pubsub");
            list.view().as_str().unwrap().contains("sub=1")
        });
        relay.open(true);
        assert_eq!(moving.join().unwrap().unwrap().slots, 100);
    });
    assert_settled(&lab);
}

/// Redis 6.2 leaves a replica behind that hears of its master's new role before it hears who owns the slots.
#[test]
fn replicas_of_an_emptied_source_follow_the_new_owner() {
    let lab = TempLab::cluster(&TestServer::named("redis-6.2").unwrap(), 3, 1).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let replica = cluster.replicas_of(a).next().unwrap().id();
    // While these are closed, the replica hears nothing from the new owner, and its master's role from its master.
    let relays = [b, replica].map(|id| {
        let node = cluster.member(id).unwrap().node();
        let relay = Relay::before(node.address.bus_port().unwrap());
        let line = format!("CONFIG SET cluster-announce-bus-port {}", relay.port);
        call(&mut connect(&lab, &cluster, id), &line);
        relay
    });
    for relay in &relays {
        poll("all others come by the relay", || relay.links.load(Ordering::SeqCst) >= 5);
    }
    let demoter = Demoter {
        relays: &relays,
        follow: Command::from_args(["CLUSTER", "REPLICATE", &b.to_string()]),
        emptied: Mutex::new(connect(&lab, &cluster, a)),
        left_behind: Mutex::new(connect(&lab, &cluster, replica)),
    };
    let moves = [step(&cluster, a, b, "0-16383")];
    let options = MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() };
    move_slots_with(&mut cluster, &moves, &options, &demoter, &Cancel::new()).unwrap();
    assert_eq!(discover(&lab).member(replica).unwrap().node().master, Some(b));
}

/// Makes a source that has given its last slot away a replica, and its replica hears that first.
struct Demoter<'a> {
    relays: &'a [Relay],
    follow: Command,
    emptied: Mutex<Connection>,
    left_behind: Mutex<Connection>,
}

impl Observer for Demoter<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::MigrationStarted { .. } => {
                self.relays.iter().for_each(|relay| relay.open(false))
            }
            Event::SlotsMoved { pair, .. } => {
                if self.emptied.lock().unwrap().call(&self.follow).is_err() {
                    return; // It owns slots still.
                }
                poll("the replica knows that its master is a replica", || {
                    let nodes = call(&mut self.left_behind.lock().unwrap(), "CLUSTER NODES");
                    let nodes = nodes.view().as_str().unwrap().to_owned();
                    let master =
                        nodes.lines().find(|line| line.starts_with(&pair.from.to_string()));
                    master.unwrap().contains("slave")
                });
                self.relays.iter().for_each(|relay| relay.open(true));
            }
            _ => {}
        }
    }
}

/// Nothing comes any more from a master that is gone, however long it is waited for.
#[test]
fn a_master_that_dies_is_not_listened_for() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, c] = masters(&cluster)[..] else { panic!() };
    let node = cluster.member(a).unwrap().node();
    let relay = Relay::before(node.address.bus_port().unwrap());
    let mut target = connect(&lab, &cluster, a);
    call(&mut target, &format!("CONFIG SET cluster-announce-bus-port {}", relay.port));
    poll("both others come by the relay", || relay.links.load(Ordering::SeqCst) >= 2);
    relay.open(false);
    let moves = [step(&cluster, b, a, "5461-5470")];
    let port = cluster.member(c).unwrap().endpoint().port();
    let place = lab.endpoints().iter().position(|node| node.port() == port).unwrap();

    let error = thread::scope(|scope| {
        let moving = scope.spawn(|| move_slots(&mut cluster, &moves, &MigrateOptions::default()));
        poll("the target listens", || {
            let list = call(&mut target, "CLIENT LIST TYPE pubsub");
            list.view().as_str().unwrap().contains("sub=1")
        });
        lab.kill(place);
        moving.join().unwrap().unwrap_err()
    });
    assert!(matches!(error, Error::Move(_)), "{error}");
    assert!(error.to_string().contains(&c.to_string()), "{error}");
}

on_each_test_server! {
    /// Back and forth as fast as can be.
    fn slots_that_come_and_go_are_lost_by_nobody(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 500);
        let before = dumps(&lab);
        let [a, b, c] = masters(&cluster)[..] else { panic!() };
        for (from, to) in [(a, b), (b, a), (a, b), (b, c), (c, a), (a, c), (c, a)] {
            let moves = [step(&cluster, from, to, "0-149")];
            move_slots(&mut cluster, &moves, &MigrateOptions::default()).unwrap();
        }
        assert_settled(&lab);
        assert!(dumps(&lab) == before);
    }
}
