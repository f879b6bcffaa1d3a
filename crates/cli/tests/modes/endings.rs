//! How what has no end is ended: by signals, and by a reader who has enough. Beside the clients, signal or exit code.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::TempLab;

use crate::modes::{PEERS, Peer, fill, ours, plain, port, prepared};
use crate::replay::options;
use crate::support::terminal::send;

/// Every mode that lasts, with one of the commands by which the server is known to be asked.
const LASTING: [(&str, &[&str]); 12] = [
    ("--bigkeys -i 3", &["scan", "type", "strlen"]),
    ("--memkeys -i 3", &["scan", "type", "memory|usage"]),
    ("--hotkeys -i 3", &["scan", "object|freq"]),
    ("--scan -i 3", &["scan"]),
    ("--stat -i 0.2", &["info"]),
    ("--latency -i 60", &["ping"]),
    ("--latency-history", &["ping"]),
    ("--latency-dist", &["ping"]),
    ("--lru-test 100", &["get", "set"]),
    ("MONITOR", &["monitor"]),
    ("SUBSCRIBE channel", &["subscribe"]),
    ("-r -1 -i 0.2 BLPOP nothing 9", &["blpop"]),
];

/// Waits until somebody at the server has asked one of these commands last.
fn await_asked(lab: &TempLab, commands: &[&str]) {
    let until = Instant::now() + Duration::from_secs(60);
    let is_asked = |list: &str| commands.iter().any(|it| list.contains(&format!(" cmd={it} ")));
    let list = options(&format!("-p {} CLIENT LIST", port(lab)));
    while !is_asked(&ours(&list).0) {
        assert!(Instant::now() < until, "{commands:?}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// How a program that asks these commands ends by a signal.
fn ended(mut program: Command, lab: &TempLab, commands: &[&str], signal: &str) -> ExitStatus {
    let mut child = program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    await_asked(lab, commands);
    send(signal, &child.id().to_string());
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > until {
            child.kill().unwrap();
            panic!("{signal} does not end it; has who runs these tests had it ignored?");
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn laden() -> TempLab {
    let lab = plain();
    let sets: Vec<String> = (0..3000).map(|number| format!("set key{number} x")).collect();
    fill(&lab, &sets.iter().map(String::as_str).collect::<Vec<_>>());
    fill(&lab, &["config set maxmemory-policy allkeys-lfu"]);
    lab
}

#[test]
fn signals_end_what_lasts_as_they_end_the_clients() {
    thread::scope(|scope| {
        for peer in PEERS {
            scope.spawn(move || {
                let lab = laden();
                for (mode, commands) in LASTING {
                    for signal in ["-INT", "-TERM", "-HUP"] {
                        let line = options(&format!("-p {} {mode}", port(&lab)));
                        let [ours, theirs] = [peer.ours(), peer.theirs()].map(|mut program| {
                            program.args(&line);
                            ended(program, &lab, commands, signal)
                        });
                        assert_eq!(ours, theirs, "{} {mode} by {signal}", peer.name());
                    }
                }
            });
        }
    });
}

/// Nothing is summed up for whoever asks a program to end at once.
#[test]
fn a_walk_and_a_measurement_that_are_terminated_say_nothing_more() {
    let lab = laden();
    let line = format!("-p {} --bigkeys -i 3", port(&lab));
    for peer in PEERS {
        for (line, commands) in [(line.as_str(), &["scan"][..]), ("--intrinsic-latency 60", &[])] {
            let [ours, theirs] = [peer.ours(), peer.theirs()].map(|mut program| {
                let child = program.args(options(line)).spawn().unwrap();
                if !commands.is_empty() {
                    await_asked(&lab, LASTING[0].1);
                }
                send("-TERM", &child.id().to_string());
                child.wait_with_output().unwrap()
            });
            assert_eq!(ours.status, theirs.status, "{} {line}", peer.name());
            let out = String::from_utf8_lossy(&ours.stdout).into_owned();
            assert!(!out.contains("ummary ----") && !out.contains("total runs"), "{out}");
        }
    }
}

#[test]
fn a_data_set_that_is_not_wanted_any_more_leaves_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let lab = plain();
    // The server waits for further replicas before it sends anything.
    fill(&lab, &["config set repl-diskless-sync-delay 100"]);
    for signal in ["-INT", "-TERM", "-HUP"] {
        for peer in PEERS {
            let file = folder.path().join("dump.rdb");
            let line = options(&format!("-p {} --rdb {}", port(&lab), file.display()));
            let end = |mut program: Command| {
                program.args(&line);
                ended(program, &lab, &["sync", "psync"], signal)
            };
            assert_eq!(end(peer.ours()), end(peer.theirs()), "{} by {signal}", peer.name());
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        }
    }
}

/// A job that is to outlive its terminal.
#[test]
fn what_was_started_with_sighup_ignored_goes_on() {
    let lab = laden();
    let mut program = prepared(Command::new("nohup"));
    program.arg(env!("CARGO_BIN_EXE_redis-trib")).args(["exec", &lab.endpoints()[0].to_string()]);
    let child = program.args(options("--bigkeys -i 1")).spawn().unwrap();
    await_asked(&lab, LASTING[0].1);
    send("-HUP", &child.id().to_string());
    let output = child.wait_with_output().unwrap();
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && out.contains("Sampled 3000 keys"), "{out}");
}

/// In a shell's terms: 128 and the signal where one has ended it.
fn shell_status(status: ExitStatus) -> Option<i32> {
    status.code().or(status.signal().map(|signal| 128 + signal))
}

#[test]
fn a_reader_who_goes_ends_the_program_as_it_ends_the_clients() {
    let lab = laden();
    let status = |mut program: Command, mode: &str| {
        let line = options(&format!("-p {} {mode}", port(&lab)));
        let mut child = program.args(line).spawn().unwrap();
        drop(child.stdout.take());
        shell_status(child.wait().unwrap())
    };
    for mode in [
        "--scan",
        "--bigkeys",
        "--hotkeys",
        "--latency-history -i 0.05",
        "--latency-dist -i 0.05",
        "-r -1 -i 0.01 PING",
        "KEYS *",
        "SUBSCRIBE channel",
        "--intrinsic-latency 1",
    ] {
        for peer in PEERS {
            let (ours, theirs) = (status(peer.ours(), mode), status(peer.theirs(), mode));
            assert_eq!(ours, theirs, "{} {mode}", peer.name());
        }
    }
    // Under its own name that is no failure.
    let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_redis-trib")));
    command.args(["exec", &lab.endpoints()[0].to_string(), "--scan"]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // What redis-cli alone has.
    assert_eq!(status(Peer::RedisCli.ours(), "--keystats"), Some(141));
}
