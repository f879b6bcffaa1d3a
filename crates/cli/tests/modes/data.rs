//! Whole data sets: as files, and as a replica gets them.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, resp};

use crate::modes::{fill, our_program, ours, plain, port, quick, theirs};
use crate::replay::{options, run};

/// What redis-check-rdb says of a file that it finds good.
fn checked(file: &Path) -> String {
    let server = TestServer::named("redis-7.0").unwrap().program;
    let installed = server.ancestors().nth(2).unwrap();
    let mut check = Command::new(installed.join("libexec/redis-check-rdb"));
    check.env("LD_LIBRARY_PATH", installed.join("lib"));
    let output = check.arg(file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("RDB looks OK!"), "{text}");
    text
}

#[test]
fn a_backup_is_of_files_that_redis_opens() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let (node, into) = (lab.endpoints()[0].to_string(), tempfile::tempdir().unwrap());
    for number in 0..30 {
        ours(&options(&format!("-c -p {} set key{number} x", port(&lab))));
    }
    let line = format!("--cluster backup {node} {}", into.path().display());
    assert_eq!(ours(&options(&line)).2, Some(0));
    let files = std::fs::read_dir(into.path()).unwrap().map(|entry| entry.unwrap().path());
    let is_rdb = |path: &PathBuf| path.extension().is_some_and(|name| name == "rdb");
    let rdbs: Vec<PathBuf> = files.filter(is_rdb).collect();
    rdbs.iter().for_each(|file| drop(checked(file)));
    assert_eq!(rdbs.len(), 3);
}

#[test]
fn the_data_set_is_saved_as_a_file_that_redis_opens() {
    let folder = tempfile::tempdir().unwrap();
    for diskless in ["yes", "no"] {
        let lab = quick("redis-7.0", &[&format!("repl-diskless-sync {diskless}")]);
        fill(&lab, &["set key value", "rpush list 1 2 3", "select 3", "set other value"]);
        let load = [
            "function",
            "load",
            "#!lua name=lib\nredis.register_function('f', function() return 1 end)",
        ];
        Connection::open(&lab.endpoints()[0], lab.settings())
            .unwrap()
            .call(&resp::Command::from_args(load))
            .unwrap();
        for (option, keys, size) in [("--rdb", 3, 1), ("--functions-rdb", 0, 1)] {
            let file = folder.path().join(format!("{diskless}{option}.rdb"));
            let save = |to: &str| options(&format!("-p {} {option} {to}", port(&lab)));
            let (saved, complaint, code) = ours(&save(&file.display().to_string()));
            assert_eq!((saved.as_str(), code), ("", Some(0)), "{complaint}");
            let theirs = theirs(&save(&format!("{}.theirs", file.display())));
            assert_eq!(complaint.replace(".rdb'", ".rdb.theirs'"), theirs.1);
            let checked = checked(&file);
            assert!(checked.contains(&format!("{keys} keys read")), "{checked}");
            assert!(std::fs::metadata(&file).unwrap().len() > size);
            let mut command = our_program();
            command.args(save("-"));
            let length = run(command, b"").stdout.len() as u64;
            assert!(length.abs_diff(std::fs::metadata(&file).unwrap().len()) < 16, "{length}");
        }
    }
    // What a server does not know is done without, or is an error where it is all that was asked for.
    let old = quick("redis-6.2", &[]);
    let file = folder.path().join("old.rdb").display().to_string();
    let line = |option: &str| options(&format!("-p {} {option} {file}", port(&old)));
    let (_, complaint, code) = ours(&line("--functions-rdb"));
    assert!(code == Some(1) && complaint.contains("functions only"), "{complaint}");
    assert!(!std::path::Path::new(&file).exists());
    assert_eq!(ours(&line("--rdb")).2, Some(0));
    assert!(std::fs::read(&file).unwrap().starts_with(b"REDIS0009"));
}

#[test]
fn commands_are_shown_as_a_replica_gets_them() {
    for (line, follows) in
        [("--replica", "set"), ("--slave", "set"), ("sync", "set"), ("psync ? -1", "set")]
    {
        for server in ["redis-8.6", "valkey-9.1", "redis-6.2"] {
            let lab = quick(server, &[]);
            let mut command = our_program();
            let mut child =
                command.args(options(&format!("-p {} {line}", port(&lab)))).spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let logs = lines.any(|line| line.unwrap().ends_with("Logging commands from master."));
            assert!(logs, "{server} {line}");
            fill(&lab, &["set key value"]);
            let mut commands = BufReader::new(child.stdout.take().unwrap()).lines();
            let expected = format!("\"{follows}\",\"key\",\"value\"");
            assert!(commands.any(|line| line.unwrap() == expected), "{server} {line}");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
    let lab = plain();
    fill(&lab, &["acl setuser nosync on nopass ~* &* +@all -sync"]);
    for mode in ["--rdb /dev/null", "--replica"] {
        let line = format!("-p {} --user nosync --pass x --no-auth-warning {mode}", port(&lab));
        let (ours, theirs) = (ours(&options(&line)), theirs(&options(&line)));
        assert_eq!((ours.1, ours.2), (theirs.1.replace('\r', ""), Some(1)), "{line}");
    }
}
