//! `lab` as a user runs it.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use redistrib_ops::lab::{TestServer, free_ports};
use serde_json::Value;

use crate::support::{Run, trib};

/// A folder for a lab, and a lab's end however the test ends.
struct Place {
    folder: tempfile::TempDir,
    port: u16,
    server: PathBuf,
}

impl Place {
    fn new(nodes: usize) -> Self {
        let server = TestServer::named("valkey-9.1").unwrap().program;
        Self { folder: tempfile::tempdir().unwrap(), port: free_ports(nodes).unwrap(), server }
    }

    fn lab(&self, verb: &str, more: &[&str]) -> Run {
        let dir = self.folder.path().join("lab");
        trib(&[&["lab", verb, "--dir", dir.to_str().unwrap()], more].concat())
    }

    fn up(&self, more: &[&str]) -> Run {
        let (port, server) = (self.port.to_string(), self.server.to_str().unwrap());
        self.lab("up", &[&["--port", &port, "--server", server], more].concat())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lab("down", &[]);
    }
}

#[test]
fn a_lab_goes_up_and_down_and_up_and_away() {
    let place = Place::new(6);
    let seed = format!("127.0.0.1:{}", place.port);
    place.up(&[]).expect(0).shows(&["Starting ", "[OK] The lab is up: ", &seed]);
    trib(&["check", &seed]).expect(0).shows(&["[OK] 0 keys in 3 masters.", "[OK] All 16384"]);
    place.lab("status", &[]).expect(0).shows(&[&format!("{seed} up "), "version 9.1", "master"]);
    place.lab("down", &[]).expect(0).shows(&["[OK] 6 servers stopped"]);
    place.lab("status", &[]).expect(1).shows(&[&format!("{seed} down")]);
    trib(&["check", &seed]).expect(1).complains(&[&seed]);

    place.up(&[]).expect(0).shows(&["[OK] The lab is up"]);
    trib(&["check", &seed]).expect(0).shows(&["[OK] 0 keys in 3 masters.", "[OK] All 16384"]);
    place.lab("destroy", &[]).expect(0).shows(&["is gone"]);
    place.lab("status", &[]).expect(1).complains(&["there is no lab in"]);
}

#[test]
fn a_password_given_once_is_known_ever_after() {
    let place = Place::new(3);
    place.up(&["--nodes", "3", "-a", "s3cret"]).expect(0);
    let seed = format!("127.0.0.1:{}", place.port);
    trib(&["check", &seed]).expect(1).complains(&["NOAUTH"]);
    trib(&["check", &seed, "-a", "s3cret"]).expect(0);
    place.lab("status", &[]).expect(0);
    place.lab("down", &[]).expect(0);
    place.up(&["-a", "s3cret"]).expect(0);
    place.lab("destroy", &[]).expect(0);
}

#[test]
fn what_stands_in_the_way_is_named() {
    let place = Place::new(6);
    let taken = place.port + 3;
    let _listener = TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let text = format!("port {taken} is taken");
    place.up(&[]).expect(1).complains(&[&text, "nothing was started", "--port"]);
    place.up(&["--nodes", "5", "--replicas", "1"]).expect(1).complains(&["at least 6 nodes"]);
    place
        .lab("up", &["--server", "/no/such/server"])
        .expect(1)
        .complains(&["/no/such/server", "--server"]);
    place.lab("down", &[]).expect(1).complains(&["there is no lab in", "lab up"]);
    assert!(!place.folder.path().join("lab").exists());
}

#[test]
fn a_server_that_dies_at_its_start_shows_the_end_of_its_log() {
    let place = Place::new(3);
    let server = place.folder.path().join("server");
    fs::write(&server, "#!/bin/sh\necho first\nprintf 'sec\\033[2Jond\\n'\nexit 3\n").unwrap();
    fs::set_permissions(&server, fs::Permissions::from_mode(0o755)).unwrap();
    let (port, server) = (place.port.to_string(), server.to_str().unwrap().to_owned());
    let run = place.lab("up", &["--nodes", "3", "--port", &port, "--server", &server]).expect(1);
    let log = "(exit status: 3); the end of its log:\n  first\n  sec\\x1b[2Jond\n";
    assert!(run.stderr.ends_with(log), "{}", run.stderr);
}

#[test]
fn single_servers_come_end_pause_and_go_on() {
    let place = Place::new(5);
    place.up(&["--nodes", "3"]).expect(0);
    let [seed, second, new, other] =
        [0, 1, 3, 4].map(|more| format!("127.0.0.1:{}", place.port + more));
    place.lab("add", &[]).expect(0).shows(&[&format!(
        "[OK] The lab has more servers: {new}; `redis-trib add-node {new} {seed}` takes it"
    )]);
    trib(&["add-node", &new, &seed]).expect(0);
    let told: Value = serde_json::from_str(
        place.lab("add", &["--json"]).expect(0).stdout.lines().last().unwrap(),
    )
    .unwrap();
    assert_eq!((&told[0]["port"], &told[0]["state"]), (&(place.port + 4).into(), &"up".into()));
    // Running servers are left alone, and the one in no cluster is not waited for.
    place.up(&["--nodes", "3"]).expect(0).shows(&[&other]);

    let port = (place.port + 1).to_string();
    place.lab("pause", &[&port]).expect(0).shows(&[&format!("[OK] {second} is paused\n")]);
    place.lab("status", &[]).expect(1).shows(&[&format!("{second} paused   process ")]);
    place.lab("start", &[&port]).expect(0).shows(&[&format!("[OK] {second} is up\n")]);
    place.lab("start", &[&second]).expect(0).shows(&["was running"]);
    let told = place.lab("kill", &[&port, &other, "--json"]).expect(0);
    let told: Value = serde_json::from_str(told.stdout.lines().last().unwrap()).unwrap();
    assert_eq!((&told[0]["state"], &told[1]["state"]), (&"down".into(), &"down".into()));
    place.lab("kill", &[&port]).expect(0).shows(&["was not running"]);
    place.lab("start", &[&port]).expect(0).shows(&["Starting ", &format!("[OK] {second} is up\n")]);
    place
        .lab("kill", &[&port, "nobody"])
        .expect(1)
        .complains(&["no node is called nobody", "`redis-trib lab status` lists"]);
    place.lab("status", &[]).expect(1).shows(&[&format!("{second} up")]);
    place.lab("kill", &["127.0.0.1"]).expect(1).complains(&[&seed, &second]);
    place.lab("kill", &[]).expect(2);
}

#[test]
fn a_lab_is_what_a_file_declares() {
    let place = Place::new(3);
    let file = place.folder.path().join("declared.toml");
    let declare = |host: &str| {
        let node =
            |more: u16| format!("\"{host}:{}\" = {{ weight = {} }}\n", place.port + more, more + 1);
        let nodes: String = (0..3).map(node).collect();
        fs::write(&file, format!("[nodes]\n{nodes}")).unwrap();
        file.to_str().unwrap()
    };
    let server = place.server.to_str().unwrap();
    let up = |file: &str| place.lab("up", &["--server", server, "--topology", file]);
    up(declare("10.0.0.1"))
        .expect(1)
        .complains(&["10.0.0.1", "a lab has its servers on 127.0.0.1"]);
    assert!(!place.folder.path().join("lab").exists());
    let file = declare("127.0.0.1");
    up(file).expect(0).shows(&["[OK] The lab is up: "]);
    trib(&["plan", file, "--detailed-exitcode"]).expect(0).shows(&["Nothing to do"]);
    let list = trib(&["list", &format!("127.0.0.1:{}", place.port)]).expect(0);
    list.shows(&[" 2731 slots", " 5461 slots", " 8192 slots"]);
}
