//! States that a server comes into by itself, or by what people set.

use std::thread;

use crate::health::field::{Field, advises, find};
use crate::support::trib;

/// Passwords that differ, with a user who may log in everywhere.
#[test]
fn passwords_that_differ_are_named() {
    let mut field = Field::new("redis-8.6", 3, 0);
    field.tell_all("ACL SETUSER admin on >swordfish ~* &* +@all");
    field.options = vec!["--user", "admin", "-a", "swordfish", "--no-auth-warning"];
    field.tell_all("CONFIG SET requirepass first");
    let mismatch = field.finds("masterauth-mismatch");
    advises(&mismatch, "warning", "CONFIG SET masterauth");
    field.tell_all("CONFIG SET masterauth first");
    field.is_rid_of("masterauth-mismatch");
    field.tell(1, "CONFIG SET requirepass second");
    let differ = field.finds("passwords-differ");
    advises(&differ, "warning", "CONFIG SET requirepass");
    assert_eq!(differ["nodes"].as_array().unwrap().len(), 2, "{differ}");
    let told = field.document(0).to_string();
    assert!(!told.contains("first") && !told.contains("second"), "{told}");
    field.tell_all("CONFIG SET requirepass third");
    field.is_rid_of("passwords-differ");
    field.tell_all("CONFIG SET masterauth third");
    field.is_rid_of("masterauth-mismatch");
    field.check().expect(0);
}

/// A server that takes its time to load its data, and one that cannot rewrite its append-only file.
#[test]
fn a_server_that_loads_is_named() {
    let config = [
        "loading-process-events-interval-bytes 1024",
        "rdbcompression no",
        "enable-protected-configs yes",
    ];
    let field = Field::with("redis-8.6", 3, 0, &config);
    let value = "x".repeat(2000);
    for number in 0..20 {
        let key = format!("key:{{b}}:{number}");
        trib(&["exec", "-c", &field.nodes[0], "SET", &key, &value]).expect(0);
    }
    field.tell(0, "CONFIG SET key-load-delay 150000");
    field.tell(0, "CONFIG REWRITE");
    field.tell(0, "SAVE");
    field.lab.kill(0);
    thread::scope(|scope| {
        let restarted = scope.spawn(|| field.lab.restart(0));
        let loading = field.finds_from(1, "loading");
        advises(&loading, "error", &format!("wait until {} has loaded", field.nodes[0]));
        let told = trib(&["status", &field.nodes[1]]).expect(1).stdout;
        let line = told.lines().find(|line| line.ends_with(&field.nodes[0])).unwrap();
        assert!(line.starts_with("loading "), "{told}");
        restarted.join().unwrap().unwrap();
    });
    field.is_rid_of("loading");
    field.is_rid_of("cluster-down");
    rewriting(&field);
}

fn rewriting(field: &Field) {
    let folder = field.tell(1, "CONFIG GET dir").lines().last().unwrap().to_owned();
    let gone = tempfile::tempdir().unwrap();
    field.tell(1, &format!("CONFIG SET dir {}", gone.path().display()));
    drop(gone);
    field.tell(1, "BGREWRITEAOF");
    advises(&field.finds("aof-failing"), "warning", "BGREWRITEAOF");
    field.check().expect(0);
    field.tell(1, &format!("CONFIG SET dir {folder}"));
    field.tell(1, "BGREWRITEAOF");
    field.is_rid_of("aof-failing");
}

/// Slots that servers move by themselves, after who began it is gone.
#[test]
fn an_atomic_migration_is_named_until_it_has_ended() {
    for server in ["valkey-9.1", "redis-8.6"] {
        let field = Field::new(server, 3, 0);
        for number in 0..8 {
            let key = format!("key:{{b}}:{number}");
            trib(&["exec", "-c", &field.nodes[0], "SET", &key, "x"]).expect(0);
        }
        field.tell_all("CONFIG SET rdb-key-save-delay 300000");
        // The slot of these keys is 3300.
        let id = field.id(1);
        let begun = match server {
            "redis-8.6" => field.tell(1, "CLUSTER MIGRATION IMPORT 3300 3399"),
            _ => field.tell(0, &format!("CLUSTER MIGRATESLOTS SLOTSRANGE 3300 3399 NODE {id}")),
        };
        let job = field.finds("atomic-migration");
        assert_eq!(job["slots"], serde_json::json!(["3300-3399"]), "{begun}: {job}");
        advises(&job, "warning", "redis-trib fix");
        field.check().expect(0).shows(&["[WARNING] the servers move slots 3300-3399 from "]);
        trib(&["fix", &field.nodes[0]]).expect(0);
        field.is_rid_of("atomic-migration");
    }
}

/// Addresses that nodes announce: two of one, and all of a shard on one host.
#[test]
fn addresses_that_are_announced_wrongly_are_named() {
    let field = Field::with("redis-8.6", 3, 1, &["bind 127.0.0.1 127.0.0.2"]);
    let port = field.nodes[0].rsplit_once(':').unwrap().1;
    field.tell(1, &format!("CONFIG SET cluster-announce-port {port}"));
    let same = field.finds("same-address");
    assert_eq!(same["address"], field.nodes[0].as_str(), "{same}");
    advises(&same, "error", "cluster-announce-port");
    field.check().expect(1);
    field.tell(1, "CONFIG SET cluster-announce-port 0");
    field.is_rid_of("same-address");
    field.is_rid_of("unreachable");

    let others = |node: &usize| *node != 0 && !field.replicas_of(0).contains(node);
    let others: Vec<usize> = (0..field.nodes.len()).filter(others).collect();
    let replica = field.replicas_of(0)[0];
    for node in others {
        field.tell(node, "CONFIG SET cluster-announce-ip 127.0.0.2");
    }
    let host = field.finds("replicas-on-masters-host");
    advises(&host, "notice", "on another host");
    // Nodes may still hear of each other's new addresses.
    field.poll("a notice does no harm", || field.document(0)["healthy"] == true);
    field.tell(replica, "CONFIG SET cluster-announce-ip 127.0.0.2");
    field.poll("no shard of node 0 is on one host", || {
        let told = field.document(0);
        let mut ill = told["findings"].as_array().unwrap().iter();
        let is_zero = |it: &serde_json::Value| it["master"]["address"] == field.nodes[0].as_str();
        !ill.any(|it| it["finding"] == "replicas-on-masters-host" && is_zero(it))
    });
}

/// A node that others were told to forget, and take again when its time is over.
#[test]
fn a_node_that_was_forgotten_is_named() {
    let field = Field::with("valkey-9.1", 3, 1, &["cluster-blacklist-ttl 2"]);
    let replica = field.replicas_of(0)[0];
    field.tell(1, &format!("CLUSTER FORGET {}", field.id(replica)));
    let listed = field.finds_from(replica, "black-listed");
    assert_eq!(listed["node"]["address"], field.nodes[replica].as_str(), "{listed}");
    let add = format!("redis-trib add-node {}", field.nodes[replica]);
    advises(&listed, "error", &add);
    trib(&["add-node", &field.nodes[replica], &field.nodes[1], "--replica"]).expect(0);
    for code in ["black-listed", "unknown-to"] {
        field.poll(code, || find(&field.document(replica), code).is_none());
    }
    field.check().expect(0);
    left_alone(&field);
}

/// A replica whose master is gone, and which may not take its place by itself.
fn left_alone(field: &Field) {
    let replica = field.replicas_of(2)[0];
    field.tell(replica, "CONFIG SET cluster-replica-no-failover yes");
    field.lab.kill(2);
    let left = field.finds("replica-of-failed");
    assert_eq!(left["replica"]["address"], field.nodes[replica].as_str(), "{left}");
    let step = format!("redis-trib failover {} --force`", field.nodes[replica]);
    advises(&left, "error", &step);
    trib(&["failover", &field.nodes[replica], "--force", "--yes"]).expect(0);
    field.is_rid_of("replica-of-failed");
    field.is_rid_of("unserved");
    field.lab.restart(2).unwrap();
    field.is_rid_of("unreachable");
    field.is_rid_of("replica-link-down");
}
