//! Keys are copied between servers and into clusters, of all versions.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::migrate::Rate;
use redistrib_ops::model::Slot;
use redistrib_ops::resp::Command;
use redistrib_ops::transfer::{
    Server, SkipReason, Source, Target, Transfer, TransferOptions, TransferReport,
};
use redistrib_ops::{Cancel, Context, Error, Event, Observer, Settings, Silent};

use crate::keys::{
    assert_same, call, connect, fill, open, read_all, read_everywhere, server, servers,
};

fn run(transfer: &Transfer, options: &TransferOptions) -> TransferReport {
    let cancel = Cancel::new();
    transfer.run(options, Context::new(&Silent, &cancel)).unwrap()
}

fn copy(from: &Server, to: &Server) -> Transfer {
    Transfer::new(Source::Servers(vec![from.clone()]), Target::Server(to.clone()))
}

fn plain(name: &'static str, count: usize) -> TempLab {
    TempLab::plain(&TestServer::named(name).unwrap(), count).unwrap()
}

fn size(server: &Server) -> i64 {
    call(&mut connect(server), &["DBSIZE"]).view().as_int().unwrap()
}

#[test]
fn every_key_arrives_with_type_value_and_expiry() {
    for test_server in TestServer::all().unwrap() {
        let lab = TempLab::plain(&test_server, 2).unwrap();
        let (from, to) = (server(&lab, 0), server(&lab, 1).at_db(3));
        fill(&mut connect(&from), "k", 3000);
        let options = TransferOptions { verify: true, ..Default::default() };
        let report = run(&copy(&from, &to), &options);
        let before = read_all(&mut connect(&from));
        assert!(report.is_complete(), "{}: {report:?}", test_server.name);
        assert_eq!(report.copied, before.len() as u64, "{}", test_server.name);
        assert_eq!(report.verified, report.copied);
        assert_same(&read_all(&mut connect(&to)), &before, test_server.name);

        let again = run(&copy(&from, &to), &options);
        assert!(again.is_complete(), "{again:?}");
        assert_eq!((again.copied, again.same), (0, report.copied), "{}", test_server.name);
    }
}

#[test]
fn newer_servers_take_what_older_ones_dump_and_older_ones_name_what_they_refuse() {
    let (old, new) = (plain("redis-6.2", 1), plain("redis-8.2", 2));
    let (old, new, spare) = (server(&old, 0), server(&new, 0), server(&new, 1));
    fill(&mut connect(&old), "k", 200);
    let options = TransferOptions { verify: true, ..Default::default() };
    let report = run(&copy(&old, &new), &options);
    assert!(report.is_complete(), "{report:?}");

    call(&mut connect(&old), &["FLUSHALL"]);
    fill(&mut connect(&spare), "n", 50);
    let report = run(&copy(&spare, &old), &TransferOptions::default());
    assert_eq!(report.left.count, report.seen);
    assert_eq!(report.copied, 0);
    let first = &report.left.named[0];
    let SkipReason::Payload { from, to, .. } = &first.reason else { panic!("{first}") };
    assert!(from.starts_with("redis 8.2") && to.starts_with("redis 6.2"), "{first}");
}

#[test]
fn a_key_that_is_there_is_kept_unless_it_is_to_be_replaced() {
    let lab = plain("valkey-8.1", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    fill(&mut connect(&from), "k", 100);
    call(&mut connect(&to), &["SET", "k:1", "mine"]);
    call(&mut connect(&to), &["SET", "k:2", "value 2 of k"]);
    call(&mut connect(&to), &["SET", "k:3", "value 3 of k"]); // The source's expires.
    let report = run(&copy(&from, &to), &TransferOptions::default());
    let mut busy: Vec<_> = report.left.named.iter().map(|left| left.key.clone()).collect();
    busy.sort();
    assert_eq!(busy, ["k:1", "k:3"]);
    assert!(matches!(report.left.named[0].reason, SkipReason::Busy { .. }));
    assert_eq!(report.same, 1);
    assert_eq!(call(&mut connect(&to), &["GET", "k:1"]).view().as_str(), Some("mine"));

    let replacing = TransferOptions { replace: true, verify: true, ..Default::default() };
    let report = run(&copy(&from, &to), &replacing);
    assert!(report.is_complete(), "{report:?}");
    assert_same(&read_all(&mut connect(&to)), &read_all(&mut connect(&from)), "replaced");
}

#[test]
fn only_matching_keys_of_the_chosen_database_go_and_no_faster_than_wished() {
    let lab = plain("redis-7.0", 2);
    let (from, to) = (server(&lab, 0).at_db(5), server(&lab, 1));
    fill(&mut connect(&from), "a", 300);
    fill(&mut connect(&from), "b", 300);
    fill(&mut connect(&server(&lab, 0)), "c", 300);
    let options = TransferOptions {
        matching: Some(b"a:?".to_vec()),
        rate: Some(Rate::Keys(20)),
        connections: 1,
        ..Default::default()
    };
    let start = Instant::now();
    let report = run(&copy(&from, &to), &options);
    assert_eq!((report.copied, report.seen), (10, 10));
    // All 600 keys of the database would take 30 s.
    assert!(start.elapsed() < Duration::from_secs(25));
    assert_eq!(size(&to), 10);
}

#[test]
fn large_values_pass_through_a_small_window() {
    let lab = plain("valkey-9.1", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    let mut source = connect(&from);
    let mut state = 1u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    })
    .take(64 << 20)
    .collect();
    for number in 0..100 {
        source.call(&Command::new("SET").arg(format!("k:{number}")).arg(&noise[..5000])).unwrap();
    }
    source.call(&Command::new("SET").arg("large").arg(&noise)).unwrap();
    let options = TransferOptions { window: 16 << 10, ..Default::default() };
    let report = run(&copy(&from, &to), &options);
    assert!(report.is_complete() && report.copied == 101, "{report:?}");
    let arrived = connect(&to).call(&Command::new("GET").arg("large")).unwrap();
    assert!(arrived.view().as_bytes() == Some(&noise[..]));
}

#[test]
fn moved_keys_lose_no_write_of_their_old_place() {
    let lab = plain("redis-7.0", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    let keys: Vec<String> = (0..500).map(|number| format!("count:{number}")).collect();
    let mut source = connect(&from);
    keys.iter().for_each(|key| drop(call(&mut source, &["INCR", key])));
    let done = AtomicBool::new(false);
    let (written, report) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let (mut client, mut written) = (connect(&from), keys.len() as i64);
            while !done.load(Ordering::Relaxed) {
                for key in keys.iter().rev().step_by(3) {
                    call(&mut client, &["INCR", key]);
                    written += 1;
                }
            }
            written
        });
        let options = TransferOptions { remove: true, connections: 2, ..Default::default() };
        let report = run(&copy(&from, &to), &options);
        done.store(true, Ordering::Relaxed);
        (writer.join().unwrap(), report)
    });
    assert!(report.failure.is_none() && report.removed > 0, "{report:?}");
    let sum = |server: &Server| -> i64 {
        let mut node = connect(server);
        let value = |key| call(&mut node, &["INCRBY", key, "0"]).view().as_int().unwrap();
        keys.iter().map(|key| key.as_str()).map(value).sum()
    };
    assert_eq!(sum(&from) + sum(&to), written, "{report:?}");
}

/// Presses the cancel token after some keys.
struct Impatient<'a>(&'a Cancel, Mutex<u64>);

impl Observer for Impatient<'_> {
    fn event(&self, event: &Event) {
        if let Event::KeysTransferred { copied, .. } = event {
            let mut sum = self.1.lock().unwrap();
            *sum += copied;
            if *sum > 500 {
                self.0.press();
            }
        }
    }
}

#[test]
fn an_interrupted_run_says_so_and_another_completes_it() {
    let lab = plain("valkey-8.1", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    fill(&mut connect(&from), "k", 20_000);
    let before = read_all(&mut connect(&from));
    let options = TransferOptions { remove: true, ..Default::default() };
    let cancel = Cancel::new();
    let observer = Impatient(&cancel, Mutex::new(0));
    let report = copy(&from, &to).run(&options, Context::new(&observer, &cancel)).unwrap();
    assert!(report.interrupted && report.copied < before.len() as u64);
    assert_same(&read_everywhere(&[from.clone(), to.clone()]), &before, "half-way");
    let report = run(&copy(&from, &to), &options);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(size(&from), 0);
    assert_same(&read_all(&mut connect(&to)), &before, "in the end");
}

#[test]
fn servers_that_cannot_be_the_ends_are_refused_by_name() {
    let lab = plain("redis-7.0", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    let port = to.endpoint.port().unwrap().to_string();
    let cancel = Cancel::new();
    let refusal = |from: &Server, to: &Server| {
        let context = Context::new(&Silent, &cancel);
        copy(from, to).run(&TransferOptions::default(), context).unwrap_err().to_string()
    };
    let itself = Server::new(
        format!("localhost:{}", from.endpoint.port().unwrap()).parse().unwrap(),
        Settings::default(),
    );
    assert!(refusal(&from, &itself).contains("source and target in one"));
    let twice = Transfer::new(
        Source::Servers(vec![from.clone()]),
        Target::Fleet(vec![to.clone(), Server::new(to.endpoint.clone(), Settings::default())]),
    );
    let context = Context::new(&Silent, &cancel);
    let refused = twice.run(&TransferOptions::default(), context).unwrap_err().to_string();
    assert!(refused.contains("is named twice"), "{refused}");
    call(&mut connect(&from), &["REPLICAOF", "127.0.0.1", &port]);
    assert!(refusal(&to, &from).contains("is a replica"));
    let node = TempLab::nodes(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    assert!(refusal(&to, &server(&node, 0)).contains("is a node of a cluster"));
}

#[test]
fn keys_are_only_copied_from_where_they_cannot_be_removed() {
    let test_server = TestServer::named("valkey-8.1").unwrap();
    let lab = TempLab::plain(&test_server, 2).unwrap();
    let cluster = TempLab::cluster(&test_server, 3, 0).unwrap();
    let (replica, to) = (server(&lab, 0), server(&lab, 1));
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let moving = TransferOptions { remove: true, ..Default::default() };
    let of_cluster = copy(&server(&cluster, 0), &to);
    let refused = of_cluster.run(&moving, context).unwrap_err().to_string();
    assert!(refused.contains("is a node of a cluster"), "{refused}");
    assert!(run(&of_cluster, &TransferOptions::default()).is_complete());

    let master = server(&lab, 1).endpoint.port().unwrap().to_string();
    call(&mut connect(&replica), &["REPLICAOF", "127.0.0.1", &master]);
    let import =
        Transfer::new(Source::Servers(vec![replica]), Target::Cluster(server(&cluster, 0)));
    let refused = import.survey(&moving, context).unwrap_err().to_string();
    assert!(refused.contains("is a replica"), "{refused}");
}

#[test]
fn a_key_of_a_slot_on_the_move_is_verified_where_it_is() {
    let test_server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&test_server, 3, 0).unwrap();
    let source = TempLab::plain(&test_server, 1).unwrap();
    let from = server(&source, 0);
    call(&mut connect(&from), &["SET", "foo", "bar", "EX", "1000"]);
    let mut nodes: Vec<_> = lab.endpoints().iter().map(open).collect();
    // The slot of foo is one of the last master's.
    let (other, owner) = (0, 2);
    let mut id = |node: usize| {
        call(&mut nodes[node], &["CLUSTER", "MYID"]).view().as_str().unwrap().to_owned()
    };
    let (owner_id, other_id) = (id(owner), id(other));
    call(&mut nodes[other], &["CLUSTER", "SETSLOT", "12182", "IMPORTING", &owner_id]);
    call(&mut nodes[owner], &["CLUSTER", "SETSLOT", "12182", "MIGRATING", &other_id]);

    let import = Transfer::new(Source::Servers(vec![from]), Target::Cluster(server(&lab, 0)));
    let options = TransferOptions { verify: true, ..Default::default() };
    for (copied, same) in [(1, 0), (0, 1)] {
        let report = run(&import, &options);
        assert!(report.is_complete(), "{report:?}");
        assert_eq!((report.copied, report.same, report.verified), (copied, same, 1));
    }
    assert_eq!(size(&server(&lab, other)), 1);
}

/// Moves slots from the first master to the second, one after another, the way tools do, until told to stop; counts them.
fn reshard(lab: &TempLab, done: &AtomicBool, moved: &AtomicUsize) {
    let mut nodes: Vec<_> = lab.endpoints().iter().map(open).collect();
    let ids: Vec<String> = nodes
        .iter_mut()
        .map(|node| call(node, &["CLUSTER", "MYID"]).view().as_str().unwrap().to_owned())
        .collect();
    let port = lab.endpoints()[1].port().unwrap().to_string();
    for slot in (0..5000).step_by(7) {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let slot_text = slot.to_string();
        call(&mut nodes[1], &["CLUSTER", "SETSLOT", &slot_text, "IMPORTING", &ids[0]]);
        call(&mut nodes[0], &["CLUSTER", "SETSLOT", &slot_text, "MIGRATING", &ids[1]]);
        loop {
            let keys = call(&mut nodes[0], &["CLUSTER", "GETKEYSINSLOT", &slot_text, "100"]);
            if keys.view().is_empty() {
                break;
            }
            let migrate = Command::new("MIGRATE").arg("127.0.0.1").arg(&port).arg("").arg(0);
            let migrate = migrate.arg(5000).arg("KEYS");
            let names = keys.view().elements().map(|key| key.as_bytes().unwrap());
            nodes[0].call(&migrate.args_from(names)).unwrap();
        }
        for node in [1, 0, 2] {
            call(&mut nodes[node], &["CLUSTER", "SETSLOT", &slot_text, "NODE", &ids[1]]);
        }
        moved.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn import_follows_slots_that_move_meanwhile() {
    for name in ["redis-6.2", "valkey-9.1"] {
        let test_server = TestServer::named(name).unwrap();
        let lab = TempLab::cluster(&test_server, 3, 0).unwrap();
        let source = TempLab::plain(&test_server, 1).unwrap();
        let from = server(&source, 0);
        fill(&mut connect(&from), "k", 20_000);
        let done = AtomicBool::new(false);
        let import =
            Transfer::new(Source::Servers(vec![from.clone()]), Target::Cluster(server(&lab, 0)));
        let moved = AtomicUsize::new(0);
        // A slot moves between any two lots of keys, whichever of the two is faster.
        let lockstep = |event: &Event| {
            if let Event::KeysTransferred { .. } = event {
                let before = moved.load(Ordering::SeqCst);
                let until = Instant::now() + Duration::from_secs(60);
                while moved.load(Ordering::SeqCst) <= before.min(700) && Instant::now() < until {
                    thread::sleep(Duration::from_millis(1));
                }
            }
        };
        let cancel = Cancel::new();
        let report = thread::scope(|scope| {
            let mover = scope.spawn(|| reshard(&lab, &done, &moved));
            let context = Context::new(&lockstep, &cancel);
            let report = import.run(&TransferOptions::default(), context).unwrap();
            done.store(true, Ordering::Relaxed);
            mover.join().unwrap();
            report
        });
        let moved = moved.into_inner();
        assert!(moved > 10, "{name}: {moved} slots moved meanwhile");
        assert!(report.is_complete(), "{name}: {report:?}");
        let before = read_all(&mut connect(&from));
        assert_same(&read_everywhere(&servers(&lab)), &before, name);
        let tagged = Slot::of_key(b"k{tag}with space");
        assert_eq!(tagged, Slot::of_key(b"tag"));
    }
}

#[test]
fn what_a_full_target_leaves_is_reported() {
    let lab = plain("redis-7.0", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    fill(&mut connect(&from), "k", 5000);
    call(&mut connect(&to), &["CONFIG", "SET", "maxmemory", "1mb"]);
    let report = run(&copy(&from, &to), &TransferOptions::default());
    let failure = report.failure.as_ref().unwrap();
    assert!(matches!(failure, Error::Refused { .. }), "{failure}");
    assert!(failure.to_string().contains("OOM"));
    assert!(report.left.count > 0 && report.left.named[0].reason == SkipReason::Unconfirmed);
    call(&mut connect(&to), &["CONFIG", "SET", "maxmemory", "0"]);
    assert!(run(&copy(&from, &to), &TransferOptions::default()).is_complete());
}

#[test]
fn a_survey_counts_what_a_run_would_do_and_changes_nothing() {
    let lab = plain("redis-6.2", 2);
    let (from, to) = (server(&lab, 0), server(&lab, 1));
    fill(&mut connect(&from), "k", 2000);
    call(&mut connect(&to), &["SET", "k:1", "mine"]);
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let survey = copy(&from, &to).survey(&TransferOptions::default(), context).unwrap();
    assert_eq!((survey.keys() as i64, survey.there()), (size(&from), 1));
    assert_eq!(survey.places[0].target, to.to_string());
    assert_eq!(size(&to), 1);
}
