//! Slots and members: who is there, and who knows whom.

use redistrib_ops::lab::{TempLab, TestServer};
use serde_json::Value;

use crate::health::field::{Field, advises, find};
use crate::support::trib;

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
    advises(&field.finds("failed"), "error", "`redis-trib forget-failed`");
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
    let refused = trib(&["rebalance", seed]).expect(1);
    assert!(!refused.stdout.contains("No rebalancing needed"), "{}", refused.stdout);
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

/// A replica that follows a node which has been met and does not come, and then nobody.
#[test]
fn a_replica_of_nobody_is_named() {
    for server in ["redis-7.0", "redis-8.6", "valkey-9.1"] {
        let lab = TempLab::nodes(&TestServer::named(server).unwrap(), 2).unwrap();
        let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
        trib(&["start", &nodes[0], "--yes"]).expect(0);
        trib(&["add-node", &nodes[1], &nodes[0]]).expect(0);
        let field = Field { lab, nodes, options: Vec::new() };
        field.tell(1, "CLUSTER MEET 127.0.0.1 1");
        let known = field.tell(1, "CLUSTER NODES");
        let met = known.lines().find(|line| line.contains("handshake")).unwrap();
        let met = met.split(' ').next().unwrap();
        field.tell(1, &format!("CLUSTER REPLICATE {met}"));
        let unknown = field.finds("replica-of-unknown");
        assert_eq!(
            (&unknown["master"], &unknown["replica"]["address"]),
            (&met.into(), &field.nodes[1].as_str().into())
        );
        let step = format!("`redis-trib exec {} CLUSTER REPLICATE ID`", field.nodes[1]);
        advises(&unknown, "error", &step);
        let nobody = field.finds("replica-without-master");
        assert_eq!(nobody["replica"]["address"], field.nodes[1].as_str(), "{nobody}");
        advises(&nobody, "error", &step);
        field.check().expect(1).shows(&["[ERR] replica ", " follows no master"]);
        trib(&["exec", &field.nodes[1], "CLUSTER", "REPLICATE", &field.id(0)]).expect(0);
        field.is_rid_of("replica-without-master");
        field.is_rid_of("replica-link-down");
        field.is_rid_of("replica-syncing");
        field.check().expect(0);
    }
}
