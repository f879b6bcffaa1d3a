//! What a terminal does instead of a command, beside redis-cli: the same servers, the same words.

mod data;
mod endings;
mod figures;
mod lines;
mod walks;

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use redistrib_ops::{Connection, resp};

use crate::replay::{options, run};

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
fn begun(mut command: Command, args: &str, mut is_enough: impl FnMut(&str) -> bool) -> String {
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
    PEERS.into_iter().for_each(|peer| assert_same_as(peer, line, port));
}

/// The same beside one of the clients.
fn assert_same_as(peer: Peer, line: &str, port: u16) {
    let args = options(&format!("-p {port} {line}"));
    let (mut ours, mut theirs) = (peer.ours(), peer.theirs());
    ours.args(&args);
    theirs.args(&args);
    assert_eq!(printed(ours), printed(theirs), "{} {line}", peer.name());
}

/// A server that begins to send its data set as soon as it is asked.
fn quick(name: &'static str, config: &[&str]) -> TempLab {
    let config = config.iter().map(|line| (*line).to_owned());
    TempLab::up(LabOptions {
        nodes: Some(1),
        layout: Some(Layout::Plain),
        server: Some(TestServer::named(name).unwrap().program),
        config: config.chain(["repl-diskless-sync-delay 0".to_owned()]).collect(),
        ..LabOptions::default()
    })
    .unwrap()
}

fn interrupt(process: u32) {
    let status = Command::new("kill").args(["-INT", &process.to_string()]).status().unwrap();
    assert!(status.success());
}
