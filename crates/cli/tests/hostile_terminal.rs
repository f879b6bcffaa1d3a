//! Servers that lie, stall or attack the terminal: a clear word, and the session goes on.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redistrib_ops::Secret;
use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};

use crate::replay::{options, redis_cli, run};
use crate::support::terminal::{only_child, send};

/// How long a program may take to ask its server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers each connection's first words with `answer` and closes then.
fn serve(answer: &'static [u8]) -> Vec<String> {
    serve_with(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(answer);
        // What is still unread would make the system break the connection off.
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn serve_with(script: impl Fn(TcpStream) + Send + Sync + Clone + 'static) -> Vec<String> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let script = script.clone();
            thread::spawn(move || script(stream));
        }
    });
    options(&format!("-p {port}"))
}

/// What two commands and a line for the session print: the last shows that the session has gone on.
fn printed(args: &[String]) -> (String, String) {
    let output = run(redis_cli(args), b"GET a\n:next\n");
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(out.contains("unknown redis-cli internal command ':next'"), "{out}");
    (out, String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn what_is_no_reply_is_told_and_the_session_goes_on() {
    for (answer, word) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "not the Redis protocol"),
        (b"$-5\r\n", "not the Redis protocol"),
        (b"*2\r\n:1\r\n", "closed the connection"),
        (b"$100\r\nshort", "whether the command was executed is not known"),
        (b"", "closed the connection"),
        (b"$99999999999999\r\n", "longer than the limit"),
    ] {
        let (_, complaint) = printed(&serve(answer));
        assert!(complaint.contains(word), "{}: {complaint}", answer.escape_ascii());
    }
}

#[test]
fn quotes_that_do_not_close_are_told_and_the_session_goes_on() {
    let args = serve(b"+OK\r\n");
    for line in ["get \"a", "get 'a", "get \"a\"b", "get \"\\x0"] {
        let output = run(redis_cli(&args), format!("{line}\n:next\n").as_bytes());
        let out = String::from_utf8_lossy(&output.stdout);
        let expected = "Invalid argument(s)\nunknown redis-cli internal command ':next'\n";
        assert_eq!(out, expected, "{line}");
    }
}

#[test]
fn help_needs_no_server() {
    for (line, expected) in [
        ("-p 1 help get", "\r\n  GET key\r\n  summary: "),
        ("-p 1 help cluster setslot", "\r\n  CLUSTER SETSLOT slot "),
        ("-p 1 help @hash", "\r\n  HGET key field\r\n  summary: "),
        ("-p 1 ? cluster migrateslots", "\r\n  CLUSTER MIGRATESLOTS "),
    ] {
        let mut command = redis_cli(&options(line));
        command.env("NO_COLOR", "1");
        let output = run(command, b"");
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && out.contains(expected), "{line}: {out}");
    }
}

#[test]
fn what_was_asked_is_named_in_the_complaint() {
    let (_, complaint) = printed(&serve(b"$-5\r\n"));
    assert!(complaint.contains("the answer to GET a is not"), "{complaint}");
}

/// As long as every byte of a value costs the same, this takes a second; were each to cost what stands before
/// it, hours.
#[test]
fn a_value_of_many_megabytes_is_printed_whole() {
    const TIMES: usize = 128 << 10;
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let port = lab.endpoints()[0].port().unwrap();
    let value: Vec<u8> = (0..=u8::MAX).collect::<Vec<_>>().repeat(TIMES);
    let set = run(redis_cli(&options(&format!("-p {port} -x set big"))), &value);
    assert_eq!(set.stdout, b"OK\n");
    let raw = run(redis_cli(&options(&format!("-p {port} --raw get big"))), b"");
    assert!(raw.stdout.strip_suffix(b"\n").is_some_and(|text| text == value));
    let shown = run(redis_cli(&options(&format!("-p {port} get big"))), b"").stdout;
    let inner = shown.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"\n")).unwrap();
    let once = inner.get(..inner.len() / TIMES).unwrap();
    assert!(once.starts_with(br"\x00\x01") && once.ends_with(br"\xfe\xff"));
    assert!(inner.chunks(once.len()).all(|piece| piece == once));
}

/// A shell on a terminal of its own; what is shown comes from its standard output.
fn in_a_shell(line: &str) -> Child {
    Command::new("script")
        .args(["-qefc", line, "/dev/null"])
        .envs([("SHELL", "/bin/sh"), ("TERM", "xterm"), ("REDISCLI_HISTFILE", "/dev/null")])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("this test needs util-linux's `script`: {error}"))
}

#[test]
fn a_reply_of_200_megabytes_is_printed_whole_given_up_with_its_reader_or_broken_off() {
    const SIZE: usize = 200 << 20;
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let port = lab.endpoints()[0].port().unwrap();
    let script = format!("redis.call('SET', 'big', string.rep('x', {SIZE}))");
    run(redis_cli(&[options(&format!("-p {port} eval")), vec![script, "0".into()]].concat()), b"");
    let program = env!("CARGO_BIN_EXE_redis-trib");

    let line = format!("{program} exec 127.0.0.1:{port} get big; echo ended with $?; stty -a");
    let shown = in_a_shell(&line).wait_with_output().unwrap().stdout;
    let (value, end) = shown.split_at(SIZE + 2);
    assert!(value.starts_with(b"\"x") && value.ends_with(b"x\""), "{}", end.escape_ascii());
    let end = String::from_utf8_lossy(end);
    assert!(end.contains("ended with 0") && end.contains(" icanon"), "{end}");

    let line = format!("{program} exec 127.0.0.1:{port} get big | head -c 3; exit 0");
    assert_eq!(in_a_shell(&line).wait_with_output().unwrap().stdout, b"xxx");

    // From the prompt, ended from outside while it prints.
    let line = format!("{program} shell 127.0.0.1:{port}; echo ended with $?; stty -a; exit 0");
    let mut child = in_a_shell(&line);
    child.stdin.as_mut().unwrap().write_all(b"get big\r").unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut bytes = vec![0; 1 << 20];
    let mut count = 0;
    while count < SIZE / 10 {
        count += out.read(&mut bytes).unwrap();
    }
    let shell = only_child(&child.id().to_string());
    send("-TERM", &only_child(&shell));
    let mut rest = Vec::new();
    out.read_to_end(&mut rest).unwrap();
    child.wait().unwrap();
    let end = String::from_utf8_lossy(rest.split_at(rest.len().saturating_sub(2000)).1);
    assert!(count + rest.len() < SIZE && end.contains("ended with 143"), "{end}");
    assert!(end.contains(" icanon") && end.contains(" echo "), "{end}");
}

#[test]
fn nesting_without_end_is_refused() {
    let deep: &'static [u8] = "*1\r\n".repeat(100_000).leak().as_bytes();
    let (_, complaint) = printed(&serve(deep));
    assert!(complaint.contains("deeper than the limit"), "{complaint}");
}

#[test]
fn a_line_without_end_is_refused() {
    let args = serve_with(|mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = stream.write_all(b"+");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    let (_, complaint) = printed(&args);
    assert!(complaint.contains("line longer than the limit"), "{complaint}");
}

#[test]
fn no_reply_reaches_the_terminal_as_a_command_to_it() {
    for (answer, shown) in [
        (&b"$5\r\n\x1b[2Ja\r\n"[..], r#""\x1b[2Ja""#),
        (b"+\x1b]0;owned\x07\r\n", r"\x1b]0;owned\x07"),
        (b"-ERR \x1b[31mred\r\n", r"(error) ERR \x1b[31mred"),
        (b"=8\r\ntxt:\x1b[2J\r\n", r"\x1b[2J"),
        (b"%1\r\n+\x1bk\r\n!3\r\n\x9b1m\r\n", r"1# \x1bk => (error) \x9b1m"),
        (b"-MOVED 1 \x1b[31m:7000\r\n", r"(error) MOVED 1 \x1b[31m:7000"),
    ] {
        let (out, complaint) = printed(&serve(answer));
        assert!(out.contains(shown), "{out}");
        let drives = |text: &str| text.chars().any(|c| c.is_control() && c != '\n');
        assert!(!drives(&out) && !drives(&complaint), "{out:?} {complaint:?}");
    }
}

#[test]
fn a_hostile_redirection_is_shown_harmless() {
    let mut args = serve(b"-MOVED 1 \x1b[31m:1\r\n");
    args.push("-c".into());
    let (out, complaint) = printed(&args);
    assert!(out.contains(r"located at \x1b[31m:1"), "{out}");
    assert!(!complaint.contains('\x1b'), "{complaint:?}");
}

#[test]
fn a_wrong_password_is_told_and_never_repeated() {
    let lab = TempLab::up(LabOptions {
        nodes: Some(1),
        layout: Some(Layout::Plain),
        password: Some(Secret::new("rightpass")),
        server: Some(TestServer::named("redis-7.0").unwrap().program),
        ..LabOptions::default()
    })
    .unwrap();
    let port = lab.endpoints()[0].port().unwrap();
    for line in ["-a s3cret", "--user bob --pass s3cret", "-u redis://bob:s3cret@127.0.0.1"] {
        let output = run(redis_cli(&options(&format!("{line} -p {port}"))), b"GET a\n");
        let (out, complaint) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(complaint.contains("AUTH failed: WRONGPASS"), "{line}: {complaint}");
        assert!(complaint.contains("Warning: Using a password"), "{line}: {complaint}");
        assert_eq!(out, "(error) NOAUTH Authentication required.\n");
        assert!(!complaint.contains("s3cret"), "{complaint}");
    }
    let right = run(redis_cli(&options(&format!("-a rightpass -p {port} ping"))), b"");
    assert_eq!(right.stdout, b"PONG\n");
}

#[test]
fn a_restarted_server_is_found_again() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::plain(&server, 1).unwrap();
    let args = options(&format!("-p {}", lab.endpoints()[0].port().unwrap()));
    let mut child = redis_cli(&args).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut out = child.stdout.take().unwrap();
    let mut say = |line: &str, answer: &str| {
        input.write_all(line.as_bytes()).unwrap();
        let mut got = vec![0; answer.len()];
        out.read_exact(&mut got).unwrap();
        assert_eq!(String::from_utf8_lossy(&got), answer);
    };
    say("ping\n", "PONG\n");
    lab.kill(0);
    say("ping\n:next\n", "unknown redis-cli internal command ':next'\n");
    lab.restart(0).unwrap();
    say("ping\n", "PONG\n");
    drop(input);
    let output = child.wait_with_output().unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    let hung_up = format!("Error: Server closed the connection ({})\n", lab.endpoints()[0]);
    assert!(complaint.starts_with(&hung_up), "{complaint}");
}

/// What catches signals to tell how far it has come ends by one of them, though no answer comes that it could go on with.
#[test]
fn a_server_that_hangs_keeps_nobody_from_ending() {
    let (asked, commands) = mpsc::channel();
    let server = serve_with(move |mut stream| {
        let _ = stream.read(&mut [0; 4096]);
        let _ = asked.send(());
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dump.rdb").display().to_string();
    let begin = |mode: &[&str]| {
        let mut command = redis_cli(&server);
        command.args(mode).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    let waiting = [begin(&["--bigkeys"]), begin(&["--rdb", &file]), begin(&["--keystats"])];
    waiting.iter().for_each(|_| commands.recv_timeout(PATIENCE).unwrap());
    waiting.iter().for_each(|child| send("-TERM", &child.id().to_string()));
    for mut child in waiting {
        assert_eq!(child.wait().unwrap().signal(), Some(15));
    }
}
