//! What no node tells of by itself: a server with a copy of another's `nodes.conf`, a replica that is behind, a clock that is
//! wrong.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redistrib_ops::lab::{Lab, TempLab, TestServer};

use crate::health::field::{Field, advises};

/// Where a server keeps its files.
fn folder(lab: &Lab, node: usize) -> PathBuf {
    lab.dir().join(lab.endpoints()[node].port().unwrap().to_string())
}

/// A server that was cloned with all its files takes writes for its original's slots.
#[test]
fn a_copied_node_is_named() {
    let field = Field::new("redis-8.6", 3, 0);
    let copy = TempLab::nodes(&TestServer::named("redis-8.6").unwrap(), 1).unwrap();
    copy.kill(0);
    let own = folder(&copy, 0).join("nodes.conf");
    fs::copy(folder(&field.lab, 1).join("nodes.conf"), &own).unwrap();
    copy.restart(0).unwrap();
    let same = field.finds("same-id");
    let addresses = [field.nodes[1].clone(), copy.endpoints()[0].to_string()];
    let mut told: Vec<&str> =
        same["addresses"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    told.sort_unstable_by_key(|address| *address != addresses[0]);
    assert_eq!(
        (told.as_slice(), &same["id"]),
        (&addresses.each_ref().map(String::as_str)[..], &field.id(1).into())
    );
    advises(&same, "error", "a nodes.conf of its own");
    copy.kill(0);
    fs::remove_file(own).unwrap();
    copy.restart(0).unwrap();
    field.is_rid_of("same-id");
    field.is_rid_of("bus-link-down");
    field.check().expect(0);
}

/// A network that brings a replica nothing more of what its master writes.
#[test]
fn a_replica_that_is_behind_is_named() {
    let field = Field::with("valkey-9.1", 3, 1, &["repl-backlog-size 16kb"]);
    let replica = field.replicas_of(0)[0];
    let road = Road::to(field.lab.endpoints()[0].port().unwrap());
    field.tell(0, &format!("CONFIG SET cluster-announce-port {}", road.port));
    field.poll("the replica takes that road", || {
        let told = field.tell(replica, "INFO replication");
        [format!("master_port:{}", road.port), "master_link_status:up".to_owned()]
            .iter()
            .all(|line| told.contains(line))
    });
    field.is_rid_of("replica-syncing");
    road.is_blocked.store(true, Ordering::SeqCst);
    field.tell(0, &format!("SET {{b}} {}", "x".repeat(64 << 10)));
    let lags = field.finds("replica-lags");
    assert_eq!(lags["replica"]["address"], field.nodes[replica].as_str(), "{lags}");
    assert!((64 << 10..80 << 10).contains(&lags["bytes"].as_u64().unwrap()), "{lags}");
    advises(&lags, "warning", "raise repl-backlog-size");
    field.check().expect(0);
    field.tell(0, "CONFIG SET repl-backlog-size 1mb");
    field.is_rid_of("replica-lags");
    field.tell(0, "CONFIG SET repl-backlog-size 16kb");
    field.finds("replica-lags");
    road.is_blocked.store(false, Ordering::SeqCst);
    field.is_rid_of("replica-lags");
    taken_for_a_master(&field, replica);
}

/// A node that goes on taking a replica for a master of a greater epoch, as Valkey 9.1 may when messages cross.
fn taken_for_a_master(field: &Field, replica: usize) {
    let (own, master, id) =
        (folder(&field.lab, 1).join("nodes.conf"), field.id(0), field.id(replica));
    let epoch = |line: &str| line.split(' ').nth(6).unwrap().parse::<u64>().unwrap();
    field.lab.kill(1);
    let known = fs::read_to_string(&own).unwrap();
    let greatest = known.lines().filter(|line| line.contains("master")).map(epoch).max().unwrap();
    let mut lines: Vec<String> = known.lines().map(str::to_owned).collect();
    let line = lines.iter_mut().find(|line| line.starts_with(&id)).unwrap();
    let end = format!(" {greatest} connected");
    let start = line.rsplitn(3, ' ').nth(2).unwrap();
    *line = start.replace(" slave ", " master ").replace(&format!(" {master} "), " - ") + &end;
    fs::write(&own, lines.join("\n") + "\n").unwrap();
    field.lab.restart(1).unwrap();
    let taken = field.finds("taken-for-master");
    assert_eq!(
        (&taken["replica"]["address"], &taken["by"][0]["address"]),
        (&field.nodes[replica].as_str().into(), &field.nodes[1].as_str().into())
    );
    advises(&taken, "warning", " CLUSTER BUMPEPOCH");
    field.tell(0, "CLUSTER BUMPEPOCH");
    field.is_rid_of("taken-for-master");
}

/// A way to a server, on which what it sends to its replicas can be held up.
struct Road {
    port: u16,
    is_blocked: Arc<AtomicBool>,
}

impl Road {
    fn to(server: u16) -> Self {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = door.local_addr().unwrap().port();
        let is_blocked = Arc::new(AtomicBool::new(false));
        let blocked = Arc::clone(&is_blocked);
        thread::spawn(move || {
            for client in door.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                join(client, server, &blocked);
            }
        });
        Self { port, is_blocked }
    }
}

/// Passes on what two sides send each other.
fn join(mut client: TcpStream, mut server: TcpStream, is_blocked: &Arc<AtomicBool>) {
    let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    let is_replica = Arc::new(AtomicBool::new(false));
    let (asks, is_blocked) = (Arc::clone(&is_replica), Arc::clone(is_blocked));
    thread::spawn(move || {
        pass(&mut up, &mut server, |bytes| {
            asks.fetch_or(bytes.windows(5).any(|word| word == b"PSYNC"), Ordering::SeqCst);
        });
    });
    thread::spawn(move || {
        pass(&mut down, &mut client, |_| {
            while is_replica.load(Ordering::SeqCst) && is_blocked.load(Ordering::SeqCst) {
                thread::sleep(Duration::from_millis(5));
            }
        });
    });
}

fn pass(from: &mut TcpStream, to: &mut TcpStream, mut look: impl FnMut(&[u8])) {
    let mut bytes = [0; 16 << 10];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        look(&bytes[..count]);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}

/// A server whose clock is ahead as long as there is a file named so in its folder.
const FAST: &str = "fast";
const CLOCK: &str = r#"
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    int outcome = syscall(SYS_clock_gettime, id, at);
    if (id == CLOCK_REALTIME && access("fast", F_OK) == 0) at->tv_sec += 4;
    return outcome;
}
int gettimeofday(struct timeval *at, void *zone) {
    struct timespec now;
    int outcome = clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return outcome;
}
"#;

/// A server program whose clock can be set: libraries ask the system for the time by way of these functions.
fn with_a_clock(server: &TestServer, dir: &Path) -> TestServer {
    let (source, library) = (dir.join("clock.c"), dir.join("clock.so"));
    fs::write(&source, CLOCK).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    assert!(compiled.unwrap().success());
    let program = dir.join("server");
    let script = format!(
        "#!/bin/sh\nLD_PRELOAD={} exec {} \"$@\"\n",
        library.display(),
        server.program.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).unwrap();
    TestServer { program, ..server.clone() }
}

#[test]
fn a_clock_that_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let server = with_a_clock(&TestServer::named("redis-7.0").unwrap(), dir.path());
    let field = Field::of(&server, 3, 0, &["cluster-node-timeout 15000"]);
    let fast = folder(&field.lab, 1).join(FAST);
    fs::write(&fast, "").unwrap();
    let differ = field.finds("clocks-differ");
    assert_eq!(differ["fast"]["address"], field.nodes[1].as_str(), "{differ}");
    assert!((3500..=4500).contains(&differ["apart_ms"].as_u64().unwrap()), "{differ}");
    advises(&differ, "warning", "NTP");
    field.check().expect(0);
    fs::remove_file(fast).unwrap();
    field.is_rid_of("clocks-differ");
    field.check().expect(0);
}
