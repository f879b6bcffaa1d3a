//! Walks over all keys: how they are listed, weighed and counted.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, resp};

use crate::modes::{
    Peer, assert_same, assert_same_as, fill, interrupt, orderly, our_program, ours, plain, port,
    prepared, printed, quick, their_program, theirs,
};
use crate::replay::options;

#[test]
fn keys_are_listed_and_weighed_as_redis_cli_does() {
    let lab = orderly();
    fill(
        &lab,
        &[
            "set s1 abc",
            "set s2 abcdefgh",
            "rpush list 1 2 3",
            "hset hash f v g w",
            "sadd set a b c d",
            "zadd zset 1 a",
            "xadd stream 1-1 f v",
            "set \x1b[31m x",
        ],
    );
    for line in [
        "--scan",
        "--scan --pattern s*",
        "--pattern nothing* --scan",
        "--scan --quoted-pattern \"\\x73*\"",
        "--bigkeys",
        "--bigkeys -i 0.01",
        "--bigkeys --pattern *s*",
        "--memkeys",
        "--memkeys-samples 0",
        "--bigkeys --count 3",
        "--memkeys --count 100 --pattern s*",
        "-n 3 --scan",
    ] {
        assert_same(line, port(&lab));
    }
}

/// Sizes of many orders, to the last digit of each percentile.
#[test]
fn key_statistics_are_those_of_redis_cli() {
    let lab = orderly();
    let link = &mut Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let long = "n".repeat(300);
    for number in 0..400usize {
        let name = if number % 100 == 7 { format!("{long}{number}") } else { format!("k{number}") };
        let value = "x".repeat(number * number * 3);
        link.call(&resp::Command::new("SET").arg(name).arg(value)).unwrap();
    }
    fill(&lab, &["rpush list 1 2 3", "hset hash f v g w", "zadd zset 1 a", "xadd stream 1-1 f v"]);
    for line in [
        "--keystats",
        "--keystats --top 3 --count 100",
        "--keystats-samples 2",
        "--keystats --pattern k1*",
    ] {
        let args = options(&format!("-p {} {line}", port(&lab)));
        let (ours, theirs) = (ours(&args), theirs(&args));
        assert_eq!((ours.0, ours.2), (theirs.0, theirs.2), "{line}");
    }
}

/// redis-cli takes any output for a terminal where FAKETTY is set.
#[test]
fn on_a_terminal_a_bar_tells_how_far_a_walk_is() {
    let lab = orderly();
    let keys: Vec<String> = (0..300).map(|key| format!("set k{key} {key}")).collect();
    fill(&lab, &keys.iter().map(String::as_str).collect::<Vec<_>>());
    fill(&lab, &["config set maxmemory-policy allkeys-lfu", "rpush list 1 2", "get k1"]);
    let port = port(&lab);
    let faked = |mut program: Command, line: &str| {
        program.env("FAKETTY", "1").args(options(&format!("-p {port} {line}")));
        printed(program)
    };
    for line in ["--bigkeys", "--memkeys", "--keystats", "--bigkeys --pattern nothing"] {
        // Theirs has the types in an order of its own each time.
        let both = || {
            [our_program(), their_program()].map(|program| {
                let (out, complaint, code) = faked(program, line);
                let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
                lines.sort();
                (lines, complaint, code)
            })
        };
        // A walk that a busy machine holds up shows its bar in between, by the clock.
        let mut told = both();
        for _ in 0..5 {
            if told[0] != told[1] {
                told = both();
            }
        }
        assert_eq!(told[0], told[1], "{line}");
    }
    // While the walk pauses the bar stands still; it is written over then.
    let (shown, ..) = faked(our_program(), "--bigkeys --count 1 -i 0.4");
    let live = shown.split("A\r").next().unwrap();
    assert!(live.contains("Keys sampled: ") && !live.contains("Keys sampled: 301"), "{shown:?}");
    assert!(live.contains("\x1b[2K\rBiggest string    found so far "), "{shown:?}");
    let (shown, ..) = faked(our_program(), "--hotkeys");
    assert!(shown.contains(&"|".repeat(60)) && !shown.contains("in the keyspace"), "{shown:?}");
}

#[test]
fn what_may_not_be_asked_is_never_counted_as_nothing() {
    let lab = plain();
    fill(&lab, &["set key value", "config set maxmemory-policy allkeys-lfu"]);
    for (forbidden, modes) in [
        ("dbsize", &["--bigkeys", "--memkeys", "--hotkeys", "--keystats"][..]),
        ("scan", &["--scan", "--bigkeys", "--memkeys", "--hotkeys", "--keystats"]),
        ("type", &["--bigkeys", "--memkeys", "--keystats"]),
        ("object", &["--hotkeys"]),
    ] {
        let rule = format!("acl setuser {forbidden} on nopass ~* &* +@all -{forbidden}");
        fill(&lab, &[&rule]);
        for mode in modes {
            let line =
                format!("-p {} --user {forbidden} --pass x --no-auth-warning {mode}", port(&lab));
            let (out, complaint, code) = ours(&options(&line));
            assert_eq!(
                (&out, &complaint, code),
                (&out, &theirs(&options(&line)).1, Some(1)),
                "{line}"
            );
            assert!(!out.contains("summary") && complaint.contains("NOPERM"), "{line}: {out}");
        }
    }
    // Theirs takes these for keys of no size.
    for (forbidden, mode) in
        [("memory", "--memkeys"), ("strlen", "--bigkeys"), ("memory", "--keystats")]
    {
        let rule = format!("acl setuser {forbidden} on nopass ~* &* +@all -{forbidden}");
        fill(&lab, &[&rule]);
        let line =
            format!("-p {} --user {forbidden} --pass x --no-auth-warning {mode}", port(&lab));
        let (out, complaint, code) = ours(&options(&line));
        assert_eq!(code, Some(1), "{line}: {out}");
        assert!(complaint.contains("returned an error: NOPERM"), "{line}: {complaint}");
    }
    for mode in ["--bigkeys", "--hotkeys", "--scan"] {
        let (out, complaint, code) = ours(&options(&format!("-p {} -n 99 {mode}", port(&lab))));
        assert_eq!((out.as_str(), code), ("", Some(1)));
        assert!(complaint.contains("there is no database 99"), "{complaint}");
    }
}

#[test]
fn a_replica_is_asked_for_its_keys() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.6").unwrap(), 3, 1).unwrap();
    for number in 0..60 {
        let set = format!("-c -p {} set key{number} x", port(&lab));
        assert_eq!(ours(&options(&set)).0, "OK\n");
    }
    let replica = lab.endpoints()[3].port().unwrap();
    let size = || ours(&options(&format!("-p {replica} dbsize"))).0.trim().parse::<u64>().unwrap();
    let master = ours(&options(&format!("-p {replica} role"))).0;
    let master: u16 = master.lines().nth(2).unwrap().parse().unwrap();
    let at_master = ours(&options(&format!("-p {master} dbsize"))).0.trim().parse::<u64>().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    while size() < at_master {
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(20));
    }
    for mode in ["--bigkeys", "--memkeys", "--keystats"] {
        let (out, complaint, code) = ours(&options(&format!("-p {replica} {mode}")));
        assert_eq!((complaint.as_str(), code), ("", Some(0)), "{mode}");
        let sampled = [format!("Sampled {at_master} keys"), format!("Keys sampled: {at_master}\n")];
        assert!(sampled.iter().any(|text| out.contains(text)), "{mode}: {out}");
    }
}

#[test]
fn an_interrupted_walk_tells_what_it_has_found() {
    let lab = plain();
    let sets: Vec<String> = (0..3000).map(|number| format!("set key{number} x")).collect();
    fill(&lab, &sets.iter().map(String::as_str).collect::<Vec<_>>());
    for mode in ["--bigkeys", "--keystats"] {
        for mut program in [our_program(), their_program()] {
            let line = format!("-p {} {mode} -i 1.5", port(&lab));
            let child = program.args(options(&line)).spawn().unwrap();
            // It has begun once it has asked so much that it rests; the rest would take seconds.
            let scans = || {
                let stats = ours(&options(&format!("-p {} info commandstats", port(&lab)))).0;
                stats.lines().any(|line| line.starts_with("cmdstat_scan:calls=100,"))
            };
            let until = Instant::now() + Duration::from_secs(60);
            while !scans() {
                assert!(Instant::now() < until);
            }
            interrupt(child.id());
            let output = child.wait_with_output().unwrap();
            let out = String::from_utf8_lossy(&output.stdout).into_owned();
            assert_eq!(output.status.code(), Some(0), "{out}");
            let expected = if mode == "--bigkeys" { "%] Sampled " } else { "--keystats --cursor " };
            assert!(out.contains(expected), "{line}: {out}");
            fill(&lab, &["config resetstat"]);
        }
    }
}

#[test]
fn json_is_for_programs() {
    let lab = quick("redis-8.6", &[]);
    fill(&lab, &["set s1 abc", "rpush list 1 2 3", "config set maxmemory-policy allkeys-lfu"]);
    let node = lab.endpoints()[0].to_string();
    let document = |mode: &str| {
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_redis-trib")));
        command.args(["exec", &node]).args(options(mode)).arg("--json");
        let (out, complaint, code) = printed(command);
        assert_eq!(code, Some(0), "{mode}: {complaint}");
        serde_json::from_str::<serde_json::Value>(&out).unwrap_or_else(|_| panic!("{mode}: {out}"))
    };
    let big = document("--bigkeys");
    assert_eq!(
        (big["sampled"].as_u64(), big["types"][0]["biggest"]["size"].as_u64()),
        (Some(2), Some(3))
    );
    assert_eq!(document("--memkeys")["types"][1]["unit"], "bytes");
    assert_eq!(document("--hotkeys")["sampled"].as_u64(), Some(2));
    assert_eq!(document("--keystats --top 1")["top"].as_array().map(Vec::len), Some(1));
    assert!(document("--intrinsic-latency 1")["runs"].as_u64() > Some(0));
    assert!(document("--latency -i 0.05")["count"].as_u64() > Some(0));
    assert_eq!(document("--pipe")["errors"].as_u64(), Some(0));
    assert!(document("--rdb /dev/null")["bytes"].as_u64() > Some(0));
}

#[test]
fn hot_keys_are_found_where_the_server_keeps_count() {
    let lab = orderly();
    let names: Vec<String> = (1..=20).map(|number| format!("key{number}")).collect();
    let set = names.iter().map(|name| format!("set {name} x"));
    fill(&lab, &set.collect::<Vec<_>>().iter().map(String::as_str).collect::<Vec<_>>());
    // The policy is wrong: the server says so, and both say it on.
    assert_same("--hotkeys", port(&lab));
    fill(&lab, &["config set maxmemory-policy allkeys-lfu lfu-decay-time 0"]);
    for (number, name) in names.iter().enumerate() {
        let get = format!("get {name}");
        fill(&lab, &vec![get.as_str(); number * 5]);
    }
    assert_same("--hotkeys", port(&lab));
    // redis-cli always finds sixteen.
    for line in ["--hotkeys-count 3", "--hotkeys --hotkeys-count 1", "--hotkeys-count 100"] {
        assert_same_as(Peer::ValkeyCli, line, port(&lab));
    }
}
