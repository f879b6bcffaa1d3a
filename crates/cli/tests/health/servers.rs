//! Servers that are not set up as they should be, or cannot do what they should.

use std::time::Duration;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Finding;
use redistrib_ops::{Cluster, Settings, inspect};
use serde_json::Value;

use crate::health::field::{Field, advises};
use crate::support::trib;

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
    reticent(&field);
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

/// Nodes that answer and do not say how they are: nobody knows that they are well.
fn reticent(field: &Field) {
    let (seed, silent) = (field.nodes[0].as_str(), field.nodes[1].as_str());
    let status = |options: &[&str]| trib(&[&["status", seed], options].concat());
    let document = || -> Value { serde_json::from_str(&status(&["--json"]).stdout).unwrap() };
    field.tell(1, "ACL SETUSER default -info");
    let failed = field.finds("info-failed");
    advises(&failed, "error", "ACL");
    assert_eq!(failed["node"]["address"], silent, "{failed}");
    assert!(failed["reason"].as_str().unwrap().contains("NOPERM"), "{failed}");
    field.check().expect(1).shows(&["[ERR] node ", "does not say how it is"]);
    let shown = status(&[]).expect(1).shows(&["at least 0 keys, at least "]);
    let row = shown.stdout.lines().find(|line| line.ends_with(silent)).unwrap();
    assert!(row.starts_with("unknown  master") && row.contains('?'), "{row}");
    field.tell_all("ACL SETUSER default -info");
    status(&[]).expect(1).shows(&["? keys, ?, ? ops/s"]);
    assert_eq!(document()["keys"], Value::Null);
    let up = status(&["--prometheus"]).expect(0).stdout;
    assert!(!up.lines().any(|line| line.contains("node_up{") && line.ends_with(" 1")), "{up}");

    field.tell_all("ACL SETUSER default +@all -cluster|info");
    let failed = field.finds("info-failed");
    assert!(failed["reason"].as_str().unwrap().contains("no cluster_state"), "{failed}");
    field.tell_all("ACL SETUSER default +@all -config|get");
    let withheld = field.finds("withheld");
    advises(&withheld, "notice", "ACL");
    assert_eq!(withheld["command"], "CONFIG GET");
    assert_eq!(withheld["nodes"].as_array().unwrap().len(), field.nodes.len());
    field.check().expect(0).shows(&["refuse CONFIG GET"]);
    field.tell_all("ACL SETUSER default +@all");

    // It hangs after it has said how it sees the cluster.
    let timeout = Duration::from_millis(300);
    let settings = Settings { timeout, ..field.lab.settings().clone() };
    let mut cluster = Cluster::discover(&field.lab.endpoints()[0], &settings).unwrap();
    field.lab.pause(1).unwrap();
    let findings = inspect(&mut cluster).findings;
    field.lab.resume(1).unwrap();
    let hangs =
        |it: &Finding| matches!(it, Finding::InfoFailed { node, .. } if node.address == silent);
    assert!(findings.iter().any(hangs), "{findings:?}");
    field.is_rid_of("info-failed");
    field.is_rid_of("cluster-down");
    field.check().expect(0);
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
    waited_for(field, replica);
    field.check().expect(0);
}

/// A master that waits for more replicas before it sends its data, as after it has got its first slots.
fn waited_for(field: &Field, replica: usize) {
    field.tell_all("CONFIG SET repl-diskless-sync-delay 3");
    field.tell(replica, &format!("CLUSTER REPLICATE {}", field.id(1)));
    field.finds("replica-syncing");
    let told = field.tell(1, "INFO replication");
    assert!(told.contains("state=wait_bgsave"), "nothing is on its way yet: {told}");
    field.check().expect(0);
    field.tell(replica, &format!("CLUSTER REPLICATE {}", field.id(0)));
    field.is_rid_of("replica-syncing");
    field.is_rid_of("replica-link-down");
    field.is_rid_of("master-without-replica");
}

/// A replica that its master does not let in, because somebody changed a password on one side only.
#[test]
fn a_replica_without_link_is_an_error() {
    for server in ["redis-6.2", "valkey-8.1"] {
        let lab = TempLab::nodes(&TestServer::named(server).unwrap(), 2).unwrap();
        let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
        trib(&["start", &nodes[0], "--yes"]).expect(0);
        trib(&["replicate", &nodes[0], &nodes[1]]).expect(0);
        let field = Field { lab, nodes, options: Vec::new() };
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
