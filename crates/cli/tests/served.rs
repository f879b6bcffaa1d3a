//! `create … && redis-cli -c set …`: a cluster that has just been made of servers that have just started serves clients, and
//! its replicas have their data.
//!
//! With `REDIS_TRIB_LONG=1` it is made a hundred times on each server.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod support;

use std::process::Command;

use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::resp::Command as Resp;
use redistrib_ops::{Connection, Settings, on_each_test_server};
use support::trib;

/// A key of each third of the slots.
const KEYS: [&str; 3] = ["{b}", "{3300}", "{0}"];
/// What servers have unless a lab says otherwise.
const AS_SHIPPED: [&str; 2] = ["cluster-node-timeout 15000", "repl-diskless-sync-delay 5"];
const DELAY: &str = "repl-diskless-sync-delay";

fn is_long() -> bool {
    std::env::var_os("REDIS_TRIB_LONG").is_some()
}

/// Six servers just started, as they are shipped.
fn fresh(server: &TestServer) -> TempLab {
    TempLab::up(Options {
        nodes: Some(6),
        replicas: Some(0),
        layout: Some(Layout::Nodes),
        server: Some(server.program.clone()),
        config: AS_SHIPPED.map(str::to_owned).to_vec(),
        ..Options::default()
    })
    .unwrap()
}

fn addresses(lab: &TempLab) -> Vec<String> {
    lab.endpoints().iter().map(ToString::to_string).collect()
}

/// Sets a key of each range as a user does, once.
fn set_all(cli: &std::path::Path, node: &str) -> bool {
    let (host, port) = node.rsplit_once(':').unwrap();
    KEYS.iter().all(|key| {
        let told = Command::new(cli).args(["-c", "-h", host, "-p", port, "set", key, "x"]).output();
        told.unwrap().stdout == b"OK\n"
    })
}

fn ask(lab: &TempLab, command: &Resp) -> Vec<String> {
    let endpoints = lab.endpoints();
    let ask = |endpoint| {
        let mut node = Connection::open(endpoint, &Settings::default()).unwrap();
        let reply = node.call(command).unwrap();
        let whole = reply.view().as_bytes().map(<[u8]>::to_vec);
        let words = || reply.elements().filter_map(|it| it.as_bytes().map(<[u8]>::to_vec));
        String::from_utf8(whole.unwrap_or_else(|| words().last().unwrap_or_default())).unwrap()
    };
    endpoints.iter().map(ask).collect()
}

/// Whether three of the nodes are replicas with a link.
fn are_linked(lab: &TempLab) -> bool {
    let told = ask(lab, &Resp::new("INFO").arg("replication"));
    told.iter().filter(|it| it.contains("master_link_status:up")).count() == 3
}

on_each_test_server! {
    fn a_cluster_that_was_created_serves(server) {
        let cli = TestServer::named("redis-7.0").unwrap().tool("redis-cli").unwrap();
        for round in 0..if is_long() { 100 } else { 1 } {
            let lab = fresh(server);
            let nodes = addresses(&lab);
            let words = nodes.iter().map(String::as_str);
            let create: Vec<&str> = ["create", "--replicas", "1", "--yes"].into_iter().chain(words).collect();
            let created = trib(&create).expect(0);
            for (at, node) in nodes.iter().enumerate() {
                let is_set = set_all(&cli, node);
                assert!(is_set, "{} round {round} by way of node {at}: {}", server.name, created.stdout);
            }
            assert!(are_linked(&lab), "{} round {round}: {}", server.name, created.stdout);
            assert_eq!(ask(&lab, &Resp::new("CONFIG").arg("GET").arg(DELAY)), ["5"; 6], "what was set is set back");
            trib(&["check", &nodes[0]]).expect(0);
        }
    }
}
