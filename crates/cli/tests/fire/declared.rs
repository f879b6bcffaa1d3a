//! A cluster follows its file under live clients: it comes to be, grows and shrinks.

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_benches::census::Census;
use redistrib_benches::load::{Dice, Load, LoadOptions};
use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::{Endpoint, on_each_test_server};

use crate::fire::tool::{End, Running, start, trib};
use crate::fire::{is_long, rounds, tell};

/// Ten servers that know nobody, and the files that are declared of them.
struct Ground {
    lab: TempLab,
    folder: tempfile::TempDir,
}

impl Ground {
    fn new(server: &TestServer) -> Self {
        let lab = TempLab::up(LabOptions {
            nodes: Some(10),
            replicas: Some(0),
            layout: Some(Layout::Nodes),
            server: Some(server.program.clone()),
            config: vec!["repl-diskless-sync-delay 0".into()],
            ..LabOptions::default()
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
fn assert_nothing_lost(load: Load, port: u16) -> u64 {
    let outcome = load.finish();
    assert_eq!(outcome.complaints, Vec::<String>::new());
    assert!(outcome.writes > 100, "{outcome:?}");
    let census = Census::take(port).unwrap();
    assert!(census.is_clean(), "{census}");
    outcome.writes
}

/// None reads: in a failover the old master answers reads until it hears of the new one.
fn writers() -> LoadOptions {
    LoadOptions { outages: true, readers: 0, ..LoadOptions::default() }
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

/// From bare nodes on, the tool ends at random moments and is run again, under live writers from the first cluster on.
fn killed_and_run_again(server: &TestServer, count: usize) {
    let ground = Ground::new(server);
    let files = ground.files();
    let mut dice = Dice::new(0xDEC1);
    let mut whole = vec![Duration::from_secs(3); files.len()];
    let (mut load, mut killed) = (None, 0);
    for round in 0..count {
        let place = round % files.len();
        let moment = whole[place].mul_f64(dice.below(1000) as f64 / 1000.0);
        let mut running = apply(&files[place]);
        let began = Instant::now();
        // A moment is what is tried here.
        while began.elapsed() < moment && !running.has_ended() {
            thread::sleep(Duration::from_millis(2));
        }
        let end = if round % 5 == 4 { End::Terminate } else { End::Kill };
        let ended = running.stop(end);
        let again = apply(&files[place]).wait().succeeded();
        assert_declared(&files[place]);
        if ended.code == Some(0) {
            whole[place] = ended.took;
        } else {
            killed += 1;
            whole[place] = ended.took + again.took;
        }
        tell(&format!("{}: {round}, {:?} after {:.1?}", server.name, ended.code, ended.took));
        load.get_or_insert_with(|| Load::start(&ground.ports(), writers()));
    }
    assert!(killed > 0, "the tool was always faster");
    let writes = assert_nothing_lost(load.unwrap(), ground.ports()[1]);
    tell(&format!("{}: {killed} of {count} runs stopped, {writes} writes kept", server.name));
}

on_each_test_server! {
    fn a_cluster_follows_its_file_whatever_moment_the_tool_ends_at(server) {
        if is_long() || server.name == "valkey-9.1" {
            killed_and_run_again(server, rounds(3, 100));
        }
    }
}
