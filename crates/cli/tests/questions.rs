//! What can hurt is asked for, once, where somebody sits at a terminal; nodes are named as people name them.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use serde_json::Value;

use crate::support::terminal::User;
use crate::support::{addresses, becomes_well, program, run_with, trib, trib_with};

/// Runs the program at a terminal, answers its one question, and tells whether it succeeded and what was shown.
fn answered(line: &str, question: &str, answer: &str) -> (bool, String) {
    let mut user = User::sit_down(line, Path::new("/dev/null"));
    user.sees(question);
    user.sees("(type 'yes' to accept): ");
    user.types(&format!("{answer}\n"));
    let done = user.leaves();
    let screen = user.screen.lock().unwrap().clone();
    assert_eq!(screen.matches("(type 'yes' to accept)").count(), 1, "{screen}");
    (done, screen)
}

/// Runs the program at a terminal, where it must ask nothing.
fn unasked(line: &str) -> bool {
    let mut user = User::sit_down(line, Path::new("/dev/null"));
    let done = user.leaves();
    let screen = user.screen.lock().unwrap().clone();
    assert!(!screen.contains("(type 'yes'"), "{screen}");
    done
}

fn node(seed: &str, address: &str) -> Value {
    let told: Value = serde_json::from_str(&trib(&["list", seed, "--json"]).stdout).unwrap();
    let mut nodes = told["nodes"].as_array().unwrap().iter();
    nodes.find(|node| node["address"] == address).cloned().unwrap_or_default()
}

#[test]
fn who_gives_something_up_at_a_terminal_is_asked() {
    let server = TestServer::named("redis-8.6").unwrap();
    let lab = TempLab::cluster(&server, 4, 0).unwrap();
    let nodes = addresses(&lab);
    let [seed, leaves, dies, _] = nodes.as_slice() else { unreachable!() };

    let quit = format!("quit {leaves}");
    let (done, screen) = answered(&quit, "out of the cluster", "no");
    assert!(!done && screen.contains(&format!("slots from {leaves} to ")), "{screen}");
    assert!(!node(seed, leaves).is_null(), "it has not left");
    assert!(answered(&quit, "out of the cluster", "yes").0);
    let again = format!("add-node {leaves} {seed}");
    assert!(unasked(&again));
    let id = node(seed, leaves)["id"].as_str().unwrap().to_owned();
    assert!(!answered(&format!("del-node {seed} {id}"), "out of the cluster", "").0);
    // As redis-cli it is silent.
    assert!(unasked(&format!("--cluster del-node {seed} {id}")));

    let source = TempLab::plain(&server, 1).unwrap();
    let from = source.endpoints()[0].to_string();
    trib(&["exec", &from, "SET", "a", "1"]).expect(0);
    let import = format!("import {seed} --from {from}");
    let (done, screen) = answered(&import, &format!("Take these keys out of {from}"), "n");
    assert!(!done && screen.contains("*** Importing 1 keys"), "{screen}");
    assert!(trib(&["exec", &from, "EXISTS", "a"]).stdout.contains('1'));
    assert!(unasked(&format!("--cluster import {seed} --cluster-from {from}")));
    assert!(trib(&["exec", &from, "EXISTS", "a"]).stdout.contains('0'));

    lab.kill(nodes.iter().position(|it| it == dies).unwrap());
    let rescue = format!("rescue {seed} {leaves}");
    let (done, screen) = answered(&rescue, "What their masters held stays lost", "no");
    assert!(!done && screen.contains(&format!("{leaves} would take over")), "{screen}");
    let fix = format!("fix {seed} --fix-with-unreachable-masters");
    let (done, screen) = answered(&fix, "Give up what masters", "no");
    assert!(!done, "{screen}");
    assert_eq!(screen.matches("*** slots").count(), 2, "{screen}");
    assert!(trib(&["check", seed]).expect(1).stdout.contains("an owner that does not answer"));
    let (_, screen) = answered(&fix, "Give up what masters", "yes");
    assert_eq!(screen.matches("*** slots").count(), 2, "{screen}");
    assert!(screen.contains("[OK] All 16384 slots covered."), "{screen}");
    let told = trib(&["check", seed]).stdout;
    assert!(told.contains("[OK] All 16384 slots covered."), "{told}");
}

/// The plan says which slots go, bars and the part of the slot map that changes how far they are; a peer's words stay lines.
#[test]
fn a_terminal_is_not_flooded_by_slots() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let nodes = addresses(&lab);
    let seed = &nodes[0];
    let [from, to] = [&nodes[0], &nodes[1]].map(|it| node(seed, it)["id"].to_string());
    let at_60_columns =
        |line: String| User::run(&format!("stty cols 60; exec {line}"), Path::new("/dev/null"));
    let program = env!("CARGO_BIN_EXE_redis-trib");
    let mut user =
        at_60_columns(format!("{program} reshard {seed} --from {from} --to {to} --slots 300"));
    user.sees(&format!("Moving 300 slots from {}: 0-299", from.trim_matches('"')));
    user.types("yes\n");
    user.sees("slots 0 ");
    user.sees("[OK] Moved 300 slots");
    assert!(user.leaves());
    let screen = user.screen.lock().unwrap().clone();
    assert!(!screen.contains("Moving slot "), "{screen}");
    assert!(screen.contains(" 299") && screen.contains("/300 slots"), "{screen}");

    let (from, to) = (format!("--cluster-from {from}"), format!("--cluster-to {to}"));
    let folder = tempfile::tempdir().unwrap();
    let peer = folder.path().join("redis-cli");
    std::os::unix::fs::symlink(program, &peer).unwrap();
    let mut user = at_60_columns(format!(
        "{} --cluster reshard {seed} {from} {to} --cluster-slots 3 --cluster-yes",
        peer.display()
    ));
    for slot in 300..303 {
        user.sees(&format!("Moving slot {slot} from {} to {}: ", nodes[0], nodes[1]));
    }
    assert!(user.leaves());
}

#[test]
fn nodes_are_named_as_people_name_them() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let spare = TempLab::nodes(&server, 1).unwrap();
    let nodes = addresses(&lab);
    let (seed, new) = (nodes[0].as_str(), spare.endpoints()[0].to_string());
    let port = |node: &str| node.rsplit_once(':').unwrap().1.to_owned();
    let id = node(seed, &nodes[1])["id"].as_str().unwrap().to_owned();

    let moved = ["[OK] Moved 2 slots"];
    trib(&["migrate-slots", seed, &id[..20], "0-1"]).expect(0).shows(&moved);
    trib(&["migrate-slots", &port(&nodes[1]), seed, "0-1"]).expect(0).shows(&moved);
    trib(&["migrate_slots", "localhost", &port(seed), &id, "0-1"]).expect(0).shows(&moved);
    let several = trib(&["migrate-slots", seed, "127.0.0.1", "2"]).expect(1);
    several.complains(&["127.0.0.1 may be any of", &id, &nodes[2]]);
    trib(&["migrate-slots", &id, &id, "2"]).expect(2).complains(&["HOST:PORT"]);

    let master = port(&nodes[1]);
    trib(&["replicate", seed, &new, "--master-id", &master]).expect(0);
    assert_eq!(node(seed, &new)["master"], id.as_str());
    becomes_well(seed);
    trib(&["failover", seed, &port(&new)]).expect(0).shows(&["[OK] ", &new]);
    becomes_well(seed);
    trib(&["failover", seed, "--force", &id]).expect(0).shows(&["[OK] ", &nodes[1]]);
    assert_eq!(node(seed, &new)["master"], id.as_str());
    becomes_well(seed);
    trib(&["quit", seed, &port(&new)]).expect(0).shows(&["removed from the cluster"]);
    assert!(node(seed, &new).is_null());
}

/// What `--cluster fix` says of slots without an owner before it has changed anything, and whether it then succeeds.
fn fix_told(mut command: Command, seed: &str, answer: &str) -> (String, bool) {
    command.args(["--cluster", "fix", seed, "--cluster-yes"]).env("TERM", "dumb");
    let told = run_with(answer, command);
    let asked = told.stdout.split_once(">>> Fixing slots coverage...").map_or("", |it| it.1);
    (asked.to_owned(), told.code == 0)
}

/// The peers ask whether slots without an owner are to get one, by where their keys are, and `--cluster-yes` is no answer.
#[test]
fn slots_without_an_owner_are_covered_after_the_peers_questions() {
    let server = TestServer::named("redis-7.0").unwrap();
    let peers = [
        ("redis-cli", TestServer::named("redis-8.6").unwrap().tool("redis-cli").unwrap()),
        ("valkey-cli", TestServer::client("valkey-cli-9.1").unwrap()),
    ];
    for (name, theirs) in peers {
        let lab = TempLab::cluster(&server, 3, 0).unwrap();
        asks_as(name, &theirs, &addresses(&lab));
    }
}

fn asks_as(name: &str, theirs: &Path, nodes: &[String]) {
    let [seed, second, third] = nodes else { unreachable!() };
    // All three slots are of the second node. The last has a key on the third, too.
    let id = node(seed, second)["id"].as_str().unwrap().to_owned();
    trib_with("SET one v\nSET four v\n", &["exec", second]).expect(0);
    let foreign = format!(
        "CLUSTER SETSLOT 8296 IMPORTING {id}\nASKING\nSET four v\nCLUSTER SETSLOT 8296 STABLE\n"
    );
    trib_with(&foreign, &["exec", third]).expect(0);
    let ours = || {
        let mut command = program();
        command.arg0(name);
        command
    };
    for (slot, have) in [
        ("5600", "no keys across the cluster"),
        ("9084", "keys in just one node"),
        ("8296", "keys in multiple nodes"),
    ] {
        loses(nodes, &[slot]);
        let (told, done) = fix_told(Command::new(theirs), seed, "no\n");
        assert!(told.contains(have) && !done, "{name}: {told}");
        assert_eq!(fix_told(ours(), seed, "no\n"), (told, done), "{name}");
        trib(&["check", seed]).expect(1).shows(&[&format!("1 slot has no owner: {slot}")]);
        let (told, done) = fix_told(ours(), seed, "yes\n");
        assert!(done, "{name}: {told}");
        becomes_well(seed);
    }
    // A no to slots of one kind is none to those of another.
    loses(nodes, &["5600", "9084"]);
    let told = fix_told(Command::new(theirs), seed, "no\nno\n");
    assert_eq!(fix_told(ours(), seed, "no\nno\n"), told, "{name}");
    let (told, done) = fix_told(ours(), seed, "no\nyes\n");
    assert!(told.contains(">>> Covering slot 9084 with ") && !done, "{name}: {told}");
    trib(&["check", seed]).expect(1).shows(&["1 slot has no owner: 5600"]);
    fix_told(ours(), seed, "yes\n");
    becomes_well(seed);
}

/// Takes these slots' owners away. A message of before may bring them back to the others.
fn loses(nodes: &[String], slots: &[&str]) {
    let since = Instant::now();
    loop {
        for node in nodes {
            for slot in slots {
                trib(&["exec", node, "CLUSTER", "DELSLOTS", slot]);
            }
        }
        let told = trib(&["check", &nodes[0]]).expect(1).stdout;
        let have_none = format!(" no owner: {}", slots.join(" "));
        if told.contains(&have_none) && !told.contains("disagree") {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{told}");
    }
}
