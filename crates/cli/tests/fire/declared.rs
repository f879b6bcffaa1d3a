//! A cluster follows its file under live clients: it comes to be, grows, shrinks, and the tool dies at any moment.

use std::path::PathBuf;
use std::time::Duration;

use redistrib_benches::census::Census;
use redistrib_benches::load::{Load, Options as LoadOptions};
use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::{Endpoint, on_each_test_server};

use crate::rounds;
use crate::tool::{End, Running, start, trib};

/// Ten servers that know nobody, and the files that are declared of them.
struct Ground {
    lab: TempLab,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new(server: &TestServer) -> Self {
        let lab = TempLab::up(Options {
            nodes: Some(10),
            replicas: Some(0),
            layout: Some(Layout::Nodes),
            server: Some(server.program.clone()),
            config: vec!["repl-diskless-sync-delay 0".into()],
            ..Options::default()
        });
        Self { lab: lab.unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn ports(&self) -> Vec<u16> {
        self.lab.endpoints().iter().filter_map(Endpoint::port).collect()
    }

    /// Writes a file with one replica for each master; each node by its place, with its weight.
    fn declare(&self, name: &str, nodes: &[(usize, f64)]) -> String {
        let ports = self.ports();
        // Five machines of two nodes each.
        let line = |(place, weight): &(usize, f64)| {
            let (port, host) = (ports[*place], place % 5);
            format!("\"127.0.0.1:{port}\" = {{ host = \"m{host}\", weight = {weight} }}\n")
        };
        let nodes: String = nodes.iter().map(line).collect();
        let path: PathBuf = self.folder.path().join(name);
        std::fs::write(&path, format!("replicas = 1\n[nodes]\n{nodes}")).unwrap();
        path.display().to_string()
    }

    /// Three masters and replicas, five of other weight, and three without the nodes of one machine.
    fn files(&self) -> [String; 3] {
        let even = |nodes: &[usize]| nodes.iter().map(|it| (*it, 1.0)).collect::<Vec<_>>();
        let mut ten = even(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        ten[0].1 = 2.0;
        [
            self.declare("three.toml", &even(&[0, 1, 2, 3, 4, 5])),
            self.declare("five.toml", &ten),
            self.declare("drained.toml", &even(&[1, 2, 3, 4, 6, 7])),
        ]
    }
}

fn apply(file: &str) -> Running {
    start(&["apply", file, "--yes"])
}

/// There is nothing left to do.
#[track_caller]
fn assert_declared(file: &str) {
    let told = trib(&["plan", file, "--detailed-exitcode"]).succeeded();
    assert!(told.text.contains("Nothing to do"), "{}", told.text);
}

#[track_caller]
fn assert_nothing_lost(load: Load, port: u16) {
    let outcome = load.finish();
    assert_eq!(outcome.complaints, Vec::<String>::new());
    assert!(outcome.writes > 100, "{outcome:?}");
    let census = Census::take(port).unwrap();
    assert!(census.is_clean(), "{census}");
}

fn writers() -> LoadOptions {
    LoadOptions { outages: true, ..LoadOptions::default() }
}

on_each_test_server! {
    fn a_cluster_follows_its_file_under_live_writers(server) {
        let ground = Ground::new(server);
        let [three, five, drained] = ground.files();
        apply(&three).wait().succeeded();
        assert_declared(&three);
        let load = Load::start(&ground.ports(), writers());
        for file in [&five, &drained, &three, &drained] {
            apply(file).wait().succeeded();
            assert_declared(file);
        }
        assert_nothing_lost(load, ground.ports()[1]);
    }
}

/// From bare nodes on, each run is ended at a moment of its own until one gets through.
#[test]
fn a_tool_that_dies_at_any_moment_is_run_again() {
    let names = ["valkey-9.1", "redis-7.0", "redis-8.6", "redis-6.2", "valkey-8.1", "redis-8.2"];
    let (mut died, wanted) = (0, rounds(4, 100));
    for (round, name) in names.iter().cycle().enumerate() {
        if died >= wanted {
            break;
        }
        let ground = Ground::new(&TestServer::named(name).unwrap());
        let mut load = None;
        for file in ground.files() {
            let mut patience = 0;
            loop {
                let mut run = apply(&file);
                let after = fastrand::u64(0..4000 + 500 * patience);
                std::thread::sleep(Duration::from_millis(after));
                let is_over = run.has_ended();
                let ended = if is_over { run.wait() } else { run.stop(End::of(died)) };
                if ended.code == Some(0) {
                    break;
                }
                assert!(!is_over, "round {round}, {name}: {}", ended.text);
                died += 1;
                patience += 1;
            }
            assert_declared(&file);
            load.get_or_insert_with(|| Load::start(&ground.ports(), writers()));
        }
        assert_nothing_lost(load.unwrap(), ground.ports()[1]);
    }
    println!("died {died} times");
}
