//! Ill health, produced on real servers: `check` names each kind by its own code with its weight, never says that all is
//! well beside it, and what it says to do next mends it.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod support;

use std::time::{Duration, Instant};

use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use serde_json::Value;
use support::{Run, trib};

/// A cluster, and how its nodes are told to change.
struct Field {
    lab: TempLab,
    nodes: Vec<String>,
}

impl Field {
    fn new(server: &'static str, masters: usize, replicas: usize) -> Self {
        Self::with(server, masters, replicas, &[])
    }

    /// One whose servers get these lines of configuration, too.
    fn with(server: &'static str, masters: usize, replicas: usize, config: &[&str]) -> Self {
        let lab = TempLab::up(Options {
            nodes: Some(masters * (replicas + 1)),
            replicas: Some(replicas),
            layout: Some(Layout::Cluster),
            server: Some(TestServer::named(server).unwrap().program),
            config: config.iter().map(|line| (*line).to_owned()).collect(),
            ..Options::default()
        });
        let lab = lab.unwrap();
        let nodes = lab.endpoints().iter().map(ToString::to_string).collect();
        Self { lab, nodes }
    }

    /// Sends a command to a node, its words parted by blanks.
    #[track_caller]
    fn tell(&self, node: usize, line: &str) -> String {
        let mut words = vec!["exec", &self.nodes[node]];
        words.extend(line.split(' '));
        trib(&words).expect(0).stdout.trim().to_owned()
    }

    #[track_caller]
    fn tell_all(&self, line: &str) {
        (0..self.nodes.len()).for_each(|node| drop(self.tell(node, line)));
    }

    fn id(&self, node: usize) -> String {
        self.tell(node, "CLUSTER MYID")
    }

    /// The places of the replicas of a node.
    fn replicas_of(&self, master: usize) -> Vec<usize> {
        let id = self.id(master);
        let told = self.document(0);
        let follows = |address: &String| {
            let mut nodes = told["nodes"].as_array().unwrap().iter();
            nodes.any(|node| node["address"] == address.as_str() && node["master"] == id.as_str())
        };
        (0..self.nodes.len()).filter(|place| follows(&self.nodes[*place])).collect()
    }

    fn document(&self, seed: usize) -> Value {
        serde_json::from_str(&trib(&["check", &self.nodes[seed], "--json"]).stdout).unwrap()
    }

    /// The finding of this code, as soon as there is one.
    #[track_caller]
    fn finds(&self, code: &str) -> Value {
        let mut told = Value::Null;
        self.poll(code, || {
            told = self.document(0);
            find(&told, code).is_some()
        });
        find(&told, code).unwrap()
    }

    /// Waits until nothing of this code is found any more.
    #[track_caller]
    fn is_rid_of(&self, code: &str) {
        self.poll(&format!("{code} is gone"), || find(&self.document(0), code).is_none());
    }

    #[track_caller]
    fn poll(&self, what: &str, mut done: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(30);
        while !done() {
            assert!(Instant::now() < until, "in vain awaited: {what}; {}", self.document(0));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn check(&self) -> Run {
        trib(&["check", &self.nodes[0]])
    }
}

fn find(told: &Value, code: &str) -> Option<Value> {
    let mut findings = told["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["finding"] == code).cloned()
}

/// Fails the test unless the finding has this weight and says what to do in these words.
#[track_caller]
fn advises(finding: &Value, severity: &str, step: &str) {
    assert_eq!(finding["severity"], severity, "{finding}");
    assert!(finding["next_step"].as_str().unwrap().contains(step), "{finding}");
}

/// What a user sees beside a master that died without a replica, until its slots have been given to others.
#[test]
fn a_dead_master_is_never_called_covered() {
    let field = Field::new("redis-8.6", 3, 0);
    let (seed, dead) = (field.nodes[0].as_str(), field.nodes[1].as_str());
    field.lab.kill(1);
    let down = field.finds("cluster-down");
    assert_eq!(down["reason"]["why"], "slots-of-failed-masters", "{down}");
    assert_eq!((&down["severity"], &down["reason"]["slots"]), (&"error".into(), &5462.into()));
    advises(&field.finds("unreachable"), "error", &format!("start the server at {dead}"));
    assert_eq!(field.finds("failed")["severity"], "error");
    let unserved = field.finds("unserved");
    advises(&unserved, "error", "--fix-with-unreachable-masters");
    assert_eq!(unserved["slots"], serde_json::json!(["5461-10922"]));

    let told = field.check().expect(1).shows(&[
        "[OK] 0 keys in 2 masters.",
        "[ERR] Not all 16384 slots are covered by nodes.",
        "say cluster_state:fail: 5462 slots belong to masters that have failed",
        ">>> What to do next:",
    ]);
    assert!(!told.stdout.contains("All 16384 slots covered"), "{}", told.stdout);
    trib(&["list", seed]).expect(1).shows(&["3 masters, 1 fail", "unreachable"]);
    for line in [&["rebalance", seed][..], &["--cluster", "rebalance", seed]] {
        let refused = trib(line).expect(1).shows(&[
            "[ERR] Not all 16384 slots are covered by nodes.",
            "*** Please fix your cluster problems before rebalancing",
        ]);
        assert!(!refused.stdout.contains("No rebalancing needed"), "{}", refused.stdout);
    }
    let refused = trib(&["rebalance", seed, "--json"]).expect(1);
    let last: Value = serde_json::from_str(refused.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(last["event"], "failed", "{}", refused.stdout);

    let fixed = trib(&["fix", seed]).expect(1);
    assert_eq!(
        fixed.stdout.matches("--fix-with-unreachable-masters").count(),
        1,
        "{}",
        fixed.stdout
    );
    let last: Vec<&str> = fixed.stdout.lines().rev().take(2).collect();
    assert!(last[1].contains("--fix-with-unreachable-masters"), "at the end: {}", fixed.stdout);
    let give_up = ["fix", seed, "--fix-with-unreachable-masters", "--yes"];
    let planned = trib(&[&give_up[..3], &["--dry-run"]].concat()).expect(0);
    assert!(planned.stdout.contains("its keys are lost with it"), "{}", planned.stdout);
    assert!(!planned.stdout.contains("there are no keys"), "{}", planned.stdout);
    trib(&give_up);
    field.is_rid_of("unserved");
    field.is_rid_of("cluster-down");
}

/// Settings, memory, saving and replicas that are not as they should be, on a cluster that peers call healthy: only what
/// keeps clients from writing sets the exit code.
#[test]
fn servers_that_are_not_well_are_named() {
    let field = Field::with("redis-8.6", 3, 1, &["enable-protected-configs yes"]);
    let seed = field.nodes[0].as_str();
    for setting in ["cluster-require-full-coverage no", "maxmemory-policy allkeys-lru"] {
        field.tell(1, &format!("CONFIG SET {setting}"));
        advises(&field.finds("settings-differ"), "warning", "CONFIG SET");
        field.check().expect(0).shows(&["[OK] All 16384 slots covered.", "[WARNING] "]);
        field.tell_all(&format!("CONFIG SET {setting}"));
        field.is_rid_of("settings-differ");
    }
    field.tell_all("CONFIG SET maxmemory-policy noeviction");
    field.tell_all("CONFIG SET cluster-require-full-coverage yes");
    field.tell(2, "CONFIG SET cluster-node-timeout 3000");
    let differ = field.finds("settings-differ");
    advises(&differ, "warning", "redis-trib set-timeout");
    assert_eq!(differ["setting"], "cluster-node-timeout");
    assert_eq!(differ["values"][1][0], "3000", "{differ}");
    trib(&["set-timeout", seed, "2000"]).expect(0);
    field.is_rid_of("settings-differ");
    full(&field);
    unsaved(&field);
    field.tell(0, "CONFIG SET min-replicas-to-write 2");
    let refuses = field.finds("too-few-replicas");
    advises(&refuses, "error", "add-node --replica");
    assert_eq!((&refuses["good"], &refuses["needed"]), (&1.into(), &2.into()));
    field.check().expect(1);
    field.tell(0, "CONFIG SET min-replicas-to-write 0");
    field.is_rid_of("too-few-replicas");
    syncing(&field);
}

fn full(field: &Field) {
    field.tell(0, "CONFIG SET maxmemory 1");
    let full = field.finds("out-of-memory");
    advises(&full, "error", "CONFIG SET maxmemory");
    field.check().expect(1);
    let used = full["used"].as_u64().unwrap();
    field.tell(0, &format!("CONFIG SET maxmemory {}", used + used / 20));
    advises(&field.finds("memory-high"), "warning", "CONFIG SET maxmemory");
    field.tell(0, "CONFIG SET maxmemory 0");
    field.is_rid_of("memory-high");
}

fn unsaved(field: &Field) {
    let folder = field.tell(0, "CONFIG GET dir").lines().last().unwrap().to_owned();
    let gone = tempfile::tempdir().unwrap();
    field.tell(0, &format!("CONFIG SET dir {}", gone.path().display()));
    drop(gone);
    field.tell(0, "BGSAVE");
    let failing = field.finds("rdb-failing");
    advises(&failing, "warning", "BGSAVE");
    field.check().expect(0);
    // With points at which to save, the server refuses writes.
    trib(&["exec", &field.nodes[0], "CONFIG", "SET", "save", "3600 1"]).expect(0);
    assert_eq!(field.finds("rdb-failing")["severity"], "error");
    field.check().expect(1).shows(&["could not save its RDB file, and refuses writes"]);
    field.tell(0, &format!("CONFIG SET dir {folder}"));
    field.tell(0, "BGSAVE");
    field.is_rid_of("rdb-failing");
}

/// A replica goes to another master, which takes its time to send its data.
fn syncing(field: &Field) {
    for number in 0..12 {
        trib(&["exec", "-c", &field.nodes[0], "SET", &format!("key:{{{number}}}"), "x"]).expect(0);
    }
    let replica = field.replicas_of(0)[0];
    field.tell(1, "CONFIG SET rdb-key-save-delay 1000000");
    field.tell(replica, &format!("CLUSTER REPLICATE {}", field.id(1)));
    assert_eq!(field.finds("replica-syncing")["severity"], "warning");
    advises(&field.finds("master-without-replica"), "notice", "--replica");
    field.tell(1, "CONFIG SET rdb-key-save-delay 0");
    field.is_rid_of("replica-syncing");
    field.tell(replica, &format!("CLUSTER REPLICATE {}", field.id(0)));
    field.is_rid_of("master-without-replica");
    field.is_rid_of("replica-link-down");
    field.check().expect(0);
}

/// Slots and members: what `fix` and CLUSTER MEET mend, and a majority that is gone and comes back.
#[test]
fn slots_and_members_that_are_amiss_are_named() {
    // Newer servers tell each other whom they were told to forget, and take nobody of that name for a minute.
    let field = Field::new("redis-7.0", 3, 0);
    let seed = field.nodes[0].as_str();
    advises(&field.finds("no-replicas"), "notice", "add-node NEW NODE --replica");
    field.check().expect(0);

    field.tell_all("CLUSTER DELSLOTS 5");
    advises(&field.finds("uncovered"), "error", "redis-trib fix");
    assert_eq!(field.finds("cluster-down")["reason"]["why"], "slots-without-owner");
    field.check().expect(1).shows(&["[ERR] Not all 16384 slots are covered by nodes."]);
    trib(&["fix", seed]).expect(0);
    field.is_rid_of("cluster-down");

    field.tell(0, &format!("CLUSTER SETSLOT 5 MIGRATING {}", field.id(1)));
    advises(&field.finds("open-slots"), "error", "redis-trib fix");
    trib(&["fix", seed]).expect(0);
    field.is_rid_of("open-slots");

    field.tell(0, "CLUSTER MEET 127.0.0.1 1");
    advises(&field.finds("handshake"), "warning", "bus port");
    field.is_rid_of("handshake");

    field.tell(1, &format!("CLUSTER FORGET {}", field.id(2)));
    let unknown = field.finds("unknown-to");
    assert_eq!(unknown["by"][0]["address"], field.nodes[1].as_str(), "{unknown}");
    assert_eq!(field.finds("disagreement")["severity"], "error");
    let (host, port) = field.nodes[2].split_once(':').unwrap();
    let meet = format!("CLUSTER MEET {host} {port}");
    advises(&unknown, "error", &format!("redis-trib exec {} {meet}", field.nodes[1]));
    field.tell(1, &meet);
    field.is_rid_of("unknown-to");
    field.is_rid_of("cluster-down");
    field.check().expect(0);

    field.lab.kill(1);
    field.lab.kill(2);
    field.finds("suspected");
    field.poll("the majority is missed", || {
        find(&field.document(0), "cluster-down")
            .is_some_and(|down| down["reason"]["why"] == "no-majority")
    });
    advises(&field.finds("cluster-down"), "error", "start the masters that cannot be reached");
    field.lab.restart(1).unwrap();
    field.lab.restart(2).unwrap();
    field.is_rid_of("cluster-down");
    field.check().expect(0);
}

/// A replica that its master does not let in, because somebody changed a password on one side only.
#[test]
fn a_replica_without_link_is_an_error() {
    for server in ["redis-6.2", "valkey-8.1"] {
        let lab = TempLab::nodes(&TestServer::named(server).unwrap(), 2).unwrap();
        let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
        trib(&["start", &nodes[0], "--yes"]).expect(0);
        trib(&["replicate", &nodes[0], &nodes[1]]).expect(0);
        let field = Field { lab, nodes };
        field.is_rid_of("cluster-down");
        field.is_rid_of("replica-link-down");
        let few = field.finds("few-masters");
        advises(&few, "notice", "redis-trib join");
        field.check().expect(0);
        // The replica shows a password, and its master knows none.
        field.tell(1, "CONFIG SET masterauth swordfish");
        field.tell(1, "CLIENT KILL TYPE master");
        let down = field.finds("replica-link-down");
        advises(&down, "error", "masterauth");
        let told = field.check().expect(1);
        told.shows(&[
            "[OK] All 16384 slots covered.",
            "[ERR] replica ",
            "has no link to its master",
        ]);
        trib(&["exec", &field.nodes[1], "CONFIG", "SET", "masterauth", ""]).expect(0);
        field.is_rid_of("replica-link-down");
    }
}

/// A node of another version comes in, and leaves again.
#[test]
fn nodes_of_several_versions_are_named() {
    let field = Field::new("redis-7.0", 3, 0);
    let newer = TempLab::nodes(&TestServer::named("redis-8.2").unwrap(), 1).unwrap();
    let newer = newer.endpoints()[0].to_string();
    trib(&["add-node", &newer, &field.nodes[0]]).expect(0);
    let differ = field.finds("versions-differ");
    advises(&differ, "warning", "upgrade");
    assert!(differ["versions"][0][0].as_str().unwrap().starts_with("Redis 7.0."), "{differ}");
    field.is_rid_of("unknown-to");
    field.is_rid_of("cluster-down");
    field.check().expect(0);
    trib(&["del-node", &newer]).expect(0);
    field.is_rid_of("versions-differ");
}
