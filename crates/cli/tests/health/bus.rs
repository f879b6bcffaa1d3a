//! What nodes have not heard of each other: the bus between them is cut, slow or full.

use redistrib_ops::Connection;
use redistrib_ops::resp::Command;

use crate::health::field::{Field, advises, find};
use crate::support::trib;

/// Valkey can be told to hear nothing of the bus.
const DEAF: &str = "DEBUG DROP-CLUSTER-PACKET-FILTER -2";
const HEARS: &str = "DEBUG DROP-CLUSTER-PACKET-FILTER -1";

/// A node that hangs, and one that is gone, before anybody holds them for failed.
#[test]
fn a_bus_that_is_full_or_cut_is_named() {
    let mut field = Field::with("redis-7.0", 3, 0, &["cluster-node-timeout 15000"]);
    field.options = vec!["--answer-timeout", "300"];
    field.lab.pause(2).unwrap();
    let mut node = Connection::open(&field.lab.endpoints()[0], field.lab.settings()).unwrap();
    // The system takes some megabytes before anything waits at the server.
    let publish = Command::new("PUBLISH").arg("news").arg(vec![b'x'; 1 << 20]);
    (0..20).for_each(|_| drop(node.call(&publish).unwrap()));
    let backlog = field.finds("bus-backlog");
    let (hangs, waits) = (field.nodes[2].as_str(), field.nodes[0].as_str());
    assert_eq!(backlog["node"]["address"], hangs, "{backlog}");
    assert_eq!(backlog["by"][0]["address"], waits, "{backlog}");
    assert!(backlog["bytes"].as_u64().unwrap() >= 1 << 20, "{backlog}");
    advises(&backlog, "warning", &format!("see whether {hangs} hangs"));
    field.lab.resume(2).unwrap();
    field.is_rid_of("bus-backlog");
    field.is_rid_of("unreachable");
    field.check().expect(0);

    field.lab.kill(2);
    advises(&field.finds("bus-link-down"), "warning", "bus port");
    advises(&field.finds("unreachable"), "error", &format!("start the server at {hangs} again"));
    field.lab.restart(2).unwrap();
    field.is_rid_of("bus-link-down");
    field.is_rid_of("cluster-down");
    field.check().expect(0);
}

/// What servers mend by themselves as soon as they hear of each other, and a claim that only `fix` takes back till then.
#[test]
fn nodes_that_hear_nothing_are_contradicted() {
    let config = ["enable-debug-command yes", "cluster-node-timeout 15000"];
    let field = Field::with("valkey-9.1", 3, 1, &config);
    // The owner's claim is newer, so that all others keep to it.
    field.tell(0, DEAF);
    field.tell(0, &format!("CLUSTER SETSLOT 16000 NODE {}", field.id(0)));
    let owners = field.finds("multiple-owners");
    assert_eq!(owners["slots"], serde_json::json!(["16000"]), "{owners}");
    advises(&owners, "error", "redis-trib fix");
    field.check().expect(1);
    trib(&["fix", &field.nodes[0]]).expect(0);
    field.is_rid_of("multiple-owners");
    field.check().expect(0);

    let epoch = |node| {
        let told = field.tell(node, "CLUSTER INFO");
        told.lines().find(|line| line.starts_with("cluster_current_epoch")).unwrap().to_owned()
    };
    field.tell(0, HEARS);
    field.poll("both know the newest epoch", || epoch(0) == epoch(1));
    [0, 1].into_iter().for_each(|node| drop(field.tell(node, DEAF)));
    let epochs = [0, 1].map(|node| field.tell(node, "CLUSTER BUMPEPOCH"));
    assert_eq!(epochs[0], epochs[1]);
    let collision = field.finds("epoch-collision");
    advises(&collision, "warning", "bus ports are open to each other");
    assert_eq!(collision["masters"].as_array().unwrap().len(), 2, "{collision}");
    field.tell(1, HEARS);
    field.tell(0, HEARS);
    field.is_rid_of("epoch-collision");

    field.tell_all("CONFIG SET cluster-node-timeout 4000");
    // Pings that were lost while both heard nothing are late by the shorter time, until they are sent again.
    field.is_rid_of("pong-late");
    field.tell(0, DEAF);
    let mut late = None;
    field.poll("pong-late", || {
        // As long as the others hear of it they do not call it failed, however long that takes.
        field.tell(0, "PUBLISH news x");
        late = find(&field.document(0), "pong-late");
        late.is_some()
    });
    let late = late.unwrap();
    advises(&late, "warning", "hang");
    // It hears no answer, and gives none.
    let deaf = field.nodes[0].as_str();
    assert!(late["by"][0]["address"] == deaf || late["node"]["address"] == deaf, "{late}");
    field.tell(0, HEARS);
    field.is_rid_of("pong-late");
    follower_at_second_hand(&field);
}

/// A replica that has not heard that its master has become one.
fn follower_at_second_hand(field: &Field) {
    let (successor, stays) = (field.replicas_of(0)[0], field.replicas_of(1)[0]);
    field.tell(stays, &format!("CLUSTER REPLICATE {}", field.id(0)));
    field.poll("both follow", || field.replicas_of(0).len() == 2);
    field.is_rid_of("replica-syncing");
    field.is_rid_of("replica-link-down");
    field.tell(stays, DEAF);
    field.tell(successor, "CLUSTER FAILOVER");
    let second = field.finds("replica-of-replica");
    let replicate = format!("redis-trib exec {} CLUSTER REPLICATE", field.nodes[stays]);
    advises(&second, "warning", &replicate);
    field.tell(stays, HEARS);
    let follow = ["exec", &field.nodes[stays], "CLUSTER", "REPLICATE", &field.id(successor)];
    field.poll("it follows the new master", || trib(&follow).code == 0);
    field.is_rid_of("replica-of-replica");
    field.is_rid_of("replica-link-down");
}
