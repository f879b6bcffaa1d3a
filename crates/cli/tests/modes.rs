//! What a terminal does instead of a command, beside redis-cli: the same servers, the same words.
#![allow(clippy::unwrap_used)]

mod replay;

use std::io::Read;
use std::process::{Command, Stdio};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, resp};
use replay::{options, redis_cli, run};

/// What redis-cli of the same version as the server prints, and with which exit code.
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
    let program = TestServer::named("redis-7.0").unwrap().program.with_file_name("redis-cli");
    let mut command = Command::new(program);
    command.env_remove("REDISCLI_AUTH");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn our_program() -> Command {
    let mut command = redis_cli(&[]);
    command.env_remove("FAKETTY");
    command
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
    assert_eq!(ours(&args), theirs(&args), "{line}");
}

#[test]
fn keys_are_listed_and_weighed_as_redis_cli_does() {
    let lab = plain();
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
        "-n 3 --scan",
    ] {
        assert_same(line, port(&lab));
    }
}

#[test]
fn hot_keys_are_found_where_the_server_keeps_count() {
    let lab = plain();
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
