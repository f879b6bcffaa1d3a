//! Nodes that restart one by one, by a command of the user's.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redistrib_benches::load::{Load, LoadOptions};
use redistrib_ops::lab::{ServerState, ServerStatus, TempLab, TestServer};
use redistrib_ops::lock::Lock;
use redistrib_ops::{Cancel, Cluster, Context, Settings, Silent};
use serde_json::Value;

use crate::support::{Run, addresses, becomes_well, program, trib};

const PROGRAM: &str = env!("CARGO_BIN_EXE_redis-trib");

/// A cluster whose nodes a script restarts, as a supervisor would.
struct Stage {
    lab: TempLab,
    nodes: Vec<String>,
    script: String,
}

impl Stage {
    fn new(server: &'static str, masters: usize, replicas: usize) -> Self {
        let server = TestServer::named(server).unwrap();
        let lab = TempLab::cluster(&server, masters, replicas).unwrap();
        let (nodes, dir) = (addresses(&lab), lab.dir().display().to_string());
        let text = format!(
            "set -e\necho \"$REDIS_TRIB_ROLE at $REDIS_TRIB_HOST\"\n{PROGRAM} lab kill --dir {dir} $REDIS_TRIB_PORT >/dev/null\n\
             if [ -e {dir}/broken ]; then exit 0; fi\n\
             while [ -e {dir}/held ]; do sleep 0.02; done\n\
             if [ -e {dir}/empty ]; then rm -rf {dir}/$REDIS_TRIB_PORT/dump.rdb {dir}/$REDIS_TRIB_PORT/appendonlydir; fi\n\
             {PROGRAM} lab start --dir {dir} $REDIS_TRIB_PORT >/dev/null\n"
        );
        let script = lab.dir().join("restart.sh");
        fs::write(&script, text).unwrap();
        Self { nodes, script: format!("sh {}", script.display()), lab }
    }

    fn mark(&self, name: &str, there: bool) {
        let path = self.lab.dir().join(name);
        if there { fs::write(path, "").unwrap() } else { fs::remove_file(path).unwrap() }
    }

    /// The ways of the command line to roll through a replica and its master, the first node.
    fn shard(&self) -> Vec<String> {
        let (master, replica) = (self.nodes[0].clone(), self.replica());
        let words = ["roll", &self.nodes[1], "--exec", &self.script, "--yes", "--only"];
        words.into_iter().map(str::to_owned).chain([format!("{master},{replica}")]).collect()
    }

    /// Whoever is started from now on is of this server.
    fn serve_by(&self, server: &'static str) {
        let record = self.lab.dir().join("lab.json");
        let mut lab: Value = serde_json::from_str(&fs::read_to_string(&record).unwrap()).unwrap();
        lab["server"] = TestServer::named(server).unwrap().program.display().to_string().into();
        fs::write(record, lab.to_string()).unwrap();
    }

    fn replica(&self) -> String {
        let id = self.node(&self.nodes[0])["id"].clone();
        let is_replica = |it: &&String| self.node(it)["master"] == id;
        self.nodes.iter().find(is_replica).unwrap().clone()
    }

    /// A node, as another sees it.
    fn node(&self, address: &str) -> Value {
        let told = trib(&["list", &self.nodes[1], "--json"]).stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        let nodes = told["nodes"].as_array().unwrap();
        nodes.iter().find(|node| node["address"] == address).cloned().unwrap_or_default()
    }

    fn roles(&self) -> Vec<Value> {
        self.nodes.iter().map(|node| self.node(node)["master"].clone()).collect()
    }

    fn processes(&self) -> Vec<u32> {
        let process = |state| match state {
            ServerState::Up { process, .. } => process,
            other => panic!("{other:?}"),
        };
        self.lab.status().into_iter().map(|node| process(node.state)).collect()
    }

    fn writers(&self) -> Load {
        let ports: Vec<u16> =
            self.lab.endpoints().iter().filter_map(redistrib_ops::Endpoint::port).collect();
        Load::start(&ports, LoadOptions { outages: true, readers: 0, ..LoadOptions::default() })
    }
}

fn run(words: &[String]) -> Run {
    trib(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Begins, and returns once it has said this.
fn begin(words: &[String], until: &str) -> Child {
    let piped = || Stdio::piped();
    let mut child = program().args(words).stdout(piped()).stderr(piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = Vec::new();
    while !seen.last().is_some_and(|line: &String| line.contains(until)) {
        seen.push(told.next().unwrap_or_else(|| panic!("{seen:?}")).unwrap());
    }
    std::thread::spawn(move || told.for_each(drop));
    child
}

/// The command that a run which has stopped names.
fn next_of(stopped: &Run) -> String {
    let (_, next) = stopped.stderr.trim_end().rsplit_once(": redis-trib ").unwrap();
    format!("{PROGRAM} {next} --yes")
}

fn by_shell(line: &str) -> Run {
    Command::new("sh").args(["-c", line]).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn nodes_restart_one_by_one_while_clients_write() {
    restart_all("valkey-9.1");
}

#[test]
#[ignore = "the same on all servers, and what clients wait for at most: two minutes"]
fn nodes_restart_one_by_one_on_all_servers() {
    TestServer::NAMES.into_iter().for_each(restart_all);
}

fn restart_all(server: &'static str) {
    let stage = Stage::new(server, 3, 1);
    let (before, roles) = (stage.processes(), stage.roles());
    let load = stage.writers();
    let line = ["roll", &stage.nodes[4], "--exec", &stage.script];
    let plan = trib(&[&line[..], &["--dry-run"]].concat()).expect(0);
    plan.shows(&[
        "1. ",
        ", replica of ",
        "4. ",
        ", master of 5",
        " takes its place meanwhile\n",
        "6. ",
    ]);
    trib(&[&line[..], &["--json"]].concat()).expect(1).complains(&["--yes"]);
    assert_eq!(stage.processes(), before, "nothing has been done yet");

    let done = trib(&[&line[..], &["--yes"]].concat()).expect(0);
    let done = done.shows(&[
        ">>> 1 of 6: ",
        " | replica at 127.0.0.1\n",
        " is back after ",
        ">>> 4 of 6: ",
        ">>> Letting ",
        " is back after ",
        ">>> Letting ",
        ">>> 6 of 6: ",
        "[OK] 6 nodes are done; writes were held up for ",
    ]);
    assert!(!done.stdout.contains("master at"), "masters hand over first: {}", done.stdout);
    let after = stage.processes();
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "all have restarted");
    assert_eq!(stage.roles(), roles, "masters are where they were");
    let told = load.finish();
    assert!(told.complaints.is_empty(), "{:?}", told.complaints);
    println!("{server}: {} writes, the longest {:?}", told.writes, told.longest);
    becomes_well(&stage.nodes[0]);
}

/// The master of a shard dies after its replica has taken its place, and is brought back by hand.
#[test]
fn a_node_that_does_not_come_back_stops_it_and_it_can_go_on() {
    let stage = Stage::new("redis-8.6", 3, 1);
    let (before, roles) = (stage.processes(), stage.roles());
    let load = stage.writers();
    let shard = stage.shard();
    let child =
        begin(&[&shard[..], &["--timeout".into(), "5000".into()]].concat(), " is back after");
    stage.mark("broken", true);
    let stopped: Run = child.wait_with_output().unwrap().into();
    let stopped = stopped.expect(1);
    let (master, replica) = (&stage.nodes[0], &stage.replica_of_before(&roles));
    for part in
        [&format!("{master} is not back: "), &format!("; done: {replica}; left: {master}; ")[..]]
    {
        assert!(stopped.stderr.contains(part), "{}", stopped.stderr);
    }
    let next = next_of(&stopped);
    assert!(next.ends_with(&format!("--continue {master} --back {master} --yes")), "{next}");

    stage.mark("broken", false);
    // The node that is down is the one that the command brings up.
    by_shell(&next).expect(0).shows(&["it does not answer", "At the end", "[OK] 1 node is done"]);
    let after = stage.processes();
    let moved: Vec<bool> =
        before.iter().zip(&after).map(|(before, after)| before != after).collect();
    assert_eq!(moved.iter().filter(|moved| **moved).count(), 2, "the others have not restarted");
    assert_eq!(stage.roles(), roles);
    let told = load.finish();
    assert!(told.complaints.is_empty(), "{:?}", told.complaints);
    becomes_well(&stage.nodes[1]);
}

impl Stage {
    /// The replica of the first node, by the roles that nodes had.
    fn replica_of_before(&self, roles: &[Value]) -> String {
        let id = self.node(&self.nodes[0])["id"].clone();
        let place = roles.iter().position(|master| *master == id).unwrap();
        self.nodes[place].clone()
    }
}

/// The first Ctrl-C ends it behind the node under way; a run that is killed is begun anew.
#[test]
fn interrupted_and_run_again() {
    let stage = Stage::new("valkey-9.1", 3, 1);
    let (shard, roles) = (stage.shard(), stage.roles());
    stage.mark("held", true);
    let child = begin(&shard, " | replica at ");
    press_ctrl_c(&child);
    stage.mark("held", false);
    let stopped: Run = child.wait_with_output().unwrap().into();
    let stopped = stopped.expect(1);
    assert!(
        stopped.stderr.contains("; left: ") && stopped.stderr.contains("interrupted: "),
        "{}",
        stopped.stderr
    );
    let next = next_of(&stopped);
    assert!(next.ends_with(&format!("--continue {} --yes", stage.nodes[0])), "{next}");

    // Killed while the old master is down, as if the machine of the admin were lost.
    stage.mark("held", true);
    let process = stage.processes()[0];
    let words: Vec<String> =
        next.split_whitespace().skip(1).map(|it| it.replace('\'', "")).collect();
    let (exec, end) = (words.iter().position(|it| it == "--exec").unwrap(), words.len());
    let words =
        [&words[..=exec], std::slice::from_ref(&stage.script), &words[exec + 3..end]].concat();
    let mut child = begin(&words, " | replica at ");
    child.kill().unwrap();
    child.wait().unwrap();
    stage.mark("held", false);
    let is_back = |status: &ServerStatus| match status.state {
        ServerState::Up { process: now, .. } => now != process,
        _ => false,
    };
    // Its command goes on without it.
    let since = Instant::now();
    while !is_back(&stage.lab.status_of(0)) {
        assert!(since.elapsed().as_secs() < 60, "{:?}", stage.lab.status_of(0));
        std::thread::sleep(Duration::from_millis(20));
    }
    becomes_well(&stage.nodes[1]);
    run(&[&shard[..], &["--back".into(), stage.nodes[0].clone()]].concat()).expect(0);
    assert_eq!(stage.roles(), roles);
    becomes_well(&stage.nodes[1]);
}

fn press_ctrl_c(child: &Child) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
}

/// The servers of one shard become newer, and its replica cannot become older again: it would have nothing of its master.
#[test]
fn versions_go_up_and_not_down() {
    let stage = Stage::new("redis-8.2", 3, 1);
    trib(&["exec", "-c", &stage.nodes[1], "SET", "{3300}", "kept"]).expect(0);
    let (shard, replica) = (stage.shard(), stage.replica());
    stage.serve_by("redis-8.6");
    run(&shard).expect(0).shows(&[
        &format!("[OK] {replica} is back after "),
        ", Redis 8.2.3 before, Redis 8.6.2 now\n",
        &format!("[OK] {} is back after ", stage.nodes[0]),
        ", Redis 8.2.3 before, Redis 8.6.2 now\n",
        "[OK] 2 nodes are done",
    ]);
    stage.serve_by("redis-8.2");
    // The old server refuses to begin with the new one's data; without any it asks its master for them, and cannot read these.
    stage.mark("empty", true);
    let words = ["roll", &stage.nodes[1], "--exec", &stage.script, "--yes", "--only", &replica];
    trib(&[&words[..], &["--timeout", "10000"]].concat()).expect(1).complains(&[
        &format!("{replica} was Redis 8.6.2, has come back as Redis 8.2.3, and is not in step"),
        "a downgrade that the data cannot take; nothing is lost",
        &format!("no node is done; left: {replica}; "),
    ]);
    stage.serve_by("redis-8.6");
    trib(&[&words[..], &["--continue", &replica]].concat()).expect(0);
    becomes_well(&stage.nodes[1]);
    trib(&["exec", "-c", &stage.nodes[1], "GET", "{3300}"]).expect(0).shows(&["kept"]);
}

/// While another tool changes the cluster no node is touched.
#[test]
fn it_does_not_begin_beside_another_tool() {
    let stage = Stage::new("redis-7.0", 3, 1);
    let (before, cancel) = (stage.processes(), Cancel::new());
    let seed = stage.lab.endpoints().remove(0);
    let cluster = Cluster::discover(&seed, &Settings::default()).unwrap();
    let held = Lock::take(&cluster, "reshard", Context::new(&Silent, &cancel)).unwrap();
    let words = stage.shard();
    run(&words).expect(1).complains(&["reshard", &std::process::id().to_string()]);
    assert_eq!(stage.processes(), before);
    drop((held, cluster));
    run(&words).expect(0).shows(&["[OK] 2 nodes are done"]);
}

#[test]
fn what_would_do_harm_is_refused() {
    let stage = Stage::new("valkey-9.1", 3, 0);
    let (seed, before) = (stage.nodes[0].as_str(), stage.processes());
    let roll = |more: &[&str]| trib(&[&["roll", seed, "--yes"], more].concat());
    let blank = roll(&["--exec", " \n"]).expect(2);
    assert!(blank.stderr.contains("there is no command in it"), "{}", blank.stderr);
    roll(&["--exec", &stage.script]).expect(1).complains(&[seed, "no replica", "--allow-downtime"]);
    let away = ["--allow-downtime", "--only", seed];
    let plan = roll(&[&["--exec", &stage.script, "--dry-run"], &away[..]].concat()).expect(0);
    plan.shows(&["nobody can take its place: they are not served meanwhile"]);
    assert_eq!(stage.processes(), before);

    // A command that fails, and what it prints.
    let told =
        roll(&[&["--exec", "printf '\\033[2Jx\\n' >&2; exit 3"], &away[..]].concat()).expect(1);
    assert!(told.stdout.contains(&format!("{seed} | \\x1b[2Jx\n")), "{}", told.stdout);
    told.complains(&["the command failed (exit status: 3)", "no node is done", "--continue"]);
    let told = roll(&[&["--exec", "sleep 600", "--exec-timeout", "100"], &away[..]].concat());
    told.expect(1).complains(&["did not end within", "was ended", " --exec-timeout 100 "]);

    // What a command leaves running, and prints without end, is not waited for.
    let over = stage.lab.dir().join("over");
    let script = format!(
        "(i=0; while [ $i -lt 300 ]; do echo on; sleep 0.1; i=$((i+1)); done; touch {}) &",
        over.display()
    );
    roll(&[&["--no-restart", "--exec", &script], &away[..]].concat()).expect(0);
    assert!(!over.exists(), "it was waited for");

    // One that restarts nothing, and what is in its environment.
    let told = roll(&[&["--exec", "true", "--timeout", "200"], &away[..]].concat()).expect(1);
    told.complains(&["has not restarted", "--no-restart"]);
    let script = "echo $REDIS_TRIB_HOST:$REDIS_TRIB_PORT $REDIS_TRIB_ID $REDIS_TRIB_ROLE; env | grep -c hush";
    let id = stage.node(seed)["id"].as_str().unwrap().to_owned();
    let told = program()
        .args(["roll", seed, "--yes", "--no-restart", "--exec", &format!("{script}; true")])
        .args(away)
        .env("REDIS_TRIB_FROM_AUTH", "hush")
        .output()
        .unwrap();
    Run::from(told).expect(0).shows(&[
        &format!("{seed} | {seed} {id} master\n"),
        &format!("{seed} | 0\n"),
        "has not restarted, and is well",
        "[OK] 1 node is done.",
    ]);
    assert_eq!(stage.processes(), before);
    assert!(Path::new(stage.lab.dir()).exists());
}
