//! The verbs on real servers, as a user runs them.

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::resp::Command;
use redistrib_ops::{Connection, Settings, on_each_test_server};

use crate::support::{Run, addresses, becomes_well, trib, trib_with};

/// The ids of the masters, in the order of their slots.
fn masters(seed: &str) -> Vec<String> {
    let list = trib(&["list", seed]).expect(0).stdout;
    let rows = list.lines().filter(|line| line.starts_with("M "));
    rows.map(|row| row.split_whitespace().nth(2).unwrap().to_owned()).collect()
}

fn document(run: &Run) -> serde_json::Value {
    serde_json::from_str(&run.stdout).unwrap_or_else(|error| panic!("{error}: {}", run.stdout))
}

on_each_test_server! {
    /// What the first page of the README shows: create, check, reshard, check.
    fn a_cluster_is_made_looked_at_and_resharded(server) {
        let lab = TempLab::nodes(server, 6).unwrap();
        let nodes = addresses(&lab);
        let mut line = vec!["create", "--replicas", "1"];
        line.extend(nodes.iter().map(String::as_str));
        trib_with("yes\n", &line).expect(0).shows(&[
            ">>> Performing hash slots allocation on 6 nodes...",
            "Master[0] -> Slots 0 - 5460",
            &format!("Adding replica {} to {}", nodes[3], nodes[0]),
            "[WARNING] Some slaves are in the same host as their master",
            "   slots:[0-5460] (5461 slots) master",
            "   replicates ",
            "Can I set the above configuration? (type 'yes' to accept): ",
            ">>> Nodes configuration updated",
            ">>> Assign a different config epoch to each node",
            ">>> Sending CLUSTER MEET messages to join the cluster",
            "Waiting for the cluster to join",
            &format!(">>> Performing Cluster Check (using node {})", nodes[0]),
            "   1 additional replica(s)",
            "[OK] All nodes agree about slots configuration.",
            ">>> Check for open slots...",
            ">>> Check slots coverage...",
            "[OK] All 16384 slots covered.",
        ]);
        becomes_well(&nodes[0]);
        let (host, port) = nodes[4].split_once(':').unwrap();
        trib(&["check", host, port]).expect(0).shows(&[
            "[OK] 0 keys in 3 masters.",
            "   slots: (0 slots) slave\n   replicates ",
            "[OK] All 16384 slots covered.",
        ]);
        let ids = masters(&nodes[0]);
        let (from, to) = (ids[0].as_str(), ids[2].as_str());
        let reshard = ["reshard", &nodes[1], "--from", from, "--to", to, "--slots", "100", "--yes"];
        let moved = trib(&reshard).expect(0).shows(&["Ready to move 100 slots.", "[OK] Moved 100 slots"]);
        assert!(!moved.stdout.contains("Moving slot "), "nobody reads that: {}", moved.stdout);
        let checked = trib(&["check", &nodes[0], "--json"]).expect(0);
        let nodes = document(&checked)["nodes"].clone();
        let target = nodes.as_array().unwrap().iter().find(|node| node["id"] == to).unwrap();
        assert_eq!(target["slots"], serde_json::json!(["0-99", "10923-16383"]));
    }
}

fn cluster() -> TempLab {
    TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap()
}

#[test]
fn questions_are_asked_until_they_are_answered() {
    let lab = cluster();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    let answers = format!("x\n5\nnobody\n{}\n{}\ndone\nno\n", ids[1], ids[0]);
    trib_with(&answers, &["--cluster", "reshard", seed]).expect(1).shows(&[
        "How many slots do you want to move (from 1 to 16384)? ",
        "How many slots do you want to move (from 1 to 16384)? ",
        "What is the receiving node ID? ",
        "*** The specified node (nobody) is not known or not a master, please retry.",
        "What is the receiving node ID? ",
        "Please enter all the source node IDs.",
        "  Type 'all' to use all the nodes as source nodes for the hash slots.",
        "  Type 'done' once you entered all the source nodes IDs.",
        "Source node #1: ",
        "Source node #2: ",
        "Ready to move 5 slots.",
        "Do you want to proceed with the proposed reshard plan (yes/no)? ",
    ]);
    trib(&["reshard", seed]).expect(1).complains(&["nobody answers"]);
    trib(&["reshard", seed, "--json", "--from", "all"]).expect(1).complains(&["--slots"]);
    let slots = trib(&["list", seed]).stdout;
    assert!(slots.contains("[0-5460]\n"), "nothing has moved: {slots}");
}

#[test]
fn a_dry_run_changes_nothing() {
    let lab = cluster();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    let line = ["reshard", seed, "--from", "all", "--to", &ids[0], "--slots", "10", "--dry-run"];
    trib(&line).expect(0).shows(&["Ready to move 10 slots."]);
    let planned = trib(&[&line[..], &["--json"]].concat()).expect(0);
    assert_eq!(document(&planned)["slot_count"], 10);
    trib(&["del-node", seed, "--dry-run"]).expect(1).complains(&["is not empty", "--drain"]);
    assert_eq!(masters(seed), ids);
}

#[test]
fn events_are_one_a_line() {
    let lab = cluster();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    let line =
        ["reshard", seed, "--from", &ids[1], "--to", &ids[0], "--slots", "7", "--yes", "--json"];
    let told = trib(&line).expect(0).stdout;
    let events: Vec<serde_json::Value> =
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.first().unwrap()["event"], "migration-started");
    assert_eq!(events.last().unwrap()["event"], "migrated");
    assert_eq!(events.last().unwrap()["slots"], 7);
}

#[test]
fn wrong_use_is_one_line_and_changes_nothing() {
    let lab = cluster();
    let nodes = addresses(&lab);
    let seed = nodes[0].as_str();
    let nobody = "0123456789012345678901234567890123456789";
    let ids = masters(seed);
    let own = ids[0].as_str();
    let bare = TempLab::nodes(&TestServer::named("redis-7.0").unwrap(), 2).unwrap();
    let plain = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let (bare, plain) = (addresses(&bare), addresses(&plain));
    for (line, expected) in [
        (
            vec!["check", "127.0.0.1:1"],
            &["127.0.0.1:1: cannot connect", "is the server running"][..],
        ),
        (vec!["check", "host.invalid:7000"], &["host.invalid:7000", "does not resolve"]),
        (vec!["check", &plain[0]], &[&plain[0], "not in cluster mode", "cluster-enabled yes"]),
        (vec!["create", &bare[0], &bare[1]], &["Not without a yes"]),
        (
            vec!["create", &bare[0], &bare[1], "--replicas", "2"],
            &["at least 1 masters", "at least 3 nodes", "2 are given"],
        ),
        (vec!["create", &bare[0], &bare[1], &bare[0]], &[&bare[0], "twice"]),
        (vec!["create", &bare[0], &bare[1], seed], &[seed, "is not empty"]),
        (vec!["create", &bare[0], &bare[1], &plain[0]], &[&plain[0], "not in cluster mode"]),
        (
            vec!["reshard", seed, "--from", "all", "--to", nobody, "--slots", "1"],
            &[nobody, "not known"],
        ),
        (
            vec!["reshard", seed, "--from", nobody, "--to", own, "--slots", "1"],
            &[nobody, "not known"],
        ),
        (vec!["reshard", seed, "--from", own, "--to", own, "--slots", "1"], &["target"]),
        (vec!["add-node", &plain[0], seed], &[&plain[0], "not in cluster mode"]),
        (vec!["add-node", &bare[0], seed, "--replica", "--master-id", nobody], &[nobody]),
        (vec!["del-node", seed, nobody], &[nobody, "redis-trib list"]),
        (vec!["backup", seed, "/proc/no/such/folder"], &["/proc/no/such/folder"]),
        (vec!["lab", "status", "--dir", "/no/such/folder"], &["no lab in /no/such/folder"]),
    ] {
        let told = trib(&line);
        assert_eq!(told.code, 1, "{line:?}: {} {}", told.stdout, told.stderr);
        told.complains(expected);
    }
    trib(&["check", seed]).expect(0);
    trib(&["create", "--replicas", "x", seed]).expect(2);
    let told = trib(&["set-timeout", seed, "99"]).expect(2);
    assert!(told.stderr.contains("100 milliseconds"), "{}", told.stderr);
    trib(&["chekc", seed]).expect(2).complains(&["the nearest is check"]);
}

#[test]
fn a_node_that_is_down_is_a_finding() {
    let lab = cluster();
    let nodes = addresses(&lab);
    lab.kill(2);
    trib(&["check", &nodes[0]]).expect(1).shows(&["[ERR] ", &nodes[2], "does not answer"]);
    let checked = trib(&["check", &nodes[0], "--json"]).expect(1);
    let document = document(&checked);
    assert_eq!(document["healthy"], false);
    let findings = document["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["finding"] == "unreachable"), "{findings:?}");
    trib(&["list", &nodes[0]]).expect(1).shows(&["3 masters, 1 fail", "unreachable"]);
}

#[test]
fn open_slots_are_told_in_redis_clis_words() {
    let lab = cluster();
    let nodes = addresses(&lab);
    let ids = masters(&nodes[0]);
    let mut connection = Connection::open(&lab.endpoints()[0], &Settings::default()).unwrap();
    let open =
        Command::new("CLUSTER").arg("SETSLOT").arg(100_u16).arg("MIGRATING").arg(ids[1].as_str());
    connection.call(&open).unwrap();
    trib(&["check", &nodes[0]]).expect(1).shows(&[
        &format!("[WARNING] Node {} has slots in migrating state 100.", nodes[0]),
        "[WARNING] The following slots are open: 100.",
    ]);
    let line = ["--cluster", "fix", &nodes[0]];
    trib(&["fix", &nodes[0], "--dry-run"]).expect(0).shows(&["*** slot 100: "]);
    trib(&["check", &nodes[0]]).expect(1);
    trib(&line).expect(0).shows(&[
        "*** slot 100: ",
        "[OK] All nodes agree",
        "[OK] All 16384 slots covered.",
    ]);
    trib(&line).expect(0).shows(&["[OK] Nothing to mend."]);
}

#[test]
fn what_was_left_open_is_mended_before_slots_move() {
    let lab = cluster();
    let nodes = addresses(&lab);
    let ids = masters(&nodes[0]);
    let mut source = Connection::open(&lab.endpoints()[0], &Settings::default()).unwrap();
    let mut target = Connection::open(&lab.endpoints()[1], &Settings::default()).unwrap();
    let open = |state: &str, peer: &str| {
        Command::new("CLUSTER").arg("SETSLOT").arg(100_u16).arg(state).arg(peer.to_owned())
    };
    target.call(&open("IMPORTING", &ids[0])).unwrap();
    source.call(&open("MIGRATING", &ids[1])).unwrap();
    let line = ["reshard", &nodes[0], "--from", &ids[0], "--to", &ids[2], "--slots", "5"];
    // The peers do not mend on the way, whatever they are allowed.
    let theirs = ["--cluster-yes", "--cluster", "rebalance", &nodes[0]];
    trib(&theirs).expect(1).complains(&["*** Please fix your cluster problems before rebalancing"]);
    let (from, to) = (&ids[0], &ids[2]);
    let theirs = [
        "--cluster",
        "reshard",
        &nodes[0],
        "--cluster-from",
        from,
        "--cluster-to",
        to,
        "--cluster-slots",
        "5",
    ];
    trib(&theirs).expect(1).complains(&["*** Please fix your cluster problems before resharding"]);
    trib_with("no\n", &line)
        .expect(1)
        .shows(&["[ERR] slot 100 open", "Can I mend the open slots first?"])
        .complains(&["Not without a yes", "--yes"]);
    trib_with("yes\nyes\n", &line).expect(0).shows(&[
        "*** slot 100: a migration was interrupted",
        "[OK] All nodes agree about slots configuration.",
        "Ready to move 5 slots.",
        "[OK] Moved 5 slots",
    ]);
    trib(&["check", &nodes[0]]).expect(0);
}

/// What restores a backup of redis-cli's restores ours.
#[test]
fn a_backup_tells_the_nodes_as_redis_clis_does() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&server, 3, 1).unwrap();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    let say = |words: &[&str]| {
        let mut link = Connection::open(&lab.endpoints()[0], &Settings::default()).unwrap();
        link.call(&Command::from_args(words)).unwrap();
    };
    let nodes = |folder: &tempfile::TempDir| {
        let text = std::fs::read(folder.path().join("nodes.json")).unwrap();
        let mut nodes: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        nodes.sort_by_key(|node| node["name"].to_string());
        nodes
    };
    let redis_cli = server.tool("redis-cli").unwrap();
    for open in [false, true] {
        let (their, our) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        if open {
            say(&["CLUSTER", "DELSLOTS", "7"]);
            say(&["CLUSTER", "SETSLOT", "5", "MIGRATING", &ids[1]]);
        }
        let args = ["--cluster", "backup", seed];
        let mut theirs = std::process::Command::new(&redis_cli);
        assert!(theirs.args(args).arg(their.path()).output().unwrap().status.success());
        let ours = trib(&["backup", seed, our.path().to_str().unwrap()]).expect(0);
        assert_eq!(ours.stdout.contains("Cluster seems to have some problems"), open);
        let (mut their, mut our) = (nodes(&their), nodes(&our));
        // How many errors there are is a matter of counting.
        let errors = |nodes: &mut Vec<serde_json::Value>| {
            let remove =
                |node: &mut serde_json::Value| node.as_object_mut()?.remove("cluster_errors");
            nodes.iter_mut().filter_map(remove).count()
        };
        assert_eq!(errors(&mut their), errors(&mut our));
        assert_eq!(their, our);
    }
}

/// Theirs ask, or refuse; redis-trib.py's never needed three.
#[test]
fn a_cluster_may_be_smaller_than_is_safe() {
    let server = TestServer::named("redis-7.0").unwrap();
    let nodes = TempLab::nodes(&server, 2).unwrap();
    let nodes = addresses(&nodes);
    let create = ["--cluster", "create", &nodes[0], &nodes[1]];
    let question = "A cluster requires at least 3 masters for automatic failover. Are you sure? (type 'yes' to accept): ";
    trib_with("no\n", &create).expect(1).shows(&[question]).complains(&["Not without a yes"]);
    trib_with("yes\nyes\n", &create).expect(0).shows(&[
        question,
        "Can I set the above configuration?",
        "[OK] All 16384 slots covered.",
    ]);

    let agreed = TempLab::nodes(&server, 1).unwrap();
    let node = addresses(&agreed).remove(0);
    trib(&["--cluster-yes", "--cluster", "create", &node]).expect(0);

    let named_again = TempLab::nodes(&server, 2).unwrap();
    let [one, other] = [0, 1].map(|index| addresses(&named_again)[index].clone());
    trib(&["start_multi", &one, &other, &one]).expect(0).shows(&["[OK] All 16384 slots covered."]);
    trib(&["list", &one]).expect(0).shows(&["Total 2 nodes, 2 masters"]);
}

on_each_test_server! {
    /// What follows the verb is a client that finds the new node ready.
    fn a_new_node_serves_when_the_verb_has_ended(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let spare = TempLab::nodes(server, 2).unwrap();
        let (nodes, spare) = (addresses(&lab), addresses(&spare));
        let ask = |node: &str, words: &str| {
            let mut link = Connection::open(&node.parse().unwrap(), &Settings::default()).unwrap();
            let reply = link.call(&Command::from_args(words.split(' '))).unwrap();
            reply.view().as_str().unwrap().to_owned()
        };
        trib(&["add-node", &spare[0], &nodes[0]]).expect(0);
        assert!(ask(&spare[0], "CLUSTER INFO").contains("cluster_state:ok"), "{}", server.name);
        trib(&["replicate", &nodes[0], &spare[1]]).expect(0);
        let replication = ask(&spare[1], "INFO replication");
        assert!(replication.contains("master_link_status:up"), "{}: {replication}", server.name);
        assert!(ask(&spare[1], "CLUSTER INFO").contains("cluster_state:ok"), "{}", server.name);
    }
}

on_each_test_server! {
    /// What follows the verb is a client that writes, to whichever slots.
    fn a_new_cluster_serves_when_the_verb_has_ended(server) {
        let lab = TempLab::nodes(server, 6).unwrap();
        let nodes = addresses(&lab);
        let mut line = vec!["create", "--replicas", "1", "--yes"];
        line.extend(nodes.iter().map(String::as_str));
        trib(&line).expect(0);
        let set = |key: usize| {
            let (key, node) = (format!("key:{key}"), &nodes[key % 6]);
            trib(&["exec", "-c", node, "SET", &key, "value"]).expect(0).shows(&["OK"]);
        };
        (0..12).for_each(set);
        let check = trib(&["check", &nodes[0], "--json"]).expect(0).stdout;
        assert!(!check.contains("replica-link-down"), "{}: {check}", server.name);
    }
}

#[test]
fn dead_nodes_that_nobody_would_miss_are_forgotten_at_once() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.6").unwrap(), 3, 1).unwrap();
    let nodes = addresses(&lab);
    let seed = &nodes[0];
    trib(&["forget-failed", seed]).expect(0).shows(&["[OK] 0 dead nodes"]);
    trib(&["forget-failed", seed, "--dry-run"]).expect(0).shows(&["nothing to do"]);
    let list = trib(&["list", seed]).expect(0).stdout;
    let is_replica = |node: &&String| {
        list.lines().any(|it| it.contains(&***node) && it.trim_start().starts_with("S "))
    };
    let mut dead: Vec<&String> = nodes.iter().filter(is_replica).collect();
    assert_eq!(dead.len(), 3, "{list}");
    let owner = nodes.iter().skip(1).find(|node| !dead.contains(node)).unwrap();
    dead.push(owner);
    for node in &dead {
        assert!(lab.kill(nodes.iter().position(|it| it == *node).unwrap()));
    }
    let planned = || trib(&["forget-failed", seed, "--dry-run"]).stdout;
    let since = std::time::Instant::now();
    while planned().matches("would be forgotten").count() < 3
        || !planned().contains("stays: it owns")
    {
        assert!(since.elapsed().as_secs() < 60, "{}", planned());
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let told = trib(&["forget-failed", seed]).expect(1);
    let told = told.shows(&["stays: it owns", "[OK] 3 dead nodes have been forgotten."]);
    assert!(dead.iter().all(|node| told.stdout.contains(&***node)), "{}", told.stdout);
    trib(&["list", seed]).shows(&["Total 3 nodes"]);
}

#[test]
fn nodes_are_named_as_people_name_them() {
    let lab = cluster();
    let spare = TempLab::nodes(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let (nodes, spare) = (addresses(&lab), addresses(&spare));
    let port = |node: &str| node.rsplit_once(':').unwrap().1.to_owned();
    let ids = masters(&nodes[0]);
    let prefix = &ids[1][..10];
    let words = ["reshard", &nodes[0], "--from", &port(&nodes[0]), "--to", prefix, "--slots", "2"];
    trib(&[&words[..], &["--yes"]].concat()).expect(0).shows(&["[OK] Moved 2 slots"]);
    let localhost = format!("localhost:{}", port(&nodes[1]));
    let words = ["--cluster-from", &localhost, "--cluster-to", &nodes[0], "--cluster-slots", "2"];
    let words = [&["--cluster", "reshard", &nodes[0]][..], &words, &["--cluster-yes"]].concat();
    trib(&words).expect(0).shows(&["[OK] Moved 2 slots"]);
    let answers = format!("{}\n{}\ndone\nyes\n", port(&nodes[0]), port(&nodes[1]));
    trib_with(&answers, &["reshard", &nodes[0], "--slots", "2"])
        .expect(0)
        .shows(&["What is the receiving node ID? ", "[OK] Moved 2 slots"]);
    let weight = format!("{}=1", nodes[2]);
    trib(&["rebalance", &nodes[0], "--weight", &weight]).expect(0).shows(&["No rebalancing"]);
    let words = ["add-node", &spare[0], &nodes[0], "--replica", "--master-id", &port(&nodes[2])];
    trib(&words).expect(0);
    trib(&["del-node", &nodes[0], "127.0.0.1"]).expect(1).complains(&[
        &ids[0],
        &ids[1],
        &nodes[2],
        "write more of it",
    ]);
    trib(&["del-node", &nodes[0], "nobody:1"]).expect(1).complains(&["No such node ID nobody:1"]);
    trib(&["del-node", &nodes[0], &spare[0]]).expect(0).shows(&["removed from the cluster."]);
}

#[test]
fn nodes_come_and_go() {
    let lab = cluster();
    let spare = TempLab::nodes(&TestServer::named("redis-7.0").unwrap(), 2).unwrap();
    let (nodes, spare) = (addresses(&lab), addresses(&spare));
    trib(&["add-node", &spare[0], &nodes[0]])
        .expect(0)
        .shows(&[">>> Adding node ", "[OK] New node added correctly."]);
    trib(&["--cluster", "add-node", &spare[1], &nodes[0], "--cluster-slave"])
        .expect(0)
        .shows(&["Automatically selected master ", "[OK] New node added correctly."]);
    trib(&["list", &nodes[0]]).expect(0).shows(&["Total 5 nodes, 4 masters, 0 fail"]);
    // As for redis-cli, a weight of a replica means nothing: its master may have lost its slots to others.
    let replica = Connection::open(&spare[1].parse().unwrap(), &Settings::default())
        .unwrap()
        .call(&Command::new("CLUSTER").arg("MYID"))
        .unwrap();
    let weight = format!("{}=.01", replica.view().as_str().unwrap());
    trib(&["--cluster", "rebalance", &nodes[0], "--cluster-weight", &weight])
        .expect(0)
        .shows(&["is a replica: its weight changes nothing", "No rebalancing needed!"]);
    trib(&["del-node", &spare[0]]).expect(0).shows(&[">>> Sending CLUSTER FORGET messages"]);
    trib(&["list", &nodes[0]]).expect(0).shows(&["Total 4 nodes, 3 masters, 0 fail"]);
    trib(&["set-timeout", &nodes[0], "3000"]).expect(0).shows(&["4 OK, 0 ERR."]);
    let folder = tempfile::tempdir().unwrap();
    trib(&["backup", &nodes[0], folder.path().to_str().unwrap()])
        .expect(0)
        .shows(&["[OK] Backup created"]);
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        5,
        "three masters, nodes.json and the manifest"
    );
}

/// The console of redis-trib.py from `start` to `shutdown`.
#[test]
fn redis_trib_pys_console_works_from_start_to_end() {
    let lab = TempLab::nodes(&TestServer::named("valkey-8.1").unwrap(), 4).unwrap();
    let nodes = addresses(&lab);
    trib(&["start", &nodes[0]]).expect(0).shows(&["[OK] All 16384 slots covered."]);
    trib(&["join", &nodes[0], &nodes[1]]).expect(0).shows(&["[OK] Moved 8192 slots"]);
    trib(&["join_no_load", &nodes[0], &nodes[2]]).expect(0).shows(&["[OK] New node added"]);
    trib(&["replicate", &nodes[1], &nodes[3]]).expect(0).shows(&["[OK] New node added"]);
    trib(&["list", "--addr", &nodes[0]]).expect(0).shows(&["Total 4 nodes, 3 masters, 0 fail"]);
    let line = ["migrate", "--src-addr", &nodes[0], "--dst-addr", &nodes[2], "8192", "8194-8197"];
    trib(&line).expect(0).shows(&["[OK] Moved 5 slots"]);
    // What an interrupted run has moved already is no reason to refuse the rest.
    trib(&["migrate_slots", &nodes[0], &nodes[2], "8192-8193"])
        .expect(0)
        .shows(&["[OK] Moved 1 slot ("]);
    trib(&["migrate_slots", &nodes[0], &nodes[2], "8192-8193"])
        .expect(0)
        .shows(&["owns these slots already"]);
    trib(&["migrate_slots", &nodes[1], &nodes[0], "8192"])
        .expect(1)
        .complains(&["does not own slots 8192"]);
    trib(&["quit", &nodes[3]]).expect(0);
    trib(&["quit", &nodes[2]]).expect(0).shows(&["[OK] Node ", "removed from the cluster."]);
    trib(&["quit", &nodes[1]]).expect(0);
    trib(&["quit", &nodes[0]]).expect(1).complains(&["the last master"]);
    trib(&["list", &nodes[0]]).expect(0).shows(&["Total 1 nodes, 1 masters", "[0-16383]"]);
    trib(&["shutdown", &nodes[0]]).expect(0).shows(&["has ended"]);
    trib(&["check", &nodes[0]]).expect(1);
}

#[test]
fn slots_are_shared_by_weight() {
    let lab = cluster();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    trib(&["rebalance", seed])
        .expect(0)
        .shows(&["*** No rebalancing needed! All nodes are within the 2.00% threshold."]);
    let weight = format!("{}=2", &ids[0][..8]);
    let simulated =
        ["--cluster", "rebalance", seed, "--cluster-weight", &weight, "--cluster-simulate"];
    trib(&simulated).expect(0).shows(&["Total weight = 4.00", "Moving 1366 slots from "]);
    trib(&simulated[..5]).expect(0).shows(&["[OK] Moved 2731 slots"]);
    let slots = trib(&["list", seed, "--json"]).expect(0);
    let mut counts: Vec<_> = document(&slots)["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["slot_count"].as_u64().unwrap())
        .collect();
    counts.sort();
    assert_eq!(counts, [4096, 4096, 8192]);
    trib(&["rebalance", seed, "--weight", "zz=1"]).expect(1).complains(&["no such master node zz"]);
}

#[test]
fn two_tools_do_not_change_one_cluster_at_once() {
    use redistrib_ops::lock::Lock;
    use redistrib_ops::{Cancel, Cluster, Context, Silent};
    let lab = cluster();
    let seed = &addresses(&lab)[0];
    let ids = masters(seed);
    let cluster = Cluster::discover(&lab.endpoints()[0], &Settings::default()).unwrap();
    let cancel = Cancel::new();
    let held = Lock::take(&cluster, "rebalance", Context::new(&Silent, &cancel)).unwrap();
    let line = ["reshard", seed, "--from", "all", "--to", &ids[0], "--slots", "5", "--yes"];
    trib(&line).expect(1).complains(&["`rebalance` is changing this cluster", "--no-lock"]);
    trib(&["check", seed]).expect(0);
    trib(&[&line[..], &["--no-lock"]].concat()).expect(0);
    // What is open may be the other's work: nobody is asked whether to mend it.
    let open = ["exec", seed, "CLUSTER", "SETSLOT", "5000", "MIGRATING", &ids[1]];
    trib(&open).expect(0);
    let told = trib_with("yes\n", &line).expect(1).complains(&["is changing this cluster"]);
    assert!(!told.stdout.contains("Can I mend"), "{}", told.stdout);
    drop(held);
    trib(&line).expect(0);
}

#[test]
fn keys_are_imported_into_a_cluster_and_copied_between_servers() {
    let server = TestServer::named("redis-7.0").unwrap();
    let (lab, plain) = (cluster(), TempLab::plain(&server, 2).unwrap());
    let (seed, plain_nodes) = (&addresses(&lab)[0], addresses(&plain));
    let mut source = Connection::open(&plain.endpoints()[0], &Settings::default()).unwrap();
    for number in 0..50 {
        source.call(&Command::new("SET").arg(format!("key:{number}")).arg(number)).unwrap();
    }
    trib(&["copy", &plain_nodes[0], &plain_nodes[1], "--dry-run"])
        .expect(0)
        .shows(&["50 keys would go to", "50 keys looked at: 50 would be copied"]);
    trib(&["copy", &plain_nodes[0], &plain_nodes[1], "--match", "key:1*"])
        .expect(0)
        .shows(&["[OK] Copied 11 keys"]);
    trib(&["copy", &plain_nodes[0], &plain_nodes[1], "--dry-run"])
        .expect(0)
        .shows(&["39 would be copied, 11 have a key of that name there"]);
    let import = ["--cluster", "import", seed, "--cluster-from", &plain_nodes[0], "--cluster-copy"];
    trib(&import).expect(0).shows(&[
        ">>> Importing data from ",
        "*** Importing 50 keys from DB 0",
        "[OK] Copied 50 keys",
    ]);
    trib(&["info", seed]).expect(0).shows(&["[OK] 50 keys in 3 masters."]);
    trib(&import[..5])
        .expect(0)
        .shows(&["50 were there already", "50 were removed from the source"]);
    source.call(&Command::new("SET").arg("key:1").arg("other")).unwrap();
    trib(&import).expect(1).shows(&["[ERR] 1 key was not copied:", "key:1", "BUSYKEY"]);
    trib(&[&import[..], &["--cluster-replace"]].concat()).expect(0).shows(&["[OK] Copied 1 key ("]);
}

#[test]
fn completions_and_man_pages_come_from_the_model() {
    for shell in ["bash", "zsh", "fish"] {
        trib(&["completions", shell]).expect(0).shows(&["reshard"]);
    }
    trib(&["man"]).expect(0).shows(&[".TH redis-trib 1", "migrate"]);
    trib(&["man", "reshard"]).expect(0).shows(&["redis\\-trib", "slots"]);
    trib(&["man", "lab", "up"]).expect(0).shows(&["\\-\\-nodes"]);
    trib(&["man", "nothing"]).expect(2).complains(&["no verb"]);
    trib(&["man", "status"]).expect(0).shows(&[
        ".SH EXAMPLES",
        "\\-\\-prometheus",
        ".SH ENVIRONMENT",
    ]);
    let folder = tempfile::tempdir().unwrap();
    trib(&["man", "--all", folder.path().to_str().unwrap()]).expect(0);
    let page = std::fs::read_to_string(folder.path().join("redis-trib-lab-up.1")).unwrap();
    assert!(page.contains("\\-\\-nodes"), "{page}");
    trib(&["help", "failover"])
        .expect(0)
        .shows(&["Examples:", "redis-trib failover 127.0.0.1:7003"]);
    trib(&["help", "quit"]).expect(0).shows(&["<HOST:PORT>  The node that leaves"]);
    trib(&["help"]).expect(0).shows(&["Exit codes: ", "Environment:", "REDISCLI_AUTH"]);
}

#[test]
fn a_command_goes_to_every_node() {
    let lab = TempLab::cluster(&TestServer::named("valkey-9.1").unwrap(), 3, 1).unwrap();
    let nodes = addresses(&lab);
    let all = trib(&["--cluster", "call", &nodes[0], "CONFIG", "GET", "maxmemory"]).expect(0);
    assert_eq!(all.stdout.matches(": maxmemory\n0\n").count(), 6, "{}", all.stdout);
    let masters = trib(&["call", "--only-masters", "--json", &nodes[0], "DBSIZE"]).expect(0);
    let replies: Vec<serde_json::Value> =
        masters.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(replies.len(), 3);
    assert!(nodes.iter().any(|node| replies[0]["node"] == node.as_str()));
    trib(&["call", &nodes[0], "NOSUCH\u{1b}[2J"])
        .expect(1)
        .shows(&["ERR unknown command", "\\x1b[2J"]);
}
