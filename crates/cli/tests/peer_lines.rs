//! The command lines of `peer_lines.txt`, each beside redis-cli and valkey-cli, to the byte.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, Endpoint, resp, words};

/// How long a cluster that was told to form may take.
const PATIENCE: Duration = Duration::from_secs(60);

const LINES: &str = include_str!("peer_lines.txt");
const SCRIPT: &str =
    "local got = redis.call('GET', 'one')\nreturn {KEYS[1] or 'no key', ARGV[1] or 'none', got}\n";

/// A line of the file.
struct Line {
    text: &'static str,
    args: Vec<String>,
    input: String,
    /// What differs, of `stdout`, `stderr` and `code`.
    differs: Vec<&'static str>,
}

impl Line {
    /// `None` for comments, and for lines that are for another peer.
    fn parse(text: &'static str, peer: &str) -> Option<Self> {
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let (call, why) = text.split_once(" ! ").unwrap_or((text, ":"));
        let (differs, why) = why.split_once(':').unwrap();
        assert!(differs.is_empty() || !why.is_empty(), "{text}: without a reason");
        let (call, input) = match call.strip_prefix("< ") {
            Some(input) => ("", input),
            None => call.split_once(" < ").unwrap_or((call, "")),
        };
        let call = match call.split_once("-cli: ") {
            Some((whose, call)) => {
                peer.strip_suffix("-cli").filter(|peer| *peer == whose).map(|_| call)?
            }
            None => call,
        };
        let unquoted = words::split(call.as_bytes()).unwrap();
        let input = input.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
        Some(Self {
            text,
            args: unquoted.into_iter().map(|word| String::from_utf8(word).unwrap()).collect(),
            input,
            differs: differs.split_whitespace().collect(),
        })
    }

    fn is_about_cluster(&self) -> bool {
        self.args.iter().any(|word| word == "--cluster")
    }
}

/// A program with a server and four empty nodes of its own.
struct Side {
    program: PathBuf,
    server: TempLab,
    nodes: TempLab,
    script: PathBuf,
}

/// What a program printed, and its exit code.
#[derive(PartialEq)]
struct Printed {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl Side {
    fn new(program: PathBuf, server: &TestServer, folder: &Path) -> Self {
        let script = folder.join("script.lua");
        fs::write(&script, SCRIPT).unwrap();
        let nodes = TempLab::nodes(server, 4).unwrap();
        let server = TempLab::plain(server, 1).unwrap();
        // How long a command takes on a busy machine is no difference.
        let quiet = ["CONFIG", "SET", "slowlog-log-slower-than", "-1"];
        let mut link = Connection::open(&server.endpoints()[0], server.settings()).unwrap();
        link.call(&resp::Command::from_args(quiet)).unwrap();
        Self { program, server, nodes, script }
    }

    /// What stands for what in a line, and is put back into what is printed.
    fn names(&self) -> Vec<(&'static str, String)> {
        let nodes = self.nodes.endpoints();
        let mut names = vec![("{lua}", self.script.display().to_string())];
        names.push(("{port}", self.server.endpoints()[0].port().unwrap().to_string()));
        names.push(("{aport}", nodes[0].port().unwrap().to_string()));
        for (name, node) in ["{a}", "{b}", "{c}", "{d}"].into_iter().zip(&nodes) {
            names.push((name, node.to_string()));
        }
        for (name, node) in ["{aid}", "{bid}", "{cid}", "{did}"].into_iter().zip(&nodes) {
            names.extend(self.ask(node, "MYID").map(|id| (name, id)));
        }
        names
    }

    /// Waits until those of the nodes that are a cluster serve commands and know each other: the peers do not. One that has
    /// been shut down was a member.
    fn settle(&self) {
        let asked = Instant::now();
        loop {
            let nodes = self.nodes.endpoints();
            let told: Vec<String> =
                nodes.iter().filter_map(|node| self.ask(node, "INFO")).collect();
            let members: Vec<&String> =
                told.iter().filter(|info| !info.contains("cluster_known_nodes:1\r")).collect();
            let known = members.len() + nodes.len() - told.len();
            let known = format!("cluster_known_nodes:{known}\r");
            let serves =
                |info: &&String| info.contains("cluster_state:ok") && info.contains(&known);
            if members.iter().all(serves) {
                return;
            }
            assert!(asked.elapsed() < PATIENCE, "{told:?}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a node answers to this CLUSTER command; `None` where it has been shut down.
    fn ask(&self, node: &Endpoint, what: &str) -> Option<String> {
        let mut link = Connection::open(node, self.nodes.settings()).ok()?;
        let answer = link.call(&resp::Command::new("CLUSTER").arg(what)).unwrap();
        Some(answer.view().as_str().unwrap().to_owned())
    }

    fn run(&self, line: &Line) -> Printed {
        self.settle();
        let names = self.names();
        let replaced = |word: &String| {
            names.iter().fold(word.clone(), |word, (name, value)| word.replace(name, value))
        };
        // One that hangs ends with a code of its own.
        let mut command = Command::new("timeout");
        command.arg(PATIENCE.as_secs().to_string()).arg(&self.program);
        if !line.args.iter().any(|word| ["-p", "-u", "--cluster"].contains(&word.as_str())) {
            command.args(["-p", &names[1].1]);
        }
        command.args(line.args.iter().map(replaced));
        command.env_clear().env("TERM", "dumb").env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A program that does not read its input has closed the pipe.
        let input = replaced(&line.input);
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| self.masked(&String::from_utf8_lossy(bytes), line);
        Printed {
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            code: output.status.code(),
        }
    }

    /// What is printed without what differs from server to server.
    fn masked(&self, text: &str, line: &Line) -> String {
        let mut names = self.names();
        // The longest first: a port is a part of an address.
        names.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        let mut text = names.iter().fold(text.to_owned(), |text, (name, value)| {
            // A number that stands by itself is no port.
            match value.parse::<u16>() {
                Ok(port) => text.replace(&format!(":{port}"), &format!(":{name}")),
                Err(_) => text.replace(value, name),
            }
        });
        if line.is_about_cluster() {
            // A peer prints a dot for each second that it waits, however many those are.
            let told = text.lines().filter(|line| !line.chars().all(|letter| letter == '.'));
            let mut lines: Vec<String> = told.map(without_ids).collect();
            lines.sort();
            text = lines.join("\n");
        }
        text
    }
}

/// A line with `ID` for each node id, in full or as `(0123abcd...)`.
fn without_ids(line: &str) -> String {
    let is_hex = |word: &str| word.bytes().all(|it| it.is_ascii_hexdigit());
    let is_short = |word: &str| word.len() == 13 && word.starts_with('(') && word.ends_with("...)");
    let is_id = |word: &str| (word.len() == 40 && is_hex(word)) || is_short(word);
    let mut words: Vec<&str> = line.split(' ').collect();
    for word in words.iter_mut().filter(|word| is_id(word)) {
        *word = "ID";
    }
    words.join(" ")
}

impl Printed {
    fn differences(&self, other: &Self) -> Vec<&'static str> {
        let same = [
            ("code", self.code == other.code),
            ("stderr", self.stderr == other.stderr),
            ("stdout", self.stdout == other.stdout),
        ];
        same.iter().filter(|(_, same)| !same).map(|(name, _)| *name).collect()
    }
}

/// Runs every line on both sides. A difference that is not explained is a failure, and so is an explanation of none.
fn compare(peer: &str, client: PathBuf, server: &'static str) {
    let folder = tempfile::tempdir().unwrap();
    let ours = folder.path().join(peer);
    symlink(env!("CARGO_BIN_EXE_redis-trib"), &ours).unwrap();
    let server = TestServer::named(server).unwrap();
    let [theirs, ours] = [client, ours].map(|program| Side::new(program, &server, folder.path()));
    let (mut count, mut wrong) = (0, String::new());
    for line in LINES.lines().filter_map(|text| Line::parse(text, peer)) {
        let (their, our) = (theirs.run(&line), ours.run(&line));
        count += 1;
        // Whoever came by a peer's name is not sent to ours.
        assert!(!format!("{} {}", our.stdout, our.stderr).contains("redis-trib "), "{}", line.text);
        if their.differences(&our) != line.differs {
            writeln!(wrong, "{peer} {}\n  differs in {:?}", line.text, their.differences(&our))
                .unwrap();
            for (whose, printed) in [("theirs", their), ("ours", our)] {
                let Printed { stdout, stderr, code } = printed;
                writeln!(wrong, "  {whose}: {code:?}\n{stdout}\n  stderr:\n{stderr}").unwrap();
            }
        }
    }
    assert!(count >= 150, "{count} lines are too few");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn lines_print_what_redis_cli_prints() {
    let server = TestServer::named("redis-8.6").unwrap();
    compare("redis-cli", server.tool("redis-cli").unwrap(), "redis-8.6");
}

#[test]
fn lines_print_what_valkey_cli_prints() {
    compare("valkey-cli", TestServer::client("valkey-cli-9.1").unwrap(), "valkey-9.1");
}
