//! What a terminal does instead of a command, beside redis-cli: the same servers, the same words.
#![allow(clippy::unwrap_used)]

mod replay;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{Layout, Options, TempLab, TestServer};
use redistrib_ops::{Connection, resp};
use replay::{options, run};

/// The peers' newest clients, whose words this program takes over under their names.
#[derive(Clone, Copy)]
enum Peer {
    RedisCli,
    ValkeyCli,
}

const PEERS: [Peer; 2] = [Peer::RedisCli, Peer::ValkeyCli];

impl Peer {
    fn name(self) -> &'static str {
        match self {
            Self::RedisCli => "redis-cli",
            Self::ValkeyCli => "valkey-cli",
        }
    }

    fn theirs(self) -> Command {
        prepared(Command::new(match self {
            Self::RedisCli => TestServer::named("redis-8.6").unwrap().tool("redis-cli").unwrap(),
            Self::ValkeyCli => TestServer::client("valkey-cli-9.1").unwrap(),
        }))
    }

    fn ours(self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
        command.arg0(self.name());
        prepared(command)
    }
}

fn prepared(mut command: Command) -> Command {
    command.env_remove("REDISCLI_AUTH").env_remove("FAKETTY");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What redis-cli prints, and with which exit code.
fn theirs(args: &[String]) -> (String, String, Option<i32>) {
    let mut command = their_program();
    command.args(args);
    printed(command)
}

/// What this program prints under the name of redis-cli.
fn ours(args: &[String]) -> (String, String, Option<i32>) {
    let mut command = our_program();
    command.args(args);
    printed(command)
}

fn their_program() -> Command {
    Peer::RedisCli.theirs()
}

fn our_program() -> Command {
    Peer::RedisCli.ours()
}

/// What a program that has no end prints until there is enough.
fn begun(mut command: Command, args: &str, is_enough: impl Fn(&str) -> bool) -> String {
    let mut child = command.args(options(args)).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut text, mut bytes) = (String::new(), [0; 4096]);
    while !is_enough(&text) {
        let count = out.read(&mut bytes).unwrap();
        assert!(count > 0, "{args} ends with {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..count]));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    text
}

fn printed(command: Command) -> (String, String, Option<i32>) {
    let output = run(command, b"");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn plain() -> TempLab {
    TempLab::plain(&TestServer::named("redis-8.6").unwrap(), 1).unwrap()
}

/// A server that tells its keys in the same order each time it is asked: Redis 8.6 does not.
fn orderly() -> TempLab {
    TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap()
}

fn port(lab: &TempLab) -> u16 {
    lab.endpoints()[0].port().unwrap()
}

fn fill(lab: &TempLab, commands: &[&str]) {
    let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    for line in commands {
        link.call(&resp::Command::from_args(line.split_whitespace())).unwrap();
    }
}

/// Both print the same, byte for byte, on standard output and standard error, and end with the same code.
fn assert_same(line: &str, port: u16) {
    let args = options(&format!("-p {port} {line}"));
    for peer in PEERS {
        let (mut ours, mut theirs) = (peer.ours(), peer.theirs());
        ours.args(&args);
        theirs.args(&args);
        assert_eq!(printed(ours), printed(theirs), "{} {line}", peer.name());
    }
}

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

fn interrupt(process: u32) {
    let status = Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap();
    assert!(status.success());
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
}

#[test]
fn latency_is_four_numbers_in_each_form() {
    let lab = plain();
    for (form, before, between) in [
        ("", "", [" ", " ", " "]),
        ("--raw", "", [" ", " ", " "]),
        ("--csv", "", [",", ",", ","]),
        ("--json", "{\"min\": ", [", \"max\": ", ", \"avg\": ", ", \"count\": "]),
    ] {
        let args = options(&format!("-p {} --latency -i 0.05 {form}", port(&lab)));
        for (line, complaint, code) in [ours(&args), theirs(&args)] {
            assert_eq!((complaint.as_str(), code), ("", Some(0)), "{form}");
            let mut rest = line.strip_prefix(before).unwrap();
            for mark in between {
                let (number, after) = rest.split_once(mark).unwrap_or_else(|| panic!("{line}"));
                assert!(number.parse::<f64>().is_ok(), "{line}");
                rest = after;
            }
            let count = rest.trim_end_matches(['}', '\n']);
            assert!(count.parse::<u64>().unwrap() > 0, "{line}");
        }
    }
}

#[test]
fn latency_on_a_terminal_stays_in_its_line() {
    let lab = plain();
    let line = format!("-p {} --latency --no-raw", port(&lab));
    for program in [our_program(), their_program()] {
        let text = begun(program, &line, |text| text.contains("(3 samples)"));
        let last = text.rsplit("\x1b[0G\x1b[2K").find(|part| part.contains("(3 samples)"));
        let last = last.unwrap_or_else(|| panic!("{text:?}"));
        assert!(last.starts_with("min: ") && last.contains(", max: "), "{text:?}");
        assert!(!text.contains('\n'), "{text:?}");
    }
    let line = format!("-p {} --latency-history -i 0.05 --no-raw", port(&lab));
    for program in [our_program(), their_program()] {
        let text = begun(program, &line, |text| text.matches(" seconds range\n").count() == 2);
        assert!(text.contains(" samples) -- 0."), "{text:?}");
    }
}

#[test]
fn round_trips_are_shown_as_a_spectrum_of_the_same_letters() {
    let lab = plain();
    let line = format!("-p {} --latency-dist -i 0.05", port(&lab));
    let shown = |program| {
        let text = begun(program, &line, |text| text.matches("?\x1b[0m\n").count() > 20);
        let (legend, rest) = text.split_once("\x1b[38;5;0m").unwrap();
        let first = rest.lines().next().unwrap().to_owned();
        let letters = first.split("\x1b[48;5;").skip(1).map(|part| part.split_once('m').unwrap().1);
        let legends = text.matches("From 0 to 100%").count();
        (legend.to_owned(), letters.collect::<String>(), legends)
    };
    assert_eq!(shown(our_program()), shown(their_program()));
}

/// A text with every number replaced.
fn shape(text: &str) -> String {
    let mut shape = String::new();
    for letter in text.chars() {
        match letter {
            '0'..='9' | '.' if shape.ends_with('N') => {}
            '0'..='9' => shape.push('N'),
            other => shape.push(other),
        }
    }
    shape
}

#[test]
fn a_program_is_watched_without_a_server_until_its_time_is_up_or_it_is_stopped() {
    let last = |text: &str| {
        let lines: Vec<String> = text.lines().map(shape).collect();
        let from = lines.iter().rposition(|line| line.starts_with("Max latency")).unwrap();
        lines[from..].join("\n")
    };
    let args = options("--intrinsic-latency 1");
    let (ours, theirs) = (ours(&args), theirs(&args));
    assert_eq!((last(&ours.0), ours.1, ours.2), (last(&theirs.0), theirs.1, theirs.2));

    let mut command = our_program();
    let mut child = command.args(options("--intrinsic-latency 1000")).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    interrupt(child.id());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("total runs") && child.wait().unwrap().success(), "{rest}");
}

#[test]
fn a_cache_is_tried_with_keys_of_its_own() {
    let lab = plain();
    let line = format!("-p {} --lru-test 5000", port(&lab));
    // Theirs shows nothing in a pipe before a minute has passed, and then this line, too.
    let text = begun(our_program(), &line, |text| text.contains('\n'));
    let shape = shape(text.lines().next().unwrap());
    assert_eq!(shape, "N Gets/sec | Hits: N (N%) | Misses: N (N%)");
    let (keys, ..) = ours(&options(&format!("-p {} --scan", port(&lab))));
    let numbers = keys.lines().map(|key| key.strip_prefix("lru:").unwrap().parse::<u64>().unwrap());
    assert!(keys.lines().count() > 500 && numbers.max().unwrap() <= 5000);
}

#[test]
fn figures_stand_in_the_same_columns() {
    let lab = plain();
    fill(&lab, &["set a 1", "set b 2"]);
    let line = format!("-p {} --stat -i 0.05", port(&lab));
    let rows = |program| {
        let text = begun(program, &line, |text| text.lines().count() > 24);
        text.lines().take(24).map(str::to_owned).collect::<Vec<_>>()
    };
    let (ours, theirs) = (rows(our_program()), rows(their_program()));
    for (ours, theirs) in ours.iter().zip(&theirs) {
        // Where each column begins; what stands in it differs but for the first.
        let columns = |row: &str| -> Vec<usize> {
            let before = std::iter::once(' ').chain(row.chars());
            let begins = before.zip(row.chars()).map(|(before, c)| before == ' ' && c != ' ');
            begins.enumerate().filter_map(|(at, begins)| begins.then_some(at)).collect()
        };
        assert_eq!(columns(ours).get(..5), columns(theirs).get(..5), "{ours}\n{theirs}");
        assert_eq!(ours.split(' ').next(), theirs.split(' ').next());
        if ours.starts_with(['-', 'k']) {
            assert_eq!(ours, theirs);
        }
    }
}

#[test]
fn rows_of_figures_end_after_as_many_as_are_wanted() {
    let lab = plain();
    let node = lab.endpoints()[0].to_string();
    for rows in [1, 2] {
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_redis-trib")));
        command.args(["exec", &node, "--stat", "-i", "0.05", "-r", &rows.to_string()]);
        let (out, complaint, code) = printed(command);
        assert_eq!((out.lines().count(), code), (rows + 2, Some(0)), "{out}{complaint}");
    }
}

/// A server that begins to send its data set as soon as it is asked.
fn quick(name: &'static str, config: &[&str]) -> TempLab {
    let config = config.iter().map(|line| (*line).to_owned());
    TempLab::up(Options {
        nodes: Some(1),
        layout: Some(Layout::Plain),
        server: Some(TestServer::named(name).unwrap().program),
        config: config.chain(["repl-diskless-sync-delay 0".to_owned()]).collect(),
        ..Options::default()
    })
    .unwrap()
}

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

#[test]
fn an_insertion_that_fails_tells_how_far_it_has_come() {
    // Answers twice and hangs up.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let mut command = our_program();
    command.args(options(&format!("-p {port} --pipe")));
    let output = run(command, b"SET a 1\r\nSET b 2\r\nSET c 3\r\n");
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), output.stderr);
    assert_eq!((&*out, output.status.code()), ("errors: 1, replies: 2\n", Some(1)));
    assert!(String::from_utf8_lossy(&complaint).contains("closed the connection"));
}

#[test]
fn what_a_connection_is_told_first_may_take_as_long_as_a_command() {
    let lab = plain();
    let node = lab.endpoints()[0].to_string();
    for first in [&["-n", "3"][..], &["-3"]] {
        fill(&lab, &["client pause 600 all"]);
        let mut command = prepared(Command::new(env!("CARGO_BIN_EXE_redis-trib")));
        command.args(["exec", "--answer-timeout", "100"]).args(first).args([&node, "ping"]);
        assert_eq!(printed(command), ("PONG\n".into(), String::new(), Some(0)));
    }
    for patience in ["0", "0.5", "3"] {
        assert_same(&format!("-t {patience} ping"), port(&lab));
    }
}

#[test]
fn one_command_goes_to_all_masters_or_to_all_nodes() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 1).unwrap();
    let node = lab.endpoints()[0].to_string();
    for (option, count, masters) in [("--all-masters", 3, 3), ("--all-nodes", 6, 3)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_redis-trib"));
        command.args(["exec", option, &node, "role"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let (text, complaint, code) = printed(command);
        assert_eq!((complaint.as_str(), code), ("", Some(0)));
        for endpoint in lab.endpoints().iter().take(count) {
            assert_eq!(text.matches(&format!("{endpoint}\n")).count(), 1, "{text}");
        }
        assert_eq!(text.lines().filter(|line| *line == "master").count(), masters, "{text}");
    }
    // Every key, from whichever node is asked.
    for number in 0..30 {
        let set = format!("-c -h 127.0.0.1 -p {} set key{number} x", port(&lab));
        assert_eq!(ours(&options(&set)).0, "OK\n");
    }
    let (keys, ..) = ours(&options(&format!("-c -p {} --scan", port(&lab))));
    assert_eq!(keys.lines().count(), 30, "{keys}");
}

/// What a program prints to whom it is typed a line at a time, each as soon as what stands beside the one before it was
/// printed; then its input ends. A line behind `!` is another client's.
fn conversation(mut command: Command, lab: &TempLab, turns: &[(&str, &str)]) -> String {
    let mut child = command.args(["-p", &port(lab).to_string()]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    let (mut text, mut read, mut bytes) = (String::new(), 0, [0; 4096]);
    for (line, answer) in turns {
        match line.strip_prefix('!') {
            Some(line) => fill(lab, &[line]),
            None => writeln!(input, "{line}").unwrap(),
        }
        while !text[read..].contains(answer) {
            let count = out.read(&mut bytes).unwrap();
            assert!(count > 0, "after {line:?} it ends with {text}");
            text.push_str(&String::from_utf8_lossy(&bytes[..count]));
        }
        read = text.len();
    }
    drop(input);
    out.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    text
}

#[test]
fn lines_are_taken_from_a_pipe_while_subscribed() {
    let lab = plain();
    for (protocol, allowed, terminal) in [
        ("-2", "ping", false),
        ("-3", "client tracking on", false),
        ("-2", "ping", true),
        ("-3", "client tracking on", true),
    ] {
        // On a terminal it is said that messages are waited for.
        let shown = |text| if terminal { "type command)\r" } else { text };
        let turns = [
            ("subscribe ch1 ch2", shown("ch2\n2\n")),
            (allowed, shown("\n")),
            ("get k", shown("\n")),
            ("!set k 1", if protocol == "-3" { shown("invalidate\nk\n") } else { "" }),
            ("!publish ch1 hello", shown("hello\n")),
            ("unsubscribe ch1", shown("ch1\n1\n")),
            ("!publish ch2 world", shown("world\n")),
            ("unsubscribe ch2", "ch2"),
            ("get k", "1"),
            ("ssubscribe shard", shown("shard\n1\n")),
        ];
        // redis-cli still says so when no subscription is left; valkey-cli does not.
        for peer in PEERS.into_iter().filter(|peer| !terminal || matches!(peer, Peer::ValkeyCli)) {
            let print = |mut command: Command| {
                command
                    .arg(protocol)
                    .env("TERM", "dumb")
                    .envs(terminal.then_some(("FAKETTY", "1")));
                fill(&lab, &["del k"]);
                conversation(command, &lab, &turns)
            };
            assert_eq!(print(peer.ours()), print(peer.theirs()), "{} {protocol}", peer.name());
        }
    }
}

#[test]
fn a_subscription_to_a_shard_lasts() {
    let lab = plain();
    let text = begun(our_program(), &format!("-p {} ssubscribe shard", port(&lab)), |text| {
        if text.ends_with("shard\n1\n") {
            fill(&lab, &["spublish shard hello"]);
        }
        text.contains("smessage\nshard\nhello\n")
    });
    assert!(text.starts_with("ssubscribe\nshard\n1\n"), "{text}");
}
