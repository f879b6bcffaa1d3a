//! `create … && redis-cli -c set …`: a cluster that has just been made of servers that have just started serves clients, and
//! its replicas have their data.
//!
//! With `REDIS_TRIB_LONG=1` it is made a hundred times on each server, and the times are printed beside redis-cli's.

#![allow(clippy::unwrap_used)] // A test that cannot go on fails.

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::resp::Command as Resp;
use redistrib_ops::{Connection, Settings, on_each_test_server};
use support::{program, trib};

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

/// Prints when each tool ends, when all slots are served and when the replicas are linked, from the first command.
#[test]
fn times_beside_peers() {
    if !is_long() {
        return;
    }
    let tool = |name| TestServer::named(name).unwrap().tool("redis-cli").unwrap();
    let peers = [("redis-cli 7.0", tool("redis-7.0")), ("redis-cli 8.6", tool("redis-8.6"))];
    for name in TestServer::NAMES {
        let server = TestServer::named(name).unwrap();
        let ours = |nodes: &[String]| {
            let mut command = program();
            command.args(["create", "--replicas", "1", "--yes"]).args(nodes);
            command
        };
        let mut times: Vec<_> = (0..5).map(|_| times(&server, ours)).collect();
        print(name, "redis-trib", &mut times);
        for (peer, cli) in &peers {
            let theirs = |nodes: &[String]| {
                let mut command = Command::new(cli);
                command.args(["--cluster", "create"]).args(nodes);
                command.args(["--cluster-replicas", "1", "--cluster-yes"]);
                command
            };
            let mut times: Vec<_> = (0..5).map(|_| self::times(&server, theirs)).collect();
            print(name, peer, &mut times);
        }
    }
}

fn print(server: &str, tool: &str, times: &mut [[Duration; 3]]) {
    let mut median = |column: usize| {
        times.sort_by_key(|it| it[column]);
        times[times.len() / 2][column].as_secs_f64()
    };
    let [end, serve, linked] = [0, 1, 2].map(&mut median);
    println!("{server:<12} {tool:<14} ends {end:.1}  serves {serve:.1}  linked {linked:.1}");
}

fn times(server: &TestServer, create: impl Fn(&[String]) -> Command) -> [Duration; 3] {
    let lab = fresh(server);
    let started = Instant::now();
    let (mut serves, mut linked) = (None, None);
    let mut run = create(&addresses(&lab));
    let mut run = run.stdout(std::process::Stdio::null()).spawn().unwrap();
    let mut ended = None;
    while ended.is_none() || serves.is_none() || linked.is_none() {
        let now = started.elapsed();
        assert!(now < Duration::from_secs(60), "{ended:?} {serves:?} {linked:?}");
        if run.try_wait().unwrap().is_some() {
            ended = ended.or(Some(now));
        }
        if serves.is_none() && accepts(&lab) {
            serves = Some(started.elapsed());
        }
        if linked.is_none() && are_linked(&lab) {
            linked = Some(started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    [ended, serves, linked].map(Option::unwrap)
}

/// Whether each key is taken by some node.
fn accepts(lab: &TempLab) -> bool {
    let endpoints = lab.endpoints();
    let mut nodes: Vec<_> = endpoints
        .iter()
        .map(|endpoint| Connection::open(endpoint, &Settings::default()).unwrap())
        .collect();
    KEYS.iter().all(|key| {
        let set = Resp::new("SET").arg(key).arg("x");
        nodes.iter_mut().any(|node| node.call(&set).is_ok())
    })
}
