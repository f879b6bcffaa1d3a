//! A script has a server to itself while slots are moving: whatever it answers BUSY to is asked again.

use std::sync::Mutex;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions};
use redistrib_ops::resp::Command;
use redistrib_ops::{Cancel, Cluster, Connection, Context, Error, Event, FixOptions, Observer};

use crate::support::*;

/// Keeps the server busy for so many milliseconds.
const SCRIPT: &str = "local function now() local t = redis.call('TIME') return t[1] * 1000 + t[2] / 1000 end \
    local till = now() + ARGV[1] while now() < till do end";

/// Has a script run on a node when the event comes for which it waits, and goes on when the node answers BUSY.
struct Hog {
    node: Mutex<Option<[Connection; 2]>>,
    when: fn(&Event) -> bool,
    millis: u32,
    running: Mutex<Option<JoinHandle<()>>>,
}

impl Hog {
    fn new([script, probe]: [Connection; 2], when: fn(&Event) -> bool, millis: u32) -> Self {
        Self { node: Mutex::new(Some([script, probe])), when, millis, running: Mutex::default() }
    }

    /// Waits for the end of the script, which must have begun.
    fn end(self) {
        self.running.into_inner().unwrap().expect("the script has run").join().unwrap();
    }
}

impl Observer for Hog {
    fn event(&self, event: &Event) {
        let node = if (self.when)(event) { self.node.lock().unwrap().take() } else { None };
        let Some([mut script, mut probe]) = node else { return };
        let hog = Command::new("EVAL").arg(SCRIPT).arg(0).arg(self.millis);
        *self.running.lock().unwrap() = Some(thread::spawn(move || {
            script.request(&hog).unwrap();
        }));
        poll("the script runs", || {
            let reply = probe.request(&Command::new("PING")).unwrap();
            reply.view().as_error().is_some_and(|text| text.starts_with(b"BUSY"))
        });
    }
}

fn lab(server: &'static str) -> TempLab {
    let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 0).unwrap();
    for node in lab.endpoints() {
        let mut node = Connection::open(&node, lab.settings()).unwrap();
        call(&mut node, "CONFIG SET busy-reply-threshold 1");
    }
    lab
}

/// Moves slots while a node is busy, the source or the target.
fn move_beside_a_script(
    server: &'static str,
    options: &MigrateOptions,
    when: fn(&Event) -> bool,
    is_source: bool,
) {
    let lab = lab(server);
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 5000);
    let before = dumps(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    if options.atomic != Atomic::Never {
        call(&mut connect(&lab, &cluster, a), "CONFIG SET rdb-key-save-delay 1000");
    }
    let node = if is_source { a } else { b };
    let hog = Hog::new([(); 2].map(|()| connect(&lab, &cluster, node)), when, 500);
    let moves = [step(&cluster, a, b, "0-1000")];
    move_slots_with(&mut cluster, &moves, options, &hog, &Cancel::new())
        .unwrap_or_else(|error| panic!("{server}, source {is_source}: {error}"));
    hog.end();
    assert!(dumps(&lab) == before, "{server}");
    assert_settled(&lab);
}

fn first_keys(event: &Event) -> bool {
    matches!(event, Event::KeysMoved { .. })
}

fn first_slots(event: &Event) -> bool {
    matches!(event, Event::SlotsMoved { .. })
}

fn start(event: &Event) -> bool {
    matches!(event, Event::PairStarted { .. })
}

#[test]
fn slots_go_on_by_migrate_when_a_script_has_ended() {
    let options = MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() };
    for server in ["redis-7.0", "valkey-9.1"] {
        for is_source in [true, false] {
            for when in [first_keys, first_slots] {
                move_beside_a_script(server, &options, when, is_source);
            }
        }
    }
}

#[test]
fn an_atomic_job_goes_on_beside_a_script() {
    // Redis 8.6 may forget to go on with a job when its source has been busy: the rest is for MIGRATE.
    let timeout = Duration::from_secs(5);
    let options = MigrateOptions { atomic: Atomic::Auto, timeout, ..MigrateOptions::default() };
    for server in ["redis-8.6", "valkey-9.1"] {
        for is_source in [true, false] {
            for when in [start, first_keys] {
                move_beside_a_script(server, &options, when, is_source);
            }
        }
    }
}

/// The wait has an end, and what is open then is mended by another run.
#[test]
fn a_script_that_does_not_end_is_not_waited_for_for_ever() {
    let settle = Duration::from_millis(200);
    let options = MigrateOptions { atomic: Atomic::Never, settle, ..MigrateOptions::default() };
    let lab = lab("redis-7.0");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 5000);
    let before = dumps(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let hog = Hog::new([(); 2].map(|()| connect(&lab, &cluster, b)), first_keys, 3_600_000);
    let moves = [step(&cluster, a, b, "0-1000")];
    let ended = move_slots_with(&mut cluster, &moves, &options, &hog, &Cancel::new());
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::LeftOpen { .. }), "{error}");
    assert!(error.to_string().contains("BUSY"), "{error}");
    let mut killer = connect(&lab, &cluster, b);
    call(&mut killer, "SCRIPT KILL");
    hog.end();
    a_repair_waits_for_a_script(&lab, &mut discover(&lab), &options);
    assert!(dumps(&lab) == before);
    assert_settled(&lab);
}

/// What is open is mended though a node closes all connections and is busy when it is to be told.
fn a_repair_waits_for_a_script(lab: &TempLab, cluster: &mut Cluster, options: &MigrateOptions) {
    let all = FixOptions::default();
    with_context(|context| {
        let plan = plan_fix(cluster, all, context).unwrap();
        fix(cluster, plan, all, options, context).unwrap();
    });
    let [a, _, c] = masters(cluster)[..] else { panic!() };
    let slot = cluster.member(a).unwrap().node().slots.iter().next_back().unwrap();
    let mut node = connect(lab, cluster, c);
    call(&mut node, &format!("CLUSTER SETSLOT {slot} IMPORTING {a}"));
    cluster.refresh();
    let plan = with_context(|context| plan_fix(cluster, all, context)).unwrap();
    call(&mut node, "CLIENT KILL TYPE normal");
    let is_first = |event: &Event| matches!(event, Event::Step { .. });
    let hog = Hog::new([node.another().unwrap(), node], is_first, 300);
    let patient = MigrateOptions { settle: Duration::from_secs(30), ..options.clone() };
    let context = Context::observed(&hog);
    let left = fix(cluster, plan, all, &patient, context).unwrap();
    assert!(left.repairs.is_empty() && left.blocked.is_empty(), "{left:?}");
    hog.end();
}
