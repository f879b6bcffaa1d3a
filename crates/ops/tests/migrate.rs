//! Slots move with all their keys, on servers of all versions, whatever stands in the way.

use std::collections::BTreeSet;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions, Rate};
use redistrib_ops::model::{Move, NodeId, Slot};
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Connection, Context, Credentials, DelNode, Error, Event, MoveError, Observer,
    Operation, Secret, Settings, on_each_test_server,
};

use crate::support::*;

fn by_migrate() -> MigrateOptions {
    MigrateOptions { atomic: Atomic::Never, ..MigrateOptions::default() }
}

/// Keeps events, and presses the button when it sees the one it waits for.
struct Watcher<'a> {
    events: Mutex<Vec<Event>>,
    press_at: fn(&Event) -> u32,
    cancel: &'a Cancel,
}

impl<'a> Watcher<'a> {
    fn new(cancel: &'a Cancel, press_at: fn(&Event) -> u32) -> Self {
        Self { events: Mutex::default(), press_at, cancel }
    }
}

impl Observer for Watcher<'_> {
    fn event(&self, event: &Event) {
        (0..(self.press_at)(event)).for_each(|_| self.cancel.press());
        self.events.lock().unwrap().push(event.clone());
    }
}

/// One key of every type (a set of two words would be dumped in an order of each server's own), and names that are hard to handle.
fn every_type() -> Vec<Command> {
    let lines = [
        "SET s 1",
        "APPEND s2 raw",
        "RPUSH l a b c",
        "SADD si 1 2 3",
        "SADD s3 a",
        "HSET h f v",
        "ZADD z 1 a 2 b",
        "XADD x 1-1 f v",
        "SETBIT bits 1000 1",
        "PFADD hll a b c",
    ];
    let mut commands: Vec<Command> =
        lines.iter().map(|line| Command::from_args(line.split(' '))).collect();
    commands.push(Command::new("SET").arg("new\nline \"quoted\"").arg("\r\n"));
    commands.push(Command::new("SET").arg(&[0u8, 255, 13, 10][..]).arg(&[0u8; 100][..]));
    commands.push(Command::new("SET").arg("").arg("the empty name"));
    commands.push(Command::new("SET").arg("large").arg(vec![7u8; 1 << 20]));
    commands.push(Command::new("SET").arg("later").arg(1).arg("PX").arg(3_600_000));
    commands
}

/// The MIGRATEs in a node's slow log, word by word.
fn migrates(node: &mut Connection) -> Vec<Vec<String>> {
    let log = node.call(&Command::from_args(["SLOWLOG", "GET", "10000"])).unwrap();
    let words = log.view().elements().filter_map(|entry| entry.elements().nth(3));
    let words = words
        .map(|words| words.elements().filter_map(|word| Some(word.as_str()?.to_owned())).collect());
    words.filter(|words: &Vec<String>| words[0] == "MIGRATE").collect()
}

on_each_test_server! {
    /// Keys of all types, spread over all slots and heaped in one, are on the target afterwards.
    fn every_key_arrives(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill(&mut cluster, every_type());
        let group = Command::from_args("XGROUP CREATE x readers 0".split(' '));
        let owner = cluster.owner(Slot::of_key(b"x")).unwrap().id();
        connect(&lab, &cluster, owner).call(&group).unwrap();
        fill_strings(&mut cluster, 3000);
        fill(&mut cluster, (0..5000).map(|n| Command::new("SET").arg(format!("{{hot}}{n}")).arg(n)));
        let before = dumps(&lab);

        let [a, b, c] = masters(&cluster)[..] else { panic!() };
        // Everything but a little of each goes to the next.
        let moves = [
            step(&cluster, a, b, "10-16383"),
            step(&cluster, b, c, "5500-16383"),
            step(&cluster, c, a, "11000-16383"),
        ];
        let wanted: usize = moves.iter().map(|step| step.slots.len()).sum();
        let done = move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
        assert_eq!(done.slots, wanted);
        let moved = before.keys().filter(|key| {
            moves.iter().any(|step| step.slots.contains(Slot::of_key(key)))
        });
        assert_eq!(done.keys, moved.count() as u64);
        assert!(dumps(&lab) == before);
        assert_settled(&lab);
    }

    /// The source lets itself in at the target with the password that the tool was given, and the password
    /// shows in no event.
    fn nodes_with_passwords(server) {
        let config = ["requirepass s3cret", "masterauth s3cret", "user ops on >0ps ~* &* +@all"];
        let options = LabOptions {
            nodes: Some(3),
            replicas: Some(0),
            layout: Some(Layout::Cluster),
            server: Some(server.program.clone()),
            config: config.map(str::to_owned).to_vec(),
            ..LabOptions::default()
        };
        let credentials = |user: Option<&str>, password: &str| Settings {
            credentials: Some(Credentials {
                user: user.map(str::to_owned),
                password: Secret::new(password),
            }),
            ..Settings::default()
        };
        let lab = TempLab::up_with(options, &credentials(None, "s3cret")).unwrap();
        for settings in [credentials(None, "s3cret"), credentials(Some("ops"), "0ps")] {
            let mut cluster =
                redistrib_ops::Cluster::discover(&lab.endpoints()[0], &settings).unwrap();
            fill_strings(&mut cluster, 200);
            let [a, b, _] = masters(&cluster)[..] else { panic!() };
            let moves = [step(&cluster, a, b, "0-16383")];
            let slots = moves[0].slots.len();
            let moves = [redistrib_ops::model::Move { slots: moves[0].slots.clone().take_first(slots / 2), ..moves[0].clone() }];
            let cancel = Cancel::new();
            let watcher = Watcher::new(&cancel, |_| 0);
            move_slots_with(&mut cluster, &moves, &by_migrate(), &watcher, &cancel).unwrap();
            let events = format!("{:?}", watcher.events.lock().unwrap());
            assert!(!events.contains("s3cret") && !events.contains("0ps"));
        }
    }

    /// Of two values of a key the tool chooses none, unless they are the same or it is told.
    fn a_key_in_both_places(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let key = (0..).map(|n| format!("key:{n}")).find(|key| {
            cluster.owner(Slot::of_key(key.as_bytes())).unwrap().id() == a
        }).unwrap();
        let slot = Slot::of_key(key.as_bytes());
        let mut source = connect(&lab, &cluster, a);
        let mut target = connect(&lab, &cluster, b);
        call(&mut source, &format!("SET {key} right"));
        plant(&mut target, slot, a, &key, "wrong");
        let moves = [step(&cluster, a, b, &slot.to_string())];

        let error = move_slots(&mut cluster, &moves, &by_migrate()).unwrap_err();
        assert!(matches!(error, Error::LeftOpen { .. }) && error.is_conflict(), "{error}");
        assert!(error.to_string().contains(&key), "{error}");
        let value = call(&mut source, &format!("GET {key}"));
        assert_eq!(value.view().as_str(), Some("right"));

        // Close it by hand: finishing it is another test's.
        call(&mut source, &format!("CLUSTER SETSLOT {slot} STABLE"));
        call(&mut target, &format!("CLUSTER SETSLOT {slot} STABLE"));
        cluster.refresh();
        let options = MigrateOptions { replace: true, ..by_migrate() };
        move_slots(&mut cluster, &moves, &options).unwrap();
        assert_eq!(call(&mut target, &format!("GET {key}")).view().as_str(), Some("right"));

        // The same value in both places is no conflict.
        plant(&mut source, slot, b, &key, "right");
        cluster.refresh();
        let back = [step(&cluster, b, a, &slot.to_string())];
        move_slots(&mut cluster, &back, &by_migrate()).unwrap();
        assert_eq!(call(&mut source, &format!("GET {key}")).view().as_str(), Some("right"));
        assert_settled(&lab);
    }

    /// One press: the batch under way is finished, and nothing is left open.
    fn a_press_finishes_the_batch(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 2000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-16383")];
        let cancel = Cancel::new();
        let press = |event: &Event| u32::from(matches!(event, Event::KeysMoved { .. }));
        let watcher = Watcher::new(&cancel, press);
        let error = move_slots_with(&mut cluster, &moves, &by_migrate(), &watcher, &cancel).unwrap_err();
        // Several events may have come before the batch was through; the token must not go on to Now.
        assert!(matches!(error, Error::Cancelled(_) | Error::LeftOpen { .. }), "{error}");
        assert!(dumps(&lab) == before);
    }

    /// A target that is full stops the migration with its own words.
    fn a_full_target(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 500);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let mut target = connect(&lab, &cluster, b);
        call(&mut target, "CONFIG SET maxmemory 1");
        let moves = [step(&cluster, a, b, "0-16383")];
        let error = move_slots(&mut cluster, &moves, &by_migrate()).unwrap_err().to_string();
        assert!(error.contains("OOM"), "{error}");
        assert!(dumps(&lab) == before);
    }

    /// A value that alone takes longer than the budget goes over all the same, once, alone, with a timeout of its own; it is
    /// named with its size before and after.
    fn a_large_key_is_named(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill(&mut cluster, [Command::new("SETRANGE").arg("huge").arg(30_000_000).arg("x")]);
        fill(&mut cluster, (0..50).map(|n| Command::new("SET").arg(format!("{{huge}}{n}")).arg(n)));
        let slot = Slot::of_key(b"huge");
        let from = cluster.owner(slot).unwrap().id();
        let to = masters(&cluster).into_iter().find(|id| *id != from).unwrap();
        let moves = [step(&cluster, from, to, &slot.to_string())];
        let cancel = Cancel::new();
        let watcher = Watcher::new(&cancel, |_| 0);
        let mut source = connect(&lab, &cluster, from);
        call(&mut source, "CONFIG SET slowlog-max-len 10000");
        call(&mut source, "CONFIG SET slowlog-log-slower-than 0");
        let done = move_slots_with(&mut cluster, &moves, &by_migrate(), &watcher, &cancel).unwrap();
        assert_eq!(done.keys, 51);
        // On a busy machine it may be tried again.
        let sent = migrates(&mut source);
        let first = sent.iter().rev().find(|words| words.contains(&"huge".into())).unwrap();
        // 30 MB at 16 MiB a second, and half a second.
        let timeout: u32 = first[5].parse().unwrap();
        assert!(first.len() == 8 && (2000..3500).contains(&timeout), "{first:?}");
        let events = watcher.events.lock().unwrap();
        let told = events.iter().position(|event| matches!(event, Event::LargeKey { key, bytes, elapsed, .. }
            if key == "\"huge\"" && *bytes >= 30_000_000 && elapsed.is_zero()));
        let moved = events.iter().position(|event| matches!(event, Event::KeysMoved { keys: 1, bytes, .. }
            if *bytes >= 30_000_000));
        assert!(told.unwrap() < moved.unwrap(), "{events:?}");
        let events = format!("{events:?}");
        assert!(events.contains("key \\\"huge\\\" of 3"), "{events}");
        assert_settled(&lab);
    }

    /// No more keys a second than are allowed.
    fn a_rate_is_kept(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 1200);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-16383")];
        let moves = [redistrib_ops::model::Move { slots: moves[0].slots.clone().take_first(5000), ..moves[0].clone() }];
        let options = MigrateOptions { rate: Some(Rate::Keys(400)), ..by_migrate() };
        let done = move_slots(&mut cluster, &moves, &options).unwrap();
        // The first burst goes at once.
        assert!(done.keys > 300, "{done:?}");
        assert!(done.took > Duration::from_millis((done.keys - 100) * 1000 / 400), "{done:?}");
    }

    /// A target that hangs for a while holds the migration up, and no more.
    fn a_target_that_hangs_and_comes_back(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill(&mut cluster, (0..2000).map(|n| Command::new("SET").arg(format!("{{a}}{n}")).arg(n)));
        let before = dumps(&lab);
        let from = cluster.owner(Slot::of_key(b"a")).unwrap().id();
        let to = masters(&cluster).into_iter().find(|id| *id != from).unwrap();
        let place = lab.endpoints().iter().position(|at| {
            at == cluster.member(to).unwrap().endpoint()
        }).unwrap();
        let moves = [step(&cluster, from, to, &Slot::of_key(b"a").to_string())];
        std::thread::scope(|scope| {
            lab.pause(place).unwrap();
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(1500));
                lab.resume(place).unwrap();
            });
            move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
        });
        assert!(dumps(&lab) == before);
        assert_settled(&lab);
    }
}

on_each_test_server! {
    /// Replicas hear of their masters' new slots; servers that make a SETSLOT wait for replicas survive it.
    fn replicas_follow(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 500);
        let [a, b, c] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-299"), step(&cluster, b, c, "6000")];
        move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
        assert_settled(&lab);
        for id in [a, b, c] {
            let role = call(&mut connect(&lab, &cluster, id), "ROLE");
            assert_eq!(role.view().elements().next().unwrap().as_str(), Some("master"));
        }
    }
}

/// What a user may not do, or a node does not know, is told at once, and before a slot opens.
#[test]
fn a_command_that_may_not_be_run_is_named_before_a_slot_opens() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let [a, b, _] = masters(&discover(&lab))[..] else { panic!() };
    let all = |what: &str| {
        let cluster = discover(&lab);
        for id in masters(&cluster) {
            call(&mut connect(&lab, &cluster, id), &format!("ACL SETUSER default {what}"));
        }
    };
    let commands = "cluster|info cluster|setslot cluster|countkeysinslot cluster|getkeysinslot info select migrate role exec";
    for command in commands.split(' ') {
        all(&format!("-{command}"));
        let mut cluster = discover(&lab);
        let moves = [step(&cluster, a, b, "0-9")];
        let error = move_slots(&mut cluster, &moves, &by_migrate()).unwrap_err();
        assert!(!matches!(error, Error::LeftOpen { .. } | Error::TakenBack { .. }), "{error}");
        let error = error.to_string();
        assert!(
            error.contains(&format!("NOPERM this user has no permissions to run the '{command}'")),
            "{error}"
        );
        all("+@all");
        assert_settled(&lab);
        assert!(discover(&lab).member(a).unwrap().node().slots.contains(Slot::new(0).unwrap()));
    }
}

/// The source's epoch has just been raised, and the target has not heard: it claims the slots under a higher one
/// all the same.
#[test]
fn slots_are_claimed_under_a_higher_epoch_than_they_were_owned() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let [a, b, _] = masters(&discover(&lab))[..] else { panic!() };
    call(&mut connect(&lab, &discover(&lab), a), "CLUSTER BUMPEPOCH");
    let mut cluster = discover(&lab);
    let moves = [step(&cluster, a, b, "0-99")];
    move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
    let epoch = |id| cluster.member(id).unwrap().node().config_epoch;
    assert!(epoch(b) > epoch(a), "{} is not higher than {}", epoch(b), epoch(a));
}

/// A target of Redis tells everybody of each slot that it takes while it imports it: not so here.
#[test]
fn the_news_do_not_grow_with_the_slots() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut target = connect(&lab, &cluster, b);
    let mut told = || {
        let info = call(&mut target, "CLUSTER INFO");
        let line = info.view().as_str().unwrap().lines().find_map(|line| {
            line.strip_prefix("cluster_stats_messages_pong_sent:").map(str::to_owned)
        });
        line.unwrap().trim().parse::<u32>().unwrap()
    };
    let before = told();
    let moves = [step(&cluster, a, b, "0-1999")];
    move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
    let news = told() - before;
    assert!(news < 200, "{news} messages about 2000 slots");
    assert_settled(&lab);
}

/// Puts a key where it does not belong, as an interrupted migration may have.
fn plant(
    node: &mut Connection,
    slot: Slot,
    owner: redistrib_ops::model::NodeId,
    key: &str,
    value: &str,
) {
    call(node, &format!("CLUSTER SETSLOT {slot} IMPORTING {owner}"));
    node.call_all(&[Command::new("ASKING"), Command::new("SET").arg(key).arg(value)]).unwrap();
    call(node, &format!("CLUSTER SETSLOT {slot} STABLE"));
}

/// How far a slot with many keys is shows while it moves.
#[test]
fn progress_is_told_within_a_slot() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    fill(&mut cluster, (0..6000).map(|n| Command::new("SET").arg(format!("{{a}}{n}")).arg(n)));
    let slot = Slot::of_key(b"a");
    let from = cluster.owner(slot).unwrap().id();
    let to = masters(&cluster).into_iter().find(|id| *id != from).unwrap();
    let cancel = Cancel::new();
    let watcher = Watcher::new(&cancel, |_| 0);
    let moves = [step(&cluster, from, to, &slot.to_string())];
    move_slots_with(&mut cluster, &moves, &by_migrate(), &watcher, &cancel).unwrap();
    let events = watcher.events.lock().unwrap();
    let before = events.iter().take_while(|event| !matches!(event, Event::SlotsMoved { .. }));
    let moved = before.filter_map(|event| match event {
        Event::KeysMoved { keys, .. } => Some(*keys),
        _ => None,
    });
    let moved: Vec<u64> = moved.collect();
    // A burst has 2,000 keys at most.
    assert!(moved.len() >= 3 && moved.iter().sum::<u64>() == 6000, "{moved:?}");
}

#[test]
fn what_cannot_move_is_refused_before_anything_changes() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 1).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, c] = masters(&cluster)[..] else { panic!() };
    let replica = cluster.members().iter().find(|member| !member.is_master()).unwrap().id();
    let good = step(&cluster, a, b, "0-9");
    let refuse = |cluster: &mut redistrib_ops::Cluster, step| match move_slots(
        cluster,
        &[step],
        &by_migrate(),
    )
    .unwrap_err()
    {
        Error::Move(refused) => refused,
        error => panic!("{error}"),
    };
    let mut to_replica = good.clone();
    to_replica.to = replica;
    assert!(matches!(refuse(&mut cluster, to_replica), MoveError::Replica { .. }));
    let mut of_another = good.clone();
    of_another.from = c;
    assert!(matches!(refuse(&mut cluster, of_another), MoveError::NotOwner { .. }));
    let mut to_itself = good.clone();
    to_itself.to = a;
    assert!(matches!(refuse(&mut cluster, to_itself), MoveError::SameNode(_)));
    let mut source = connect(&lab, &cluster, a);
    call(&mut source, &format!("CLUSTER SETSLOT 5 MIGRATING {b}"));
    cluster.refresh();
    assert!(matches!(refuse(&mut cluster, good), MoveError::Open { .. }));
}

on_each_test_server! {
    /// The servers make a master that has lost its last slot a replica of the one that took it, while it is being told.
    fn a_master_with_a_replica_gives_all_its_slots_away(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let mut cluster = discover(&lab);
        fill_strings(&mut cluster, 1000);
        let before = dumps(&lab);
        let [a, b, _] = masters(&cluster)[..] else { panic!() };
        let moves = [step(&cluster, a, b, "0-16383")];
        move_slots(&mut cluster, &moves, &by_migrate()).unwrap();
        assert!(dumps(&lab) == before);
        let emptied = cluster.member(a).unwrap();
        assert!(emptied.is_up() && emptied.node().slots.is_empty());
        let leave = DelNode { which: Some(a.into()), ..DelNode::default() };
        leave.plan(&mut cluster, Context::default()).unwrap();
        assert_settled(&lab);
    }
}

/// Sends a node a line when the first keys have moved.
struct Spoiler {
    node: Mutex<Option<Connection>>,
    line: &'static str,
}

impl Observer for Spoiler {
    fn event(&self, event: &Event) {
        if matches!(event, Event::KeysMoved { .. })
            && let Some(mut node) = self.node.lock().unwrap().take()
        {
            call(&mut node, self.line);
        }
    }
}

on_each_test_server! {
    /// What has gone over comes back, no slot stays open, and slots can go elsewhere.
    fn a_target_that_becomes_full_gives_back_what_it_took(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut cluster = discover(&lab);
        fill(&mut cluster, (0..2000).map(|n| Command::new("SET").arg(format!("{{a}}{n}")).arg(n)));
        fill_strings(&mut cluster, 1000);
        let before = dumps(&lab);
        let slot = Slot::of_key(b"a");
        let from = cluster.owner(slot).unwrap().id();
        let [to, other] = masters(&cluster).into_iter().filter(|id| *id != from).collect::<Vec<_>>()[..]
        else { panic!() };
        let node = Mutex::new(Some(connect(&lab, &cluster, to)));
        let spoiler = Spoiler { node, line: "CONFIG SET maxmemory 1" };
        let moves = [step(&cluster, from, to, &format!("{slot}-16383"))];
        let options = MigrateOptions { keys_per_migrate: 20, ..by_migrate() };
        let cancel = Cancel::new();
        let error = move_slots_with(&mut cluster, &moves, &options, &spoiler, &cancel).unwrap_err();
        assert!(matches!(error, Error::TakenBack { .. }), "{error}");
        assert!(error.to_string().contains("OOM"), "{error}");
        call(&mut connect(&lab, &cluster, to), "CONFIG SET maxmemory 0");
        assert!(dumps(&lab) == before);
        assert_settled(&lab);
        cluster.refresh();
        let elsewhere = [step(&cluster, from, other, &format!("{slot}-16383"))];
        move_slots(&mut cluster, &elsewhere, &by_migrate()).unwrap();
        assert!(dumps(&lab) == before);
        assert_settled(&lab);
    }
}

/// A master that becomes a replica with its last slot leaves the cluster all the same.
#[test]
fn a_master_of_valkey_with_a_replica_quits() {
    let lab = TempLab::cluster(&TestServer::named("valkey-8.1").unwrap(), 4, 1).unwrap();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 500);
    let before = dumps(&lab);
    let seed = cluster.myself().id();
    let leaving = masters(&cluster).into_iter().find(|id| *id != seed).unwrap();
    let node = cluster.member(leaving).unwrap().endpoint().clone();
    let cancel = Cancel::new();
    let context = redistrib_ops::Context::new(&redistrib_ops::Silent, &cancel);
    redistrib_ops::quit_cluster(&node, lab.settings(), context).unwrap();
    assert!(discover(&lab).member(leaving).is_err(), "it is a member still");
    assert!(dumps(&lab) == before);
    assert_settled(&lab);
}

/// Holds each pair that begins until so many have begun.
struct Together {
    missing: Mutex<usize>,
    begun: Condvar,
}

impl Observer for Together {
    fn event(&self, event: &Event) {
        if let Event::PairStarted { .. } = event {
            let mut missing = self.missing.lock().unwrap();
            *missing -= 1;
            self.begun.notify_all();
            let patience = Duration::from_secs(60);
            drop(self.begun.wait_timeout_while(missing, patience, |missing| *missing > 0).unwrap());
        }
    }
}

/// Each source has keys that have expired and are still counted, which its pair has to tell from those that the others bring
/// to the same target meanwhile.
fn few_slots_of_several_masters_go_to_one_together(name: &'static str) {
    let options = LabOptions {
        nodes: Some(5),
        replicas: Some(0),
        layout: Some(Layout::Cluster),
        server: Some(TestServer::named(name).unwrap().program.clone()),
        config: vec!["enable-debug-command yes".into()],
        ..LabOptions::default()
    };
    let lab = TempLab::up(options).unwrap();
    let mut cluster = discover(&lab);
    let masters = masters(&cluster);
    let (target, sources) = masters.split_last().unwrap();
    let few = |from: &NodeId| {
        let slots = cluster.member(*from).unwrap().node().slots.clone().take_first(20);
        Move { from: *from, to: *target, slots }
    };
    let moves: Vec<Move> = sources.iter().map(few).collect();
    for source in sources {
        call(&mut connect(&lab, &cluster, *source), "DEBUG SET-ACTIVE-EXPIRE 0");
    }
    let moves_along =
        |key: &String| moves.iter().any(|step| step.slots.contains(Slot::of_key(key.as_bytes())));
    let keys: Vec<String> = (0..40_000).map(|n| format!("key:{n}")).filter(moves_along).collect();
    let (lasting, passing) = keys.split_at(keys.len() / 2);
    let set = |key: &String| Command::new("SET").arg(key.as_str()).arg("value");
    fill(&mut cluster, lasting.iter().map(set));
    fill(&mut cluster, passing.iter().map(|key| set(key).arg("PX").arg(1)));

    let together = Together { missing: Mutex::new(sources.len()), begun: Condvar::new() };
    let cancel = Cancel::new();
    let done = move_slots_with(&mut cluster, &moves, &by_migrate(), &together, &cancel).unwrap();
    assert_eq!((done.slots, *together.missing.lock().unwrap()), (80, 0), "{name}");
    let there: BTreeSet<Vec<u8>> = dumps(&lab).into_keys().collect();
    assert_eq!(there, lasting.iter().map(|key| key.clone().into_bytes()).collect(), "{name}");
    assert_settled(&lab);
}

#[test]
fn pairs_of_few_slots_share_their_target() {
    few_slots_of_several_masters_go_to_one_together("redis-7.0");
    few_slots_of_several_masters_go_to_one_together("valkey-8.1");
}
