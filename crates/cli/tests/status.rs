//! `status` in its three forms, and `check --watch`, on a cluster that is well, is not, and is again.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use redistrib_ops::lab::{TempLab, TestServer};
use serde_json::Value;

use crate::support::terminal::User;
use crate::support::{program, trib};

fn cluster(server: &'static str) -> (TempLab, Vec<String>) {
    let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 1).unwrap();
    let nodes = lab.endpoints().iter().map(ToString::to_string).collect();
    (lab, nodes)
}

#[test]
fn a_cluster_fits_one_screen() {
    for server in ["redis-6.2", "valkey-9.1"] {
        let (lab, nodes) = cluster(server);
        let seed = nodes[1].as_str();
        let told = trib(&["status", seed]).expect(0);
        let lines: Vec<&str> = told.stdout.lines().collect();
        assert_eq!(lines.len(), 8, "a head, six nodes and the whole: {}", told.stdout);
        assert!(lines.iter().all(|line| line.len() < 120), "{}", told.stdout);
        let words = |line: usize| lines[line].split_whitespace().take(4).collect::<Vec<_>>();
        assert_eq!(words(1), ["up", "master", "1", "33.3%"], "{}", told.stdout);
        assert_eq!(words(2), ["up", "replica", "1", "-"], "{}", told.stdout);
        assert!(lines[1].ends_with(&nodes[0]), "{}", told.stdout);
        assert!(lines[7].starts_with("[OK] 3 masters, 3 replicas, 100.0% of slots served, 0 keys"));

        let told: Value =
            serde_json::from_str(&trib(&["status", seed, "--json"]).expect(0).stdout).unwrap();
        assert_eq!((&told["healthy"], &told["slots_percent"]), (&true.into(), &100.0.into()));
        let replica = &told["nodes"][3];
        assert_eq!((&replica["role"], &replica["shard"]), (&"replica".into(), &2.into()));
        assert!(replica["lag_bytes"].is_u64() && replica["lag_seconds"].is_u64(), "{replica}");
        assert!(replica["uptime_seconds"].is_u64() && replica["ops_per_second"].is_u64());

        lab.kill(2);
        let told = trib(&["status", seed]).expect(1);
        let dead = told.stdout.lines().find(|line| line.ends_with(&nodes[2])).unwrap();
        assert!(dead.starts_with("down "), "{}", told.stdout);
        assert!(told.stdout.lines().last().unwrap().starts_with("[ERR] "), "{}", told.stdout);
        metrics(seed, &nodes[2]);
    }
}

#[test]
fn a_narrow_terminal_gets_fewer_columns() {
    let (_lab, nodes) = cluster("redis-8.6");
    for (columns, there, gone) in
        [(120, "Version", "-"), (80, "Keys", "Version"), (60, "Lag", "Memory")]
    {
        let program = env!("CARGO_BIN_EXE_redis-trib");
        let line = format!("stty cols {columns}; exec {program} status {}", nodes[0]);
        let mut user = User::run(&line, Path::new("/dev/null"));
        user.sees("slots served");
        assert!(user.leaves());
        let screen = user.screen.lock().unwrap().clone();
        let plain: Vec<&str> = screen.lines().filter(|line| !line.contains("[OK]")).collect();
        let head = plain.iter().find(|line| line.starts_with("State")).unwrap();
        assert!(head.contains(there) && !head.contains(gone), "{screen}");
        // The colours take no room.
        let width =
            |line: &&str| line.trim_end().len() - if line.contains('\x1b') { 11 } else { 0 };
        assert!(plain.iter().map(width).max() <= Some(columns), "{screen}");
    }
}

/// A line for each sample, each family in one piece behind its HELP and TYPE, whatever state the cluster is in.
fn metrics(seed: &str, dead: &str) {
    let told = trib(&["status", seed, "--prometheus"]).expect(0).stdout;
    let mut family = "";
    let mut families = BTreeSet::new();
    for line in told.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            family = rest.split(' ').next().unwrap();
            assert!(families.insert(family), "{family} comes twice");
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            assert_eq!(rest, format!("{family} gauge"));
        } else {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert_eq!(name.split('{').next(), Some(family), "{line}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(told.ends_with('\n') && told.contains("redis_cluster_healthy 0\n"), "{told}");
    let down = told.lines().find(|line| line.contains("node_up{") && line.contains(dead)).unwrap();
    assert!(down.ends_with(" 0"), "{down}");
    trib(&["status", seed, "--prometheus", "--json"]).expect(2);
    // What a collector read last would stay otherwise.
    let nobody = trib(&["status", "127.0.0.1:1", "--prometheus"]).expect(0);
    assert!(nobody.stdout.ends_with("\nredis_cluster_healthy 0\n"), "{}", nobody.stdout);
    nobody.complains(&["[ERR] 127.0.0.1:1: cannot connect"]);
}

/// A watch under way, and what it prints.
struct Watch {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(seed: &str, options: &[&str]) -> Self {
        let line = [&["check", seed, "--watch", "0.1"], options].concat();
        let mut child = program().args(line).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    #[track_caller]
    fn shows(&mut self, text: &str) {
        let shown = self.lines.any(|line| line.unwrap().contains(text));
        assert!(shown, "it has ended without {text}");
    }

    /// Presses Ctrl-C, and gives the exit code.
    fn end(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }
}

#[test]
fn a_watch_shows_what_changes() {
    let (lab, nodes) = cluster("redis-8.6");
    let mut text = Watch::start(&nodes[0], &[]);
    let mut documents = Watch::start(&nodes[0], &["--json"]);
    text.shows("[OK] All 16384 slots covered.");
    documents.shows("\"healthy\":true");
    lab.kill(4);
    text.shows(&format!("+ [ERR] node {}", nodes[4]));
    documents.shows("\"healthy\":false");
    lab.restart(4).unwrap();
    text.shows(&format!("- [ERR] node {}", nodes[4]));
    documents.shows("\"healthy\":true");
    text.end();
    assert_eq!(documents.end(), Some(0), "it ends as the last look did");
    for wrong in ["0", "x", "-1", "nan", "1e9"] {
        trib(&["check", &nodes[0], &format!("--watch={wrong}")]).expect(2);
    }
}
