//! Commands and verbs: from and into pipes, to many nodes, and while subscribed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Stdio};
use std::thread;

use redistrib_ops::lab::{TempLab, TestServer};

use crate::modes::{
    PEERS, Peer, assert_same, begun, fill, our_program, ours, plain, port, prepared, printed,
};
use crate::replay::{options, run};

#[test]
fn an_insertion_that_fails_tells_how_far_it_has_come() {
    // Answers twice and hangs up, once it is asked for the last reply.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut received = Vec::new();
        while !received.windows(4).any(|word| word == b"ECHO") {
            let mut part = [0; 512];
            let length = stream.read(&mut part).unwrap();
            assert!(length > 0, "it has hung up");
            received.extend_from_slice(&part[..length]);
        }
        stream.write_all(b"+OK\r\n+OK\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let mut command = our_program();
    command.args(options(&format!("-p {port} --pipe")));
    let output = run(command, b"SET a 1\r\nSET b 2\r\nSET c 3\r\n");
    let (out, complaint) = (String::from_utf8_lossy(&output.stdout), output.stderr);
    let told = "All data transferred. Waiting for the last reply...\nerrors: 1, replies: 2\n";
    assert_eq!((&*out, output.status.code()), (told, Some(1)));
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

/// The peers colour lines for an xterm whatever they print to; the end of a colour, which they print on the next line,
/// stands on the line itself here. People who want none say so with `NO_COLOR`, of which the peers do not know.
#[test]
fn lines_of_verbs_have_the_peers_colours_in_pipes_too() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let node = lab.endpoints()[0].to_string();
    for peer in PEERS {
        for verb in [&["info", &node][..], &["del-node", &node, "nobody"]] {
            let print = |mut command: Command, environment: [(&str, &str); 2]| {
                command.arg("--cluster").args(verb).envs(environment);
                printed(command).0
            };
            for (terminal, is_coloured) in
                [("xterm", true), ("xterm-256color", true), ("vt100", false)]
            {
                let environment = [("TERM", terminal), ("NO_COLOR", "")];
                let ours = print(peer.ours(), environment);
                assert_eq!(ours.contains("\x1b["), is_coloured, "{terminal}: {ours}");
                let theirs = print(peer.theirs(), environment);
                assert_eq!(ours, theirs, "{terminal}");
            }
            let plain = print(peer.ours(), [("TERM", "xterm"), ("NO_COLOR", "1")]);
            assert!(!plain.contains('\x1b'), "{plain}");
        }
    }
    warnings_are_where_complaints_are(&lab);
}

/// Many a script takes what is on standard error for a failure.
fn warnings_are_where_complaints_are(lab: &TempLab) {
    fill(lab, &["acl setuser default -client"]);
    let node = lab.endpoints()[0].to_string();
    for peer in PEERS {
        let mut command = peer.ours();
        let moved = ["--cluster-from", "all", "--cluster-to", &node, "--cluster-slots", "1"];
        command.args(["--cluster", "reshard", &node, "--cluster-yes"]).args(moved);
        let (out, complaint, code) = printed(command);
        assert_eq!((complaint.as_str(), code), ("", Some(0)), "{out}");
        assert!(out.contains("[WARNING]"), "{out}");
    }
}
