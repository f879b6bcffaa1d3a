//! The prompt on a terminal of its own.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, resp};

use crate::support::terminal::{User, only_child, send};

/// Waits until the server holds a client up.
fn await_blocked(lab: &TempLab) {
    let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let since = Instant::now();
    loop {
        let info = link.call(&resp::Command::new("INFO").arg("clients")).unwrap();
        if info.view().as_str().unwrap().contains("blocked_clients:1") {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "nobody is blocked");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_session_at_the_prompt() {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    let node = lab.endpoints()[0].to_string();
    let mut user = User::sit_down(&format!("shell {node} -n 1"), &history);
    let prompt = format!("{node}[1]> ");
    user.is_asked(&prompt);
    user.types("set a 1\r");
    user.sees("OK");
    user.is_asked(&prompt);
    // The server's own words complete and hint.
    user.types("lran\t");
    user.sees("lrange");
    user.types(" k");
    user.sees("start stop");
    // Ctrl-C gives up the line, and a wait, but not the session.
    user.types("\x03");
    user.is_asked(&prompt);
    user.signals();
    user.is_asked(&prompt);
    user.types("blpop nolist 0\r");
    await_blocked(&lab);
    user.types("\x03");
    user.sees("interrupted");
    user.is_asked(&prompt);
    user.types("auth s3cret\r");
    user.sees("(error) ERR AUTH");
    user.is_asked(&prompt);
    user.types("multi\r");
    user.is_asked(&format!("{node}[1](TX)> "));
    user.types("get a\r");
    user.sees("QUEUED");
    user.is_asked(&format!("{node}[1](TX)> "));
    user.types("exec\r");
    user.sees("1) \"1\"");
    user.is_asked(&prompt);
    lab.kill(0);
    user.types("get a\r");
    user.sees("Could not connect");
    user.is_asked("not connected> ");
    lab.restart(0).unwrap();
    user.types("get a\r");
    user.sees("(nil)");
    user.is_asked(&prompt);
    user.types("quit\r");
    assert!(user.leaves());
    let lines = fs::read_to_string(&history).unwrap();
    assert!(lines.contains("set a 1\n") && !lines.contains("s3cret"), "{lines}");
}

/// What a user at the prompt of one server sees, and a connection of somebody else to it.
fn at_the_prompt(options: &str) -> (TempLab, tempfile::TempDir, User, Connection, String) {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = lab.endpoints()[0].to_string();
    let user = User::sit_down(&format!("shell {node} {options}"), &folder.path().join("history"));
    let other = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let mut seated = (lab, folder, user, other, format!("{node}> "));
    seated.2.is_asked(&seated.4);
    seated
}

fn say(link: &mut Connection, line: &str) -> resp::Reply {
    link.call(&resp::Command::from_args(line.split(' '))).unwrap()
}

#[test]
fn every_line_of_what_is_pasted_or_typed_ahead_is_a_command() {
    let (_lab, folder, mut user, mut other, prompt) = at_the_prompt("");
    user.types("set s1 1\rset s2 2\rset keep kept\rdel s1\rget keep\r");
    user.sees("\"kept\"");
    user.is_asked(&prompt);
    // As terminals paste that were told to mark it.
    user.types("\x1b[200~del s2\rget keep\x1b[201~\r");
    user.sees("(integer) 1\r\n\"kept\"");
    user.is_asked(&prompt);
    user.types("blpop nolist 0\rset late 1\rget late\r");
    await_blocked(&_lab);
    say(&mut other, "rpush nolist x");
    user.sees("\"1\"");
    user.is_asked(&prompt);
    let left = say(&mut other, "keys *");
    assert_eq!(left.view().len(), 2, "keep and late");
    let lines = fs::read_to_string(folder.path().join("history")).unwrap();
    assert!(lines.contains("\ndel s2\nget keep\n"), "{lines}");
}

#[test]
fn nothing_of_a_transaction_that_lost_its_connection_is_executed() {
    let (_lab, _folder, mut user, mut other, prompt) = at_the_prompt("");
    let in_transaction = prompt.replace("> ", "(TX)> ");
    // What was not sent is not doubted.
    let hung_up = format!("closed the connection ({})\r\n", prompt.trim_end_matches("> "));
    user.types("multi\r");
    user.is_asked(&in_transaction);
    say(&mut other, "client kill type normal skipme yes");
    user.types("set a 1\r");
    user.sees(&hung_up);
    user.sees("The transaction is gone with its connection");
    // Typed ahead, for a transaction that is no more.
    user.types("set b 1\rexec\r");
    user.sees("Not sent: the transaction was lost");
    user.sees("ERR EXEC without MULTI");
    user.is_asked(&prompt);
    user.types("watch w\r");
    user.sees("OK");
    user.is_asked(&prompt);
    say(&mut other, "client kill type normal skipme yes");
    user.types("multi\rset c 1\rexec\r");
    user.sees(&hung_up);
    user.sees("The WATCH is gone with its connection");
    user.sees("ERR EXEC without MULTI");
    user.types("set d 1\r");
    user.sees("OK");
    let left = say(&mut other, "keys *");
    assert_eq!(
        left.view().elements().map(|key| key.as_bytes().unwrap().to_vec()).collect::<Vec<_>>(),
        [b"d"]
    );
}

#[test]
fn while_keys_are_watched_no_other_node_is_gone_to() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = lab.endpoints()[0].to_string();
    let line = format!("shell -c {node}");
    let mut user = User::sit_down(&line, &folder.path().join("history"));
    user.is_asked(&format!("{node}> "));
    // The slot of `bar` is 5061, which the first master owns; that of `foo` the third's.
    user.types("watch bar\rget foo\r");
    user.sees("(error) MOVED");
    user.is_asked(&format!("{node}> "));
    user.types("multi\rset foo 1\rexec\r");
    user.sees("(error) MOVED");
    user.sees("EXECABORT");
    user.is_asked(&format!("{node}> "));
    user.types("get foo\r");
    user.sees("-> Redirected to slot");
    user.sees("(nil)");
}

#[test]
fn each_reply_to_a_command_that_has_several_is_read() {
    let (_lab, _folder, mut user, mut other, prompt) = at_the_prompt("-3");
    user.types("unsubscribe c1 c2\r");
    user.sees("\"c1\"");
    user.sees("\"c2\"");
    user.is_asked(&prompt);
    say(&mut other, "set k 1");
    user.types("client tracking on\rget k\r");
    user.sees("\"1\"");
    say(&mut other, "set k 2");
    user.types("ping\r");
    user.sees("-> invalidate: 'k'");
    user.sees("PONG");
    user.is_asked(&prompt);
}

#[test]
fn commands_are_taken_while_subscribed() {
    for options in ["-2", "-3"] {
        let (_lab, _folder, mut user, mut other, prompt) = at_the_prompt(options);
        let subscribed = prompt.replace("> ", "(subscribed mode)> ");
        user.types("subscribe c1 c2\r");
        user.sees("\"c2\"");
        user.is_asked(&subscribed);
        say(&mut other, "publish c1 hello");
        user.sees("\"hello\"");
        user.types("ping\r");
        user.sees(if options == "-2" { "\"pong\"" } else { "PONG" });
        // One subscription is left.
        user.types("unsubscribe c1\r");
        user.sees("(integer) 1");
        user.is_asked(&subscribed);
        user.types("\x03");
        user.sees("Closing current connection. Ready to reconnect to Redis server...");
        user.is_asked(&prompt);
        user.types("subscribe c1\runsubscribe c1\rping\r");
        user.sees("(integer) 0");
        user.sees("PONG");
        user.is_asked(&prompt);
        user.types("subscribe c1\r");
        user.is_asked(&subscribed);
        say(&mut other, "client kill type pubsub");
        user.types("ping\r");
        user.sees(&format!("closed the connection ({})\r\n", prompt.trim_end_matches("> ")));
        user.types("ping\r");
        user.sees("PONG");
        user.is_asked(&prompt);
    }
}

#[test]
fn on_a_terminal_without_cursor_a_subscription_lasts_until_ctrl_c() {
    let (lab, folder, _, mut other, _) = at_the_prompt("-2");
    let program = env!("CARGO_BIN_EXE_redis-trib");
    let line = format!("TERM=dumb exec {program} shell {}", lab.endpoints()[0]);
    let mut user = User::run(&line, &folder.path().join("dumb"));
    user.sees("> ");
    user.types("subscribe c1\r");
    user.sees("(integer) 1");
    say(&mut other, "publish c1 hello");
    user.sees("\"hello\"");
    user.types("\x03");
    user.sees("> ");
    user.types("ping\r");
    user.sees("PONG");
}

#[test]
fn whom_a_server_tells_its_commands_is_helped_by_those() {
    let (lab, folder, _, mut other, prompt) = at_the_prompt("");
    say(&mut other, "config set requirepass pw");
    let line = format!("shell {}", lab.endpoints()[0]);
    let mut user = User::sit_down(&line, &folder.path().join("history"));
    user.is_asked(&prompt);
    // A command that this server has not, from the table.
    user.types("help hgetdel\r");
    user.sees("since:\x1b[0m 8.0.0");
    user.types("auth pw\rhelp hgetdel\rhelp hset\r");
    user.sees("OK");
    let since = user.read;
    user.sees("HSET\x1b[0m \x1b[90mkey");
    let screen = user.screen.lock().unwrap().clone();
    assert!(!screen[since..].contains("8.0.0"), "{screen:?}");
}

#[test]
fn a_server_that_hangs_does_not_hold_the_prompt_up() {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = lab.endpoints()[0].to_string();
    lab.pause(0).unwrap();
    let mut user = User::sit_down(&format!("shell {node}"), &folder.path().join("history"));
    user.is_asked("not connected> ");
    user.types("help get\r");
    user.sees("GET\x1b[0m \x1b[90mkey");
    user.types("ping\r");
    user.sees("ping\r");
    user.types("\x03");
    user.sees("interrupted");
    lab.resume(0).unwrap();
    user.types("ping\r");
    user.sees("PONG");
    user.is_asked(&format!("{node}> "));
}

#[test]
fn the_files_of_valkey_cli_are_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &str| folder.path().join(name);
    let program = named("valkey-cli");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_redis-trib"), &program).unwrap();
    fs::write(named("rc"), ":set nohints\n\n:bogus\n").unwrap();
    let line = format!(
        "VALKEYCLI_HISTFILE={} VALKEYCLI_RCFILE={} exec {} -p 1",
        named("valkey").display(),
        named("rc").display(),
        program.display()
    );
    let mut user = User::run(&line, &named("redis"));
    user.sees(".valkeyclirc: unknown valkey-cli internal command ':bogus'");
    user.is_asked("not connected> ");
    user.types(":get pubsub\r");
    user.sees("\r\n0\r\n");
    user.is_asked("not connected> ");
    user.types("quit\r");
    assert!(user.leaves());
    assert_eq!(fs::read_to_string(named("valkey")).unwrap(), ":get pubsub\nquit\n");
    assert!(!named("redis").exists());
}

/// The shell that comes after must find a terminal that shows what is typed, and ends lines where they end.
#[test]
fn a_session_that_is_terminated_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_redis-trib");
    for (signal, code) in [("-TERM", 143), ("-HUP", 129), ("-QUIT", 131)] {
        let line = format!("{program} shell 127.0.0.1:1; echo ended with $?; stty -a; exit 0");
        let mut user = User::run(&line, &folder.path().join("history"));
        user.is_asked("not connected> ");
        let shell = only_child(&user.child.id().to_string());
        send(signal, &only_child(&shell));
        finds_the_terminal_as_it_was(&mut user, code);
    }
}

/// A password is typed unseen; whoever leaves the question must see again what is typed.
#[test]
fn a_question_for_a_password_that_is_left_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_redis-trib");
    for (signal, code) in [("-INT", 130), ("-TERM", 143), ("-HUP", 129), ("-QUIT", 131)] {
        let line = format!(
            "trap : INT; {program} exec 127.0.0.1:1 --askpass ping; echo ended with $?; stty -a; exit 0"
        );
        let mut user = User::run(&line, &folder.path().join("history"));
        user.sees("Please input password: ");
        let program = only_child(&only_child(&user.child.id().to_string()));
        await_unseen(&program);
        send(signal, &program);
        finds_the_terminal_as_it_was(&mut user, code);
    }
}

/// Waits until what is typed on the terminal of a program is not shown.
fn await_unseen(program: &str) {
    let terminal = fs::read_link(format!("/proc/{program}/fd/0")).unwrap();
    let since = Instant::now();
    loop {
        let settings = Command::new("stty").arg("-aF").arg(&terminal).output().unwrap();
        if String::from_utf8_lossy(&settings.stdout).contains(" -echo ") {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "what is typed is shown");
        thread::sleep(Duration::from_millis(20));
    }
}

/// `fix` never chooses between two values by itself; at a terminal the user may.
#[test]
fn of_two_values_of_a_key_the_user_chooses() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let [mut source, mut target] =
        [0, 1].map(|at: usize| Connection::open(&lab.endpoints()[at], lab.settings()).unwrap());
    let mut say = |at: usize, line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let node = if at == 0 { &mut source } else { &mut target };
        node.call(&resp::Command::from_args(&words)).unwrap().view().as_str().unwrap().to_owned()
    };
    let ids = [0, 1].map(|at| say(at, "CLUSTER MYID"));
    // The slot of `bar` is 5061, which the first master owns.
    say(0, "SET bar source");
    say(1, &format!("CLUSTER SETSLOT 5061 IMPORTING {}", ids[0]));
    say(0, &format!("CLUSTER SETSLOT 5061 MIGRATING {}", ids[1]));
    say(1, "ASKING");
    say(1, "SET bar target");

    let folder = tempfile::tempdir().unwrap();
    let line = format!("fix {} --yes", lab.endpoints()[0]);
    for (answer, code) in [("no\r", 1), ("yes\r", 0)] {
        let mut user = User::sit_down(&line, &folder.path().join("history"));
        user.sees("have one value at the source and another at the target: \"bar\"");
        user.sees("Overwrite the values at the target");
        user.types(answer);
        assert_eq!(user.child.wait().unwrap().code(), Some(code), "{answer}");
    }
    say(1, "READONLY");
    assert_eq!(say(1, "GET bar"), "source");
}

/// Whoever sits at a terminal is asked before a node leaves; redis-cli never asks.
#[test]
fn a_departure_is_asked_about_at_a_terminal() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&server, 3, 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history");
    let seed = lab.endpoints()[0].to_string();
    let replicas: Vec<String> = lab.endpoints()[3..].iter().map(ToString::to_string).collect();
    let known = || {
        let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
        let nodes = link.call(&resp::Command::from_args(["CLUSTER", "NODES"])).unwrap();
        nodes.view().as_str().unwrap().lines().count()
    };
    let mut user = User::sit_down(&format!("del-node {seed} {}", replicas[0]), &history);
    user.sees("out of the cluster");
    user.sees("(type 'yes' to accept): ");
    user.types("no\r");
    assert!(!user.leaves());
    assert_eq!(known(), 6);
    let mut user = User::sit_down(&format!("quit {}", replicas[0]), &history);
    user.sees("(type 'yes' to accept): ");
    user.types("yes\r");
    user.sees("[OK]");
    assert!(user.leaves());
    assert_eq!(known(), 5);
    let line = format!("--cluster del-node {seed} {}", replicas[1]);
    assert!(User::sit_down(&line, &history).leaves());
    assert_eq!(known(), 4);
    assert!(User::sit_down(&format!("del-node {seed} {} --yes", replicas[2]), &history).leaves());
    assert_eq!(known(), 3);
}

/// What a session is in the middle of: what is typed, and what is shown then.
const STATES: [(&str, &str); 4] = [
    ("ping\r", "PONG"),
    ("multi\r", "(TX)> "),
    ("subscribe c1\r", "(subscribed mode)> "),
    ("blpop nolist 0\r", "nolist 0\r"),
];

/// A shell in which the program is used on a server and, once it has ended, tells with what exit code, and how it has
/// left the terminal.
fn in_a_shell(lab: &TempLab, folder: &tempfile::TempDir) -> User {
    let program = env!("CARGO_BIN_EXE_redis-trib");
    let node = &lab.endpoints()[0];
    // Ctrl-C is for both; without the trap it may end the shell once the program has ended.
    let line = format!("trap : INT; {program} shell {node}; echo ended with $?; stty -a; exit 0");
    let mut user = User::run(&line, &folder.path().join("history"));
    user.is_asked(&format!("{node}> "));
    user
}

fn finds_the_terminal_as_it_was(user: &mut User, code: i32) {
    user.sees(&format!("ended with {code}"));
    user.sees(" icanon");
    user.sees(" echo ");
    assert!(user.leaves());
}

#[test]
fn a_server_that_dies_or_hangs_ends_no_session() {
    let server = TestServer::named("redis-7.0").unwrap();
    for (line, shown) in STATES {
        let lab = TempLab::plain(&server, 1).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut user = in_a_shell(&lab, &folder);
        user.types(line);
        user.sees(shown);
        if line.starts_with("blpop") {
            await_blocked(&lab);
        }
        lab.pause(0).unwrap();
        user.types("get k\r");
        user.types("\x03");
        assert!(lab.kill(0), "{line}");
        user.types("get k\rget k\r");
        user.sees("not connected> ");
        user.types("exec\rget k\r");
        user.sees("Could not connect to Redis");
        user.types("quit\r");
        finds_the_terminal_as_it_was(&mut user, 0);
    }
}

#[test]
fn a_session_that_is_terminated_in_the_middle_gives_the_terminal_back() {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    for (line, shown) in STATES {
        let folder = tempfile::tempdir().unwrap();
        let mut user = in_a_shell(&lab, &folder);
        user.types(line);
        user.sees(shown);
        if line.starts_with("blpop") {
            await_blocked(&lab);
        }
        let shell = only_child(&user.child.id().to_string());
        send("-TERM", &only_child(&shell));
        finds_the_terminal_as_it_was(&mut user, 143);
    }
}
