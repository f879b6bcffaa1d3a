//! A new node takes the place of an old one.

use std::thread;
use std::time::Duration;

use redistrib_benches::load::{Load, LoadOptions};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::on_each_test_server;
use serde_json::Value;

use crate::support::{addresses, becomes_well, program, trib};

/// The node at the address, as another sees it; null where it knows none there.
fn node(seed: &str, address: &str) -> Value {
    let told: Value = serde_json::from_str(&trib(&["list", seed, "--json"]).stdout).unwrap();
    let nodes = told["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["address"] == address).cloned().unwrap_or_default()
}

/// Clients that write all the time. None reads meanwhile: in a failover the old master answers reads until it hears of the new
/// one.
fn writers(lab: &TempLab) -> Load {
    let ports: Vec<u16> =
        addresses(lab).iter().map(|it| it.rsplit(':').next().unwrap().parse().unwrap()).collect();
    Load::start(&ports, LoadOptions { outages: true, readers: 0, ..LoadOptions::default() })
}

on_each_test_server! {
    fn a_new_node_takes_the_place_of_an_old_one(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let spare = TempLab::nodes(server, 1).unwrap();
        let (nodes, new) = (addresses(&lab), addresses(&spare).remove(0));
        let (old, seed) = (nodes[0].as_str(), nodes[1].as_str());
        let load = writers(&lab);

        let plan = trib(&["replace", old, &new, "--dry-run"]).expect(0);
        let told = format!("{new} would take the place of {old}, with its 5461 slots; that leaves the cluster and is reset\n");
        assert_eq!(plan.stdout, told);
        assert_eq!(node(seed, &new), Value::Null, "a plan changes nothing");

        let done = trib(&["replace", old, &new, "--json"]).expect(0);
        let done: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&done["event"], &done["slots"]), (&"replaced".into(), &serde_json::json!(["0-5460"])));
        let now = node(seed, &new);
        assert_eq!((&now["role"], &now["slots"]), (&"master".into(), &serde_json::json!(["0-5460"])));
        assert_eq!(node(seed, old), Value::Null, "the old one has left");
        let told: Value = serde_json::from_str(&trib(&["list", seed, "--json"]).stdout).unwrap();
        let follow = |node: &&Value| node["master"] == now["id"];
        assert_eq!(told["nodes"].as_array().unwrap().iter().filter(follow).count(), 1);
        becomes_well(seed);
        // Said once more, it is not the new one that should leave its cluster.
        let again = trib(&["replace", old, &new]).expect(1);
        again.complains(&["has taken the place already", &format!("`redis-trib list {new}`")]);

        // And back, by way of another node; the new one stays.
        trib(&["replace", seed, old, &new, "--keep"]).expect(0).shows(&[
            &format!("[OK] {old} has taken the place of {new}; the writes of a probe were held up for "),
        ]);
        assert_eq!(node(seed, &new)["master"], node(seed, old)["id"]);
        becomes_well(seed);
        let told = load.finish();
        assert!(told.complaints.is_empty(), "{:?}", told.complaints);
    }
}

/// Whatever moment the tool is killed at, the same command finishes, and nothing is lost.
#[test]
fn killed_and_run_again() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let lab = TempLab::cluster(&server, 3, 1).unwrap();
    let spare = TempLab::nodes(&server, 1).unwrap();
    let [mut old, mut new] = [addresses(&lab).remove(0), addresses(&spare).remove(0)];
    let seed = addresses(&lab).remove(1);
    let load = writers(&lab);
    for after in [40, 150, 300, 500, 700, 900] {
        let mut run = program().args(["replace", &old, &new]).spawn().unwrap();
        // A moment is what is tried here.
        thread::sleep(Duration::from_millis(after));
        run.kill().unwrap();
        run.wait().unwrap();
        // Done to its end, the old one is alone.
        if node(&seed, &old) != Value::Null {
            trib(&["replace", &old, &new]).expect(0);
        }
        let now = node(&seed, &new);
        assert_eq!(now["slots"], serde_json::json!(["0-5460"]), "after {after} ms: {now}");
        assert_eq!(node(&seed, &old), Value::Null, "after {after} ms");
        becomes_well(&seed);
        std::mem::swap(&mut old, &mut new);
    }
    let told = load.finish();
    assert!(told.complaints.is_empty(), "{:?}", told.complaints);
}

/// A master that waits for more replicas before it sends its data, an hour here, does not wait for the only one that comes.
#[test]
fn a_master_sends_its_data_at_once() {
    const DELAY: &str = "repl-diskless-sync-delay";
    let server = TestServer::named("redis-8.6").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let spare = TempLab::nodes(&server, 1).unwrap();
    let [old, new] = [&lab, &spare].map(|lab| addresses(lab).remove(0));
    trib(&["exec", &old, "CONFIG", "SET", DELAY, "3600"]).expect(0);

    trib(&["replace", &old, &new]).expect(0).shows(&["Replicas get their data at once"]);
    let delay = trib(&["exec", &old, "CONFIG", "GET", DELAY]).expect(0);
    assert!(delay.stdout.contains("3600"), "the setting is what it was: {}", delay.stdout);
}

/// What would never be in step, or would lose keys once it is master, does not come in.
#[test]
fn a_node_that_cannot_carry_it_is_refused() {
    let server = TestServer::named("redis-8.6").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let [old, other, _] = addresses(&lab).try_into().unwrap();
    trib(&["exec", "-c", &old, "SETRANGE", "bar", "4194304", "v"]).expect(0);
    let spare = TempLab::nodes(&server, 1).unwrap();
    let older = TempLab::nodes(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let [new, aged] = [&spare, &older].map(|lab| addresses(lab).remove(0));

    trib(&["exec", &new, "CONFIG", "SET", "maxmemory", "4mb"]).expect(0);
    trib(&["replace", &old, &new, "--dry-run"]).expect(1).complains(&[&new, "maxmemory"]);
    trib(&["replace", &old, &new]).expect(1).complains(&[&new, "maxmemory"]);
    trib(&["replace", &old, &aged]).expect(1).complains(&[&aged]);
    trib(&["replace", &old, &other]).expect(1).complains(&["is a member of the cluster already"]);
    trib(&["replace", &old, &old]).expect(1).complains(&["name another one"]);
    for stranger in [&new, &aged] {
        assert_eq!(node(&old, stranger), Value::Null, "{stranger}");
    }

    // A node that has died has no data to give: it is said what brings the new one in then.
    lab.kill(0);
    for line in [&["replace", &old, &new][..], &["replace", &other, &new, &old]] {
        let needed = format!("{old} cannot be replaced, since the data come from it");
        trib(line).expect(1).complains(&[&needed, "forget-failed", "add-node"]);
    }
}
