//! `create … && redis-cli -c set …`: a cluster that has just been made of servers that have just started serves clients, and
//! its replicas have their data.
//!
//! With `REDIS_TRIB_LONG=1` it is made a hundred times on each server.

use std::process::Command;

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::model::ServerInfo;
use redistrib_ops::{Cluster, on_each_test_server, server_info};

use crate::support::{addresses, trib};

/// A key of each third of the slots.
const KEYS: [&str; 3] = ["{b}", "{3300}", "{0}"];
/// What servers have unless a lab says otherwise.
const AS_SHIPPED: [&str; 2] = ["cluster-node-timeout 15000", "repl-diskless-sync-delay 5"];
const DELAY: &str = "repl-diskless-sync-delay";

/// Six servers just started, as they are shipped.
fn fresh(server: &TestServer) -> TempLab {
    TempLab::up(LabOptions {
        nodes: Some(6),
        replicas: Some(0),
        layout: Some(Layout::Nodes),
        server: Some(server.program.clone()),
        config: AS_SHIPPED.map(str::to_owned).to_vec(),
        ..LabOptions::default()
    })
    .unwrap()
}

/// Sets a key of each range as a user does, once.
fn set_all(cli: &std::path::Path, node: &str) -> bool {
    let (host, port) = node.rsplit_once(':').unwrap();
    KEYS.iter().all(|key| {
        let told = Command::new(cli).args(["-c", "-h", host, "-p", port, "set", key, "x"]).output();
        told.unwrap().stdout == b"OK\n"
    })
}

/// What the nodes tell of themselves.
fn told(lab: &TempLab) -> Vec<ServerInfo> {
    let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
    server_info::ask(&mut cluster, &[DELAY])
        .into_iter()
        .map(|told| told.unwrap().unwrap())
        .collect()
}

on_each_test_server! {
    fn a_cluster_that_was_created_serves(server) {
        let cli = TestServer::named("redis-7.0").unwrap().tool("redis-cli").unwrap();
        let is_long = std::env::var_os("REDIS_TRIB_LONG").is_some();
        for round in 0..if is_long { 100 } else { 1 } {
            let lab = fresh(server);
            let nodes = addresses(&lab);
            let words = nodes.iter().map(String::as_str);
            let create: Vec<&str> = ["create", "--replicas", "1", "--yes"].into_iter().chain(words).collect();
            let created = trib(&create).expect(0);
            for (at, node) in nodes.iter().enumerate() {
                let is_set = set_all(&cli, node);
                assert!(is_set, "{} round {round} by way of node {at}: {}", server.name, created.stdout);
            }
            let told = told(&lab);
            let linked = told.iter().filter(|it| it.field("master_link_status") == Some("up"));
            assert_eq!(linked.count(), 3, "{} round {round}: {}", server.name, created.stdout);
            let delays: Vec<_> = told.iter().map(|it| it.setting(DELAY)).collect();
            assert_eq!(delays, [Some("5"); 6], "what was set is set back");
            trib(&["check", &nodes[0]]).expect(0);
        }
    }
}
