//! Numbered databases in cluster mode (Valkey 9, `cluster-databases`): every verb sees all of them, and a
//! session stays in the one it has selected wherever it is sent.

use std::fs;

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::resp::Command;
use redistrib_ops::{Connection, Endpoint, Settings};

use crate::support::{Run, trib, trib_with};

/// The databases that hold keys in these tests, and how many each.
const DATABASES: [(u32, usize); 3] = [(0, 10), (3, 40), (9, 300)];
const ALL_KEYS: usize = 350;

fn lab(layout: Layout, nodes: usize) -> TempLab {
    let options = LabOptions {
        nodes: Some(nodes),
        replicas: Some(0),
        layout: Some(layout),
        server: Some(TestServer::named("valkey-9.1").unwrap().program),
        config: vec!["cluster-databases 16".to_owned()],
        ..LabOptions::default()
    };
    TempLab::up(options).unwrap()
}

fn cluster() -> TempLab {
    lab(Layout::Cluster, 3)
}

fn address(lab: &TempLab, index: usize) -> String {
    lab.endpoints()[index].to_string()
}

/// Three masters with the keys of [`DATABASES`], each database's with values of their own.
fn filled_cluster() -> TempLab {
    let lab = cluster();
    for (db, count) in DATABASES {
        let lines: String = (0..count).map(|n| format!("SET key:{n} {db}-{n}\n")).collect();
        let pipe = ["exec", &address(&lab, 0), "-c", "-n", &db.to_string(), "--pipe"];
        trib_with(&lines, &pipe).expect(0).shows(&[&format!("errors: 0, replies: {count}")]);
    }
    lab
}

fn at_db(endpoint: &Endpoint, db: u32) -> Connection {
    let mut link = Connection::open(endpoint, &Settings::default()).unwrap();
    link.call(&Command::new("SELECT").arg(db)).unwrap();
    link
}

/// A plain server with the keys of [`DATABASES`].
fn fill_plain(endpoint: &Endpoint) {
    for (db, count) in DATABASES {
        let set = |n| Command::new("SET").arg(format!("key:{n}")).arg(format!("{db}-{n}"));
        at_db(endpoint, db).call_all(&(0..count).map(set).collect::<Vec<_>>()).unwrap();
    }
}

fn size(endpoint: &Endpoint, db: u32) -> usize {
    let size = at_db(endpoint, db).call(&Command::new("DBSIZE")).unwrap();
    usize::try_from(size.view().as_int().unwrap()).unwrap()
}

/// How many keys each of [`DATABASES`] has on all these servers.
fn sizes(lab: &TempLab) -> Vec<(u32, usize)> {
    let of = |db| lab.endpoints().iter().map(|endpoint| size(endpoint, db)).sum();
    DATABASES.iter().map(|&(db, _)| (db, of(db))).collect()
}

fn exec(lab: &TempLab, words: &str) -> Run {
    let node = address(lab, 0);
    trib(&[&["exec", node.as_str()], &words.split(' ').collect::<Vec<_>>()[..]].concat())
}

#[test]
fn a_session_stays_in_its_database_wherever_a_redirection_leads() {
    let lab = filled_cluster();
    assert_eq!(sizes(&lab), DATABASES);
    assert_eq!(exec(&lab, "-c -n 3 GET key:7").expect(0).stdout, "3-7\n");
    let lines = "get key:1\nget key:2\nget key:3\nselect 9\nget key:1\nget key:2\nget key:3\n\
                 select 3\nget key:1\nget key:2\nget key:3\n";
    let shell = trib_with(lines, &["shell", &address(&lab, 0), "-c"]).expect(0);
    let values = shell.stdout.lines().filter(|line| !line.starts_with("-> Redirected"));
    let values = values.collect::<Vec<_>>().join(" ");
    assert_eq!(values, "0-1 0-2 0-3 OK 9-1 9-2 9-3 OK 3-1 3-2 3-3", "{}", shell.stderr);
}

#[test]
fn whole_cluster_commands_look_at_the_selected_database_alone() {
    let lab = filled_cluster();
    for (db, count) in DATABASES {
        let listed = exec(&lab, &format!("-c -n {db} --scan")).expect(0);
        assert_eq!(listed.stdout.lines().count(), count);
        let sampled = format!("Sampled {count} keys in the keyspace!");
        exec(&lab, &format!("-c -n {db} --bigkeys")).expect(0).shows(&[&sampled]);
        exec(&lab, &format!("-c -n {db} --memkeys")).expect(0).shows(&[&sampled]);
    }
    exec(&lab, "-n 3 --all-masters FLUSHDB").expect(0);
    assert_eq!(sizes(&lab), [(0, 10), (3, 0), (9, 300)]);
    exec(&lab, "-n 77 --all-masters FLUSHDB").expect(1).complains(&["SELECT 77 failed"]);
    assert_eq!(sizes(&lab), [(0, 10), (3, 0), (9, 300)]);
}

#[test]
fn commands_from_a_stream_go_to_the_database_they_select() {
    let lab = cluster();
    let set = |db: u32| (0..50).map(move |n| format!("SET key:{n} {db}-{n}\n"));
    let mut lines: Vec<String> = set(0).collect();
    for db in [3, 9] {
        lines.push(format!("SELECT {db}\n"));
        lines.extend(set(db));
    }
    let pipe = ["exec", &address(&lab, 0), "-c", "--pipe"];
    trib_with(&lines.concat(), &pipe).expect(0).shows(&["errors: 0, replies: 152"]);
    assert_eq!(sizes(&lab), [(0, 50), (3, 50), (9, 50)]);
    assert_eq!(exec(&lab, "-c -n 9 GET key:3").expect(0).stdout, "9-3\n");
    trib_with("SELECT 77\nSET a b\n", &pipe).expect(1).complains(&["SELECT 77", "out of range"]);
}

#[test]
fn all_databases_count() {
    let lab = filled_cluster();
    let node = address(&lab, 0);
    trib(&["info", &node]).expect(0).shows(&[&format!("[OK] {ALL_KEYS} keys in 3 masters.")]);
    trib(&["check", &node]).expect(0).shows(&[&format!("[OK] {ALL_KEYS} keys in 3 masters.")]);
}

#[test]
fn loads_are_those_of_all_databases() {
    let lab = cluster();
    let node = &lab.endpoints()[0];
    // All keys are in the first master's slots, and in database 3.
    let keys = (0..4000).map(|n| format!("key:{n}"));
    let of_first = keys.filter(|key| Slot::of_key(key.as_bytes()).get() < 5461);
    let sets: Vec<_> = of_first.map(|key| Command::new("SET").arg(key).arg("value")).collect();
    at_db(node, 3).call_all(&sets).unwrap();
    let node = node.to_string();
    for by in ["keys", "memory"] {
        let planned = trib(&["rebalance", &node, "--by", by, "--dry-run"]).expect(0);
        let moves = planned.stdout.matches(&format!("slots from {node} to ")).count();
        assert_eq!(moves, 2, "{}", planned.stdout);
    }
}

#[test]
fn a_backup_holds_every_database() {
    let (lab, into) = (filled_cluster(), tempfile::tempdir().unwrap());
    trib(&["backup", &address(&lab, 0), &into.path().display().to_string()]).expect(0);
    let files = fs::read_dir(into.path()).unwrap().map(|entry| fs::read(entry.unwrap().path()));
    let rdbs: Vec<Vec<u8>> = files.map(Result::unwrap).collect();
    let holds = |key: &[u8]| rdbs.iter().any(|rdb| rdb.windows(key.len()).any(|at| at == key));
    for (db, count) in DATABASES {
        assert!((0..count).all(|n| holds(format!("{db}-{n}").as_bytes())), "database {db}");
    }
}

#[test]
fn import_keeps_every_database_or_begins_nothing() {
    let (cluster, plain) = (cluster(), lab(Layout::Plain, 1));
    let (node, from) = (address(&cluster, 0), address(&plain, 0));
    fill_plain(&plain.endpoints()[0]);
    trib(&["import", &node, "--from", &from, "--copy", "--verify"]).expect(0).shows(&[
        "*** Importing 10 keys from DB 0",
        "*** Importing 40 keys from DB 3",
        "*** Importing 300 keys from DB 9",
        &format!("[OK] Copied {ALL_KEYS} keys"),
    ]);
    assert_eq!(sizes(&cluster), DATABASES);
    assert_eq!(exec(&cluster, "-c -n 9 GET key:7").expect(0).stdout, "9-7\n");
    trib(&["import", &node, "--from", &from, "--copy", "--db", "3", "--to-db", "5"]).expect(0);
    assert_eq!(exec(&cluster, "-c -n 5 GET key:7").expect(0).stdout, "3-7\n");

    let small = TempLab::cluster(&TestServer::named("valkey-9.1").unwrap(), 3, 0).unwrap();
    let node = address(&small, 0);
    for line in [
        vec!["import", &node, "--from", &from],
        vec!["import", &node, "--from", &from, "--db", "3"],
    ] {
        trib(&line).expect(1).complains(&["does not have all of the databases", "--to-db"]);
    }
    let one = ["import", &node, "--from", &from, "--to-db", "0"];
    trib(&one).expect(1).complains(&["both hold keys", "--db"]);
    trib(&["info", &node]).expect(0).shows(&["[OK] 0 keys in 3 masters."]);
    assert_eq!(sizes(&plain), DATABASES);
    trib(&["import", &node, "--from", &from, "--db", "0"]).expect(0).shows(&["Copied 10 keys"]);
    assert_eq!(sizes(&plain), [(0, 0), (3, 40), (9, 300)]);
}

#[test]
fn copy_keeps_every_database() {
    let (cluster, plain) = (filled_cluster(), lab(Layout::Plain, 2));
    for node in 0..3 {
        trib(&["copy", &address(&cluster, node), &address(&plain, 0), "--verify"]).expect(0);
    }
    assert_eq!(size(&plain.endpoints()[0], 9), 300);
    trib(&["copy", &address(&plain, 0), &address(&plain, 1)]).expect(0);
    let both: Vec<_> = DATABASES.iter().map(|&(db, count)| (db, 2 * count)).collect();
    assert_eq!(sizes(&plain), both);
    let set = Command::new("SET").arg("key:1").arg("other");
    at_db(&plain.endpoints()[0], 3).call(&set).unwrap();
    let busy = format!("\"key:1\" at {}/3: ", address(&plain, 0));
    trib(&["copy", &address(&plain, 0), &address(&plain, 1)]).expect(1).shows(&[&busy]);
    let again = ["copy", &address(&plain, 0), &address(&plain, 0)];
    trib(&again).expect(1).complains(&["source and target in one"]);
}
