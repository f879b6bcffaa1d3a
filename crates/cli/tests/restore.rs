//! What `backup` has saved comes back, or nothing is touched.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::resp;
use redistrib_ops::{BackupError, Cluster, Connection, Context, Error, Event};

use crate::keys::{States, assert_same, call, fill, open, read_all, server};
use crate::support::{Run, addresses, program, trib};

const LIBRARY: &str = "#!lua name=lib\nredis.register_function('answer', function() return 42 end)";

fn named(name: &'static str) -> TestServer {
    TestServer::named(name).unwrap()
}

/// A cluster of one node, which owns all slots.
fn lone(name: &'static str) -> (TempLab, String) {
    let lab = TempLab::nodes(&named(name), 1).unwrap();
    let node = addresses(&lab)[0].clone();
    trib(&["start", &node]).expect(0);
    (lab, node)
}

fn backup(node: &str, folder: &Path) {
    trib(&["backup", node, folder.to_str().unwrap()]).expect(0).shows(&["[OK] Backup created"]);
}

/// Restores with a server of this name to load the files.
fn restore(name: &'static str, folder: &Path, to: &str, more: &[&str]) -> Run {
    let program = named(name).program;
    let line = ["restore", folder.to_str().unwrap(), to, "--server", program.to_str().unwrap()];
    trib(&[&line[..], more].concat())
}

/// Keys that [`fill`] has not: fields that expire, a HyperLogLog, a bitmap, a large value, and one that expires soon.
fn fill_more(node: &mut Connection, prefix: &str) {
    for line in ["PFADD {}:hll a b c d e", "SETBIT {}:bits 70000 1", "SET {}:soon x EX 600"] {
        call(node, &line.replace("{}", prefix).split(' ').collect::<Vec<_>>());
    }
    let large = vec![b'x'; 6 << 20];
    node.call(&resp::Command::new("SET").arg(format!("{prefix}:large")).arg(large)).unwrap();
    let known = call(node, &["COMMAND", "INFO", "HPEXPIREAT"]);
    if known.view().elements().next().is_some_and(|it| !it.is_null()) {
        for number in [0, 1] {
            let key = format!("{prefix}:hash:{number}");
            call(node, &["HPEXPIREAT", &key, "4000000000000", "FIELDS", "2", "f1", "f2"]);
        }
    }
}

fn field_expiry(node: &mut Connection, key: &str) -> Vec<u8> {
    let ask = ["HPEXPIRETIME", key, "FIELDS", "3", "f0", "f1", "f2"];
    node.request(&resp::Command::from_args(ask)).unwrap().wire().to_vec()
}

/// All keys of a database of every server of a lab.
fn states(lab: &TempLab, db: u32) -> States {
    let mut all = States::new();
    for index in 0..lab.endpoints().len() {
        all.extend(read_all(&mut server(lab, index).at_db(db).connect().unwrap()));
    }
    all
}

#[test]
fn a_cluster_comes_back_in_another_shape_with_all_that_it_had() {
    let test_server = named("valkey-9.1");
    let cluster = |nodes| {
        let config = vec!["cluster-databases 4".to_owned()];
        let server = Some(test_server.program.clone());
        let nodes = Some(nodes);
        let options =
            LabOptions { nodes, replicas: Some(0), server, config, ..LabOptions::default() };
        TempLab::up(options).unwrap()
    };
    let (home, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = folder.path().join("new/one");
    let (expected, fields) = {
        let (source, lab) = (TempLab::plain(&test_server, 1).unwrap(), cluster(3));
        for (db, count) in [(0, 2000), (3, 300)] {
            let mut node = server(&source, 0).at_db(db).connect().unwrap();
            fill(&mut node, &format!("k{db}"), count);
            fill_more(&mut node, &format!("k{db}"));
        }
        let node = addresses(&lab)[0].clone();
        trib(&["import", &node, "--from", &addresses(&source)[0], "--copy"]).expect(0);
        trib(&["call", &node, "--only-masters", "FUNCTION", "LOAD", LIBRARY]).expect(0);
        backup(&node, &folder);
        let fields = field_expiry(&mut open(&source.endpoints()[0]), "k0:hash:1");
        ([0, 3].map(|db| states(&lab, db)), fields)
    };
    // The cluster is gone.
    let lab = cluster(4);
    let node = addresses(&lab)[1].clone();
    let count: usize = expected.iter().map(States::len).sum();
    restore("valkey-9.1", &folder, &node, &["--dry-run"])
        .expect(0)
        .shows(&["Functions would be loaded: lib", &format!("{count} would be copied")]);
    assert!(states(&lab, 0).is_empty() && states(&lab, 3).is_empty());
    let program_of_lab = test_server.program.to_str().unwrap();
    let line = ["restore", folder.to_str().unwrap(), &node, "--verify", "--server", program_of_lab];
    let run: Run = program().args(line).env("TMPDIR", home.path()).output().unwrap().into();
    let all = format!("Copied {count} keys");
    run.expect(0).shows(&["Verifying 3 files", &all, &format!("{count} verified")]);
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0, "nothing stays of its servers");
    for (db, expected) in [0, 3].into_iter().zip(&expected) {
        assert_same(&states(&lab, db), expected, &format!("database {db}"));
    }
    for endpoint in lab.endpoints() {
        let listed = call(&mut open(&endpoint), &["FUNCTION", "LIST", "WITHCODE"]);
        assert!(String::from_utf8_lossy(listed.wire()).contains(LIBRARY), "{endpoint}");
    }
    let told = trib(&["exec", "-c", &node, "HPEXPIRETIME", "k0:hash:1", "FIELDS", "2", "f1", "f2"]);
    told.expect(0).shows(&["4000000000000", "4000000000000"]);
    assert!(String::from_utf8_lossy(&fields).contains("4000000000000"));

    // Once more: what is there is left alone, and another value is told of.
    restore("valkey-9.1", &folder, &node, &["--verify"])
        .expect(0)
        .shows(&["Copied 0 keys", &format!("{count} were there already")]);
    trib(&["exec", "-c", &node, "SET", "k0:5", "mine"]).expect(0);
    restore("valkey-9.1", &folder, &node, &[]).expect(1).shows(&[
        "1 key was not copied",
        "\"k0:5\" at redis-node-",
        "has another value or expiry for it",
        "give --replace",
    ]);
    trib(&["exec", "-c", &node, "GET", "k0:5"]).expect(0).shows(&["mine"]);
    restore("valkey-9.1", &folder, &node, &["--replace", "--verify"]).expect(0).shows(&[&all]);
    trib(&["exec", "-c", &node, "GET", "k0:5"]).expect(0).shows(&["value 5 of k0"]);
}

/// Two masters take what three had; and what a client removes between the writing and the looking is told of.
#[test]
fn fewer_masters_take_it_all_and_what_is_gone_again_is_told() {
    let test_server = named("redis-8.6");
    let folder = tempfile::tempdir().unwrap();
    let expected = {
        let source = TempLab::plain(&test_server, 1).unwrap();
        let lab = TempLab::cluster(&test_server, 3, 0).unwrap();
        fill(&mut open(&source.endpoints()[0]), "k", 4000);
        let node = &addresses(&lab)[0];
        trib(&["import", node, "--from", &addresses(&source)[0], "--copy"]).expect(0);
        backup(node, folder.path());
        states(&lab, 0)
    };
    let lab = TempLab::nodes(&test_server, 2).unwrap();
    let nodes = addresses(&lab);
    trib(&["start-multi", &nodes[0], &nodes[1]]).expect(0);
    restore("redis-8.6", folder.path(), &nodes[1], &["--verify"])
        .expect(0)
        .shows(&["Verifying 3 files", &format!("{} verified", expected.len())]);
    assert_same(&states(&lab, 0), &expected, "two masters");

    let is_over = AtomicBool::new(false);
    let told = thread::scope(|scope| {
        for endpoint in lab.endpoints() {
            let is_over = &is_over;
            scope.spawn(move || {
                let mut node = open(&endpoint);
                while !is_over.load(Ordering::SeqCst) {
                    call(&mut node, &["FLUSHALL"]);
                }
            });
        }
        let told = restore("redis-8.6", folder.path(), &nodes[1], &["--verify", "--rate", "4000"]);
        is_over.store(true, Ordering::SeqCst);
        told
    });
    told.expect(1).shows(&["keys were not copied", "it differs in"]);
}

#[test]
fn each_server_gets_back_what_it_had() {
    thread::scope(|scope| {
        for name in TestServer::NAMES {
            scope.spawn(move || {
                let ((lab, node), folder) = (lone(name), tempfile::tempdir().unwrap());
                let mut connection = open(&lab.endpoints()[0]);
                fill(&mut connection, "k", 300);
                fill_more(&mut connection, "k");
                let library = resp::Command::from_args(["FUNCTION", "LOAD", LIBRARY]);
                let has_functions =
                    connection.request(&library).unwrap().view().as_error().is_none();
                assert_eq!(has_functions, name != "redis-6.2");
                let expected = read_all(&mut connection);
                let fields = field_expiry(&mut connection, "k:hash:1");
                backup(&node, folder.path());
                call(&mut connection, &["FLUSHALL"]);
                if has_functions {
                    call(&mut connection, &["FUNCTION", "FLUSH"]);
                }
                let verified = format!("{} verified", expected.len());
                restore(name, folder.path(), &node, &["--verify"]).expect(0).shows(&[&verified]);
                assert_same(&read_all(&mut connection), &expected, name);
                assert!(
                    fields == field_expiry(&mut connection, "k:hash:1"),
                    "{name}: field expiry"
                );
                if has_functions {
                    let answer = call(&mut connection, &["FCALL", "answer", "0"]);
                    assert_eq!(answer.view().as_int(), Some(42), "{name}");
                }
            });
        }
    });
}

/// The RDB file of a backup of one master.
fn rdb(folder: &Path) -> PathBuf {
    let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.find(|path| path.extension().is_some_and(|it| it == "rdb")).unwrap()
}

#[test]
fn what_is_not_as_it_was_saved_or_cannot_be_taken_is_refused_before_anything_changes() {
    let (lab, node) = lone("redis-7.0");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut connection = open(&lab.endpoints()[0]);
    fill(&mut connection, "k", 300);
    call(&mut connection, &["FUNCTION", "LOAD", LIBRARY]);
    backup(&node, folder);
    let count = call(&mut connection, &["DBSIZE"]).view().as_int().unwrap();
    call(&mut connection, &["FLUSHALL"]);
    let file = rdb(folder);
    let size = |connection: &mut Connection| call(connection, &["DBSIZE"]).view().as_int();
    let mut refused = |loader: &'static str, why: &[&str]| {
        restore(loader, folder, &node, &[]).expect(1).complains(why);
        assert_eq!(size(&mut connection), Some(0), "{why:?}");
    };

    refused(
        "redis-6.2",
        &["does not load", "redis-node-", "RDB format version", "written by Redis 7.0", "--server"],
    );
    let line = ["restore", folder.to_str().unwrap(), &node, "--server", "/no/such/server"];
    trib(&line).expect(1).complains(&["/no/such/server is no program", "REDIS_TRIB_SERVER"]);
    let whole = fs::read(&file).unwrap();
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    fs::write(&file, &altered).unwrap();
    refused("redis-7.0", &["is not as it was saved", "SHA-256"]);
    fs::write(&file, &whole[..whole.len() - 1]).unwrap();
    refused("redis-7.0", &["is not as it was saved", "bytes"]);
    fs::remove_file(&file).unwrap();
    refused("redis-7.0", &["redis-node-", "is missing"]);
    let manifest = folder.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&file, &whole).unwrap();
    let mut twice: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = twice["files"].as_array_mut().unwrap();
    files.push(files[0].clone());
    fs::write(&manifest, twice.to_string()).unwrap();
    refused("redis-7.0", &["manifest.json: it names", "twice"]);
    fs::write(&manifest, &text[..text.len() / 2]).unwrap();
    refused("redis-7.0", &["manifest.json: EOF"]);

    // As redis-cli leaves a folder: without checksums, the file's own is all there is.
    fs::remove_file(&manifest).unwrap();
    altered.clone_from(&whole);
    *altered.last_mut().unwrap() ^= 1;
    fs::write(&file, &altered).unwrap();
    refused("redis-7.0", &["does not load", "RDB CRC error"]);
    fs::write(&file, &whole).unwrap();
    call(&mut connection, &["FUNCTION", "LOAD", "REPLACE", &LIBRARY.replace("42", "43")]);
    restore("redis-7.0", folder, &node, &[])
        .expect(1)
        .complains(&["has other functions than the backup in lib", "--replace"]);
    assert_eq!(size(&mut connection), Some(0));
    let info = call(&mut connection, &["INFO", "memory"]);
    let info = String::from_utf8_lossy(info.view().as_bytes().unwrap()).into_owned();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    let most = used.parse::<u64>().unwrap() + 120_000;
    call(&mut connection, &["CONFIG", "SET", "maxmemory", &most.to_string()]);
    restore("redis-7.0", folder, &node, &["--replace"])
        .expect(1)
        .complains(&["has no memory for about 1 MiB more"]);
    assert_eq!(size(&mut connection), Some(0));
    call(&mut connection, &["CONFIG", "SET", "maxmemory", "0"]);
    restore("redis-7.0", folder, &node, &["--replace"]).expect(0).shows(&[
        "[WARNING] The folder has no manifest.json",
        "Loading functions: lib",
        &format!("Copied {count} keys"),
    ]);
    let answer = call(&mut connection, &["FCALL", "answer", "0"]);
    assert_eq!(answer.view().as_int(), Some(42));
    fs::remove_file(folder.join("nodes.json")).unwrap();
    restore("redis-7.0", folder, &node, &[]).expect(1).complains(&["holds no finished backup"]);
}

#[test]
fn a_server_that_cannot_take_the_keys_is_refused_before_anything_changes() {
    let ((lab, node), folder) = (lone("redis-7.0"), tempfile::tempdir().unwrap());
    fill(&mut open(&lab.endpoints()[0]), "k", 100);
    backup(&node, folder.path());
    let old = TempLab::plain(&named("redis-6.2"), 1).unwrap();
    restore("redis-7.0", folder.path(), &addresses(&old)[0], &[])
        .expect(1)
        .complains(&["is older than the server that reads the backup"]);
    assert!(states(&old, 0).is_empty());
    let pair = TempLab::plain(&named("redis-7.0"), 2).unwrap();
    let port = pair.endpoints()[0].port().unwrap().to_string();
    call(&mut open(&pair.endpoints()[1]), &["REPLICAOF", "127.0.0.1", &port]);
    restore("redis-7.0", folder.path(), &addresses(&pair)[1], &[])
        .expect(1)
        .complains(&["is a replica"]);
    restore("redis-7.0", folder.path(), &addresses(&pair)[0], &["--verify"]).expect(0);
    assert_same(&states(&lab, 0), &read_all(&mut open(&pair.endpoints()[0])), "a plain server");
    let nobody = TempLab::nodes(&named("redis-7.0"), 1).unwrap();
    restore("redis-7.0", folder.path(), &addresses(&nobody)[0], &[])
        .expect(1)
        .complains(&["leaves 16384 slots without an owner"]);
}

/// Begins a restore that takes long, and returns when the first keys have been copied.
fn begin(folder: &Path, node: &str, home: &Path) -> Child {
    let server = named("redis-7.0").program;
    let mut child = program()
        .args(["restore", folder.to_str().unwrap(), node, "--json", "--rate", "2000"])
        .arg("--server")
        .arg(server)
        .env("TMPDIR", home)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    told.find(|line| line.as_ref().unwrap().contains("keys-transferred")).unwrap().unwrap();
    // Whoever reads must go on reading, or the program would wait for it.
    thread::spawn(move || told.for_each(drop));
    child
}

/// The port of the server that loads the files, by the folders that there are in its home.
fn port_in(home: &Path) -> u16 {
    let lab = fs::read_dir(home).unwrap().next().unwrap().unwrap().path();
    let names = fs::read_dir(lab).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).next().unwrap()
}

#[test]
fn killed_or_interrupted_it_leaves_no_server_and_is_begun_again() {
    let ((lab, node), folder) = (lone("redis-7.0"), tempfile::tempdir().unwrap());
    let mut connection = open(&lab.endpoints()[0]);
    fill(&mut connection, "k", 8000);
    let expected = read_all(&mut connection);
    backup(&node, folder.path());
    call(&mut connection, &["FLUSHALL"]);
    for signal in ["KILL", "INT"] {
        let home = tempfile::tempdir().unwrap();
        let child = begin(folder.path(), &node, home.path());
        let port = port_in(home.path());
        assert!(
            TcpStream::connect(("127.0.0.1", port)).is_ok(),
            "it listens here, and asks for a password"
        );
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &id]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), (signal == "INT").then_some(1), "{signal}");
        let until = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", port)).is_ok()
            || fs::read_dir(home.path()).unwrap().next().is_some()
        {
            assert!(Instant::now() < until, "{signal}: the server or its folder is still there");
            thread::sleep(Duration::from_millis(10));
        }
    }
    let there = call(&mut connection, &["DBSIZE"]).view().as_int().unwrap();
    assert!((1..expected.len() as i64).contains(&there), "{there} keys are there");
    restore("redis-7.0", folder.path(), &node, &["--verify"])
        .expect(0)
        .shows(&["[OK] Copied", "were there already"]);
    assert_same(&read_all(&mut connection), &expected, "after three runs");
}

/// A backup that is made in the place of another one is seen as whole, or that one is.
#[test]
fn a_backup_that_fails_leaves_the_one_before() {
    let lab = TempLab::nodes(&named("redis-7.0"), 2).unwrap();
    let (nodes, folder) = (addresses(&lab), tempfile::tempdir().unwrap());
    trib(&["start-multi", &nodes[0], &nodes[1]]).expect(0);
    trib(&["exec", "-c", &nodes[0], "SET", "foo", "bar"]).expect(0);
    backup(&nodes[0], folder.path());
    let read = || {
        let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.map(|path| (path.clone(), fs::read(path).unwrap())).collect();
        files.sort();
        files
    };
    let before = read();
    assert_eq!(before.len(), 4, "two masters, nodes.json and manifest.json");
    // A slot gets another owner after the first master has been saved.
    let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
    let other =
        cluster.masters().find(|member| !member.node().slots.contains(Slot::of_key(b"bar")));
    let other = other.unwrap().id().to_string();
    let give_away = |event: &Event| {
        if matches!(event, Event::Step { .. }) {
            let slot = Slot::of_key(b"bar").to_string();
            for endpoint in lab.endpoints() {
                call(&mut open(&endpoint), &["CLUSTER", "SETSLOT", &slot, "NODE", &other]);
            }
        }
    };
    let refused =
        redistrib_ops::backup(&mut cluster, folder.path(), "redis", Context::observed(&give_away));
    assert!(matches!(refused, Err(Error::Backup(BackupError::SlotsMoved))), "{refused:?}");
    assert_eq!(read(), before);
    // The second master answers all but the one question.
    for line in ["ACL SETUSER default -sync", "ACL SETUSER default -psync"] {
        call(&mut open(&lab.endpoints()[1]), &line.split(' ').collect::<Vec<_>>());
    }
    trib(&["backup", &nodes[0], folder.path().to_str().unwrap()]).expect(1);
    assert_eq!(read(), before);
    let plain = TempLab::up(LabOptions {
        nodes: Some(1),
        layout: Some(Layout::Plain),
        server: Some(named("redis-7.0").program),
        ..LabOptions::default()
    });
    let plain = plain.unwrap();
    restore("redis-7.0", folder.path(), &addresses(&plain)[0], &[])
        .expect(0)
        .shows(&["Copied 1 key ("]);
}
