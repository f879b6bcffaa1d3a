//! The debugger of Lua scripts at a terminal; what it prints is compared with the peers' in `peer_lines.txt`.

use std::fs;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, resp};

use crate::support::terminal::{User, only_child, send};

const PROMPT: &str = "lua debugger> ";

/// A server, and a script that counts in the key `k` and answers with its argument.
fn with_script(mode: &str) -> (TempLab, tempfile::TempDir, String) {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("script.lua");
    fs::write(&file, "redis.call('INCR', KEYS[1])\nreturn ARGV[1]\n").unwrap();
    let line = format!("exec {} {mode} --eval {} k , done", lab.endpoints()[0], file.display());
    (lab, folder, line)
}

fn count(lab: &TempLab) -> Option<String> {
    let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let count = link.call(&resp::Command::from_args(["GET", "k"])).unwrap();
    count.view().as_str().map(str::to_owned)
}

#[test]
fn a_script_is_debugged_line_by_line_begun_anew_and_left() {
    let (lab, folder, line) = with_script("--ldb");
    let history = folder.path().join("history");
    let node = lab.endpoints()[0].to_string();
    let mut user = User::sit_down(&line, &history);
    user.sees("Lua debugging session started, please use:");
    user.sees("\x1b[0;33;49m-> 1   redis.call('INCR', KEYS[1])\x1b[0m");
    user.is_asked(PROMPT);
    user.types("step\r");
    user.sees("\x1b[0;32;49m<redis> INCR k\x1b[0m");
    user.is_asked(PROMPT);
    user.types("restart\r");
    user.sees("please use:");
    user.is_asked(PROMPT);
    // Ctrl-C gives up the line, as at the usual prompt.
    user.types("ab\x03");
    user.is_asked(PROMPT);
    user.types("continue\r");
    user.sees("\"done\"");
    user.sees("(Lua debugging session ended -- dataset changes rolled back)");
    user.is_asked(&format!("{node}> "));
    assert_eq!(count(&lab), None);
    // The server's words are back, with its hints.
    user.types("lrange ");
    user.sees("key start stop");
    user.types("\x03");
    user.is_asked(&format!("{node}> "));
    user.types("restart\r");
    user.is_asked(PROMPT);
    user.types("quit\r");
    assert!(user.leaves());
    let mut user = User::sit_down(&line.replace("--ldb", "--ldb-sync-mode"), &history);
    user.is_asked(PROMPT);
    user.types("c\r");
    user.sees("(Lua debugging session ended)");
    user.is_asked(&format!("{node}> "));
    assert_eq!(count(&lab).as_deref(), Some("1"));
}

/// The script's own copy of the server is what ends here, and the server itself in the other mode.
#[test]
fn a_script_that_loses_its_server_ends_no_session() {
    let (lab, folder, line) = with_script("--ldb-sync-mode");
    let mut user = User::sit_down(&line, &folder.path().join("history"));
    user.is_asked(PROMPT);
    assert!(lab.kill(0));
    user.types("step\r");
    user.is_asked("not connected> ");
    user.types("restart\r");
    user.sees("Could not connect to Redis");
    user.is_asked("not connected> ");
    lab.restart(0).unwrap();
    user.types("restart\r");
    user.is_asked(PROMPT);
    user.types("quit\r");
    assert!(user.leaves());
}

#[test]
fn a_session_with_a_script_that_is_terminated_gives_the_terminal_back() {
    let (_lab, folder, line) = with_script("--ldb");
    let program = env!("CARGO_BIN_EXE_redis-trib");
    let line = format!("{program} {line}; echo ended with $?; stty -a");
    let mut user = User::run(&line, &folder.path().join("history"));
    user.is_asked(PROMPT);
    let shell = only_child(&user.child.id().to_string());
    send("-TERM", &only_child(&shell));
    user.sees("ended with 143");
    user.sees(" icanon");
    user.sees(" echo ");
}
