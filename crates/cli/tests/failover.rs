//! A replica takes the place of its master, which lives or is dead.

use redistrib_ops::lab::TempLab;
use redistrib_ops::on_each_test_server;
use serde_json::Value;

use crate::support::{becomes_well, trib, trib_with};

fn node(seed: &str, address: &str) -> Value {
    let told: Value = serde_json::from_str(&trib(&["list", seed, "--json"]).stdout).unwrap();
    told["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|node| node["address"] == address)
        .unwrap()
        .clone()
}

/// A replica of the node and the node's id.
fn replica_of(seed: &str, nodes: &[String], master: &str) -> (String, Value) {
    let id = node(seed, master)["id"].clone();
    let mut others = nodes.iter().filter(|it| it.as_str() != master);
    (others.find(|other| node(seed, other)["master"] == id).unwrap().clone(), id)
}

on_each_test_server! {
    fn a_replica_takes_the_place_of_its_master(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
        let (seed, master) = (nodes[1].as_str(), nodes[0].as_str());
        let (replica, id) = replica_of(seed, &nodes, master);
        trib(&["exec", "-c", seed, "SET", "{3300}", "kept"]).expect(0);

        trib(&["failover", master]).expect(1).complains(&[master, "is a master already"]);
        let plan = trib(&["failover", &replica, "--dry-run"]).expect(0);
        assert_eq!(plan.stdout, format!("{replica} would take over 5461 slots from {master}\n"));
        assert_eq!(node(seed, &replica)["role"], "replica", "a plan changes nothing");

        let done = trib(&["failover", &replica, "--json"]).expect(0);
        let done: Value = serde_json::from_str(done.stdout.lines().last().unwrap()).unwrap();
        assert_eq!((&done["event"], &done["mode"]), (&"failed-over".into(), &"agreed".into()));
        assert_eq!((&done["master"]["id"], &done["slots"]), (&id, &serde_json::json!(["0-5460"])));
        // Redis 6.2.5 by itself holds writes for 10 s.
        assert!((1..9_000_000).contains(&done["held_up_us"].as_u64().unwrap()), "{done}");
        let now = node(seed, &replica);
        assert_eq!((&now["role"], &now["slots"]), (&"master".into(), &serde_json::json!(["0-5460"])));
        assert_eq!(node(seed, master)["master"], now["id"], "the old master follows");
        trib(&["exec", "-c", seed, "GET", "{3300}"]).expect(0).shows(&["kept"]);

        // And back, in text.
        becomes_well(seed);
        trib(&["failover", master]).expect(0).shows(&[
            &format!(">>> Letting {master} take the place of {replica}"),
            &format!("[OK] {master} is the master of 5461 slots in place of {replica}"),
            "the writes of a probe were held up for ",
        ]);
        becomes_well(seed);
        without_its_master((&lab, server.name), &nodes, seed, master, &replica);
    }
}

/// The master dies, and its replica does not take over by itself.
fn without_its_master(
    (lab, server): (&TempLab, &str),
    nodes: &[String],
    seed: &str,
    master: &str,
    replica: &str,
) {
    let setting = ["cluster-replica-no-failover", "yes"];
    trib(&[&["exec", replica, "CONFIG", "SET"], &setting[..]].concat()).expect(0);
    lab.kill(nodes.iter().position(|it| it == master).unwrap());
    let since = std::time::Instant::now();
    let ill = loop {
        let told: Value = serde_json::from_str(&trib(&["check", seed, "--json"]).stdout).unwrap();
        let mut findings = told["findings"].as_array().unwrap().iter();
        // The others have to hold the master for failed, or there is no vote.
        if findings.clone().any(|it| it["finding"] == "failed") {
            break findings.find(|it| it["finding"] == "replica-of-failed").unwrap().clone();
        }
        assert!(since.elapsed().as_secs() < 60, "{told}");
    };
    let step = format!("redis-trib failover {replica} --force`");
    assert!(ill["next_step"].as_str().unwrap().contains(&step), "{ill}");
    trib(&["failover", replica]).expect(1).complains(&["cannot connect", "--force", "--takeover"]);
    if server == "redis-8.6" {
        // A majority of masters lives, and votes.
        trib(&["failover", replica, "--force"])
            .expect(0)
            .shows(&["[OK] ", " is the master of 5461 slots"]);
    } else {
        taken_over(seed, replica);
    }
    let told: Value = serde_json::from_str(&trib(&["check", seed, "--json"]).stdout).unwrap();
    let codes =
        told["findings"].as_array().unwrap().iter().map(|it| it["finding"].as_str().unwrap());
    assert!(codes.clone().all(|code| code != "unserved" && code != "replica-of-failed"), "{told}");
}

/// Nobody is asked but who sits at the terminal.
fn taken_over(seed: &str, replica: &str) {
    let takeover = ["failover", replica, "--takeover"];
    trib_with("no\n", &takeover)
        .expect(1)
        .shows(&["take over 5461 slots", "(type 'yes' to accept)"]);
    assert_eq!(node(seed, replica)["role"], "replica");
    trib(&["failover", replica, "--takeover", "--json"]).expect(1).complains(&["--yes"]);
    trib_with("yes\n", &takeover).expect(0).shows(&["[OK] ", " is the master of 5461 slots"]);
}

/// Two of three masters are dead: nobody can be elected, and the error says what can be done.
#[test]
fn a_replica_that_no_majority_can_elect_takes_over_without_votes() {
    let lab = TempLab::cluster(&redistrib_ops::lab::TestServer::named("redis-7.0").unwrap(), 3, 1);
    let lab = lab.unwrap();
    let nodes: Vec<String> = lab.endpoints().iter().map(ToString::to_string).collect();
    let (replica, id) = replica_of(&nodes[0], &nodes, &nodes[0]);
    assert!(lab.kill(1) && lab.kill(2));
    trib(&["failover", &replica, "--force", "--yes"]).expect(1).complains(&[
        &replica,
        "has not been elected, for which a majority of masters has to vote",
        "--takeover",
    ]);
    assert_eq!(node(&replica, &replica)["master"], id, "nothing has changed");
    trib(&["failover", &replica, "--takeover", "--yes"]).expect(0);
    assert_eq!(node(&replica, &replica)["role"], "master");
}
