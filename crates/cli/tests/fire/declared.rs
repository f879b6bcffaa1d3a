//! A cluster follows its file under live clients: it comes to be, grows and shrinks.

use std::path::PathBuf;

use redistrib_benches::census::Census;
use redistrib_benches::load::{Load, Options as LoadOptions};
use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::{Endpoint, on_each_test_server};

use crate::tool::{Running, start, trib};

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
