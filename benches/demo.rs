//! The demo: a cluster out of nothing, slots moved while clients write and read, and a count of what was lost.
//!
//! It takes the steps that an admin would take, with the same program: look for the lines that begin with `$`.

use std::error::Error;
use std::io::{self, BufRead, BufReader};
use std::process::{Command as Process, ExitCode, Stdio};
use std::time::{Duration, Instant};

use redistrib_benches::fill;
use redistrib_benches::load::{Load, LoadOptions, Outcome};
use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Cancel, Cluster, Context, Endpoint, Settings, Silent};
use redistrib_resp::Command;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const KEYS: usize = 100_000;
const VALUE_BYTES: usize = 64;
const SLOTS: usize = 2_000;
/// Keys that are asked for in one go when all are looked for at the end.
const BATCH: usize = 1_000;
/// How many of the plan's lines are shown, of one for each slot.
const SLOT_LINES: usize = 3;

fn main() -> ExitCode {
    let began = Instant::now();
    match show() {
        Ok(tally) => {
            tally.print(began.elapsed());
            if tally.lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("The demo could not go on: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the demo ends with.
struct Tally {
    moved: usize,
    moving: Duration,
    live: Outcome,
    found: usize,
}

fn show() -> Result<Tally> {
    let server = TestServer::named("valkey-9.1")?;
    let lab = TempLab::nodes(&server, 6)?;
    let nodes = lab.endpoints();
    let ports: Vec<u16> = nodes.iter().filter_map(Endpoint::port).collect();
    heading(&format!("Six servers ({}) run on 127.0.0.1, ports {ports:?}", server.name));

    let names: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let words = ["create", "--yes", "--replicas", "1"].iter().copied();
    redis_trib(words.chain(names.iter().map(String::as_str)))?;
    lab.settle(Context::new(&Silent, &Cancel::new()))?;

    heading(&format!("Loading {KEYS} keys of {VALUE_BYTES} bytes"));
    fill::plain(ports[0], &SlotSet::full(), KEYS, VALUE_BYTES)?;

    let before = owners(&nodes[0])?;
    let target = before[0].0.to_string();
    heading("A writer and a reader work on the cluster from here on");
    let load =
        Load::start(&ports, LoadOptions { writers: 1, readers: 1, ..LoadOptions::default() });
    let (slots, began) = (SLOTS.to_string(), Instant::now());
    redis_trib([
        "reshard", "--from", "all", "--to", &target, "--slots", &slots, "--yes", &names[0],
    ])?;
    let moving = began.elapsed();
    let live = load.finish();
    let moved = moved_slots(&before, &owners(&nodes[0])?);
    if moved != SLOTS {
        return Err(format!("{moved} slots have a new owner, not {SLOTS}").into());
    }

    redis_trib(["check", &names[0]])?;
    heading("Looking for every key");
    Ok(Tally { moved, moving, live, found: find_keys(&nodes[0])? })
}

fn heading(text: &str) {
    println!("\n== {text}");
}

/// Runs the program beside this one, as typed at a prompt.
fn redis_trib<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let words: Vec<&str> = words.into_iter().collect();
    println!("\n$ redis-trib {}", words.join(" "));
    let program = std::env::current_exe()?.with_file_name("redis-trib");
    let mut running = Process::new(&program).args(&words).stdout(Stdio::piped()).spawn()?;
    if let Some(output) = running.stdout.take() {
        print_shortened(BufReader::new(output).lines())?;
    }
    let status = running.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("redis-trib {}: {status}", words.join(" ")).into())
}

/// Prints lines as they come, but of those that name one slot each only the first few.
fn print_shortened(lines: impl Iterator<Item = io::Result<String>>) -> io::Result<()> {
    let mut hidden = 0;
    let mut shown = 0;
    for line in lines {
        let line = line?;
        if !line.trim_start().starts_with("Moving slot") {
            if hidden > 0 {
                println!("    … and {hidden} more");
            }
            (shown, hidden) = (0, 0);
            println!("{line}");
        } else if shown < SLOT_LINES {
            shown += 1;
            println!("{line}");
        } else {
            hidden += 1;
        }
    }
    Ok(())
}

/// The masters with their slots.
fn owners(node: &Endpoint) -> Result<Vec<(NodeId, SlotSet)>> {
    let cluster = Cluster::discover(node, &Settings::default())?;
    Ok(cluster.masters().map(|member| (member.id(), member.node().slots.clone())).collect())
}

/// How many slots have another owner than before.
fn moved_slots(before: &[(NodeId, SlotSet)], after: &[(NodeId, SlotSet)]) -> usize {
    let nothing = SlotSet::new();
    let had = |id: NodeId| {
        before.iter().find(|(other, _)| *other == id).map_or(&nothing, |(_, slots)| slots)
    };
    after.iter().map(|(id, slots)| slots.difference(had(*id)).len()).sum()
}

/// How many of the loaded keys are there with the value that they were given.
fn find_keys(node: &Endpoint) -> Result<usize> {
    let mut cluster = Cluster::discover(node, &Settings::default())?;
    let value = [b'v'; VALUE_BYTES];
    let mut found = 0;
    for owner in owners(node)?.into_iter().map(|(id, _)| id) {
        let slots = cluster.member(owner)?.node().slots.clone();
        let names = (0..KEYS).map(|number| format!("key:{number}"));
        let owned = names.filter(|name| slots.contains(Slot::of_key(name.as_bytes())));
        let questions: Vec<Command> = owned.map(|name| Command::new("GET").arg(name)).collect();
        for batch in questions.chunks(BATCH) {
            let replies = cluster.member_mut(owner)?.connection()?.call_all(batch)?;
            found += replies.iter().filter(|reply| reply.view().as_bytes() == Some(&value)).count();
        }
    }
    Ok(found)
}

impl Tally {
    /// Keys that are gone or wrong, and whatever the writer and the reader have to complain of.
    fn lost(&self) -> usize {
        (KEYS - self.found) + self.live.complaints.len()
    }

    fn print(&self, took: Duration) {
        let live = &self.live;
        let sent_on = live.redirections;
        println!();
        for complaint in &live.complaints {
            println!("complaint: {complaint}");
        }
        println!("slots moved:         {} in {:.1} s", self.moved, self.moving.as_secs_f64());
        println!("keys found:          {} of {KEYS}", self.found);
        println!("writes acknowledged: {} meanwhile, and {} reads", live.writes, live.reads);
        println!(
            "clients sent on:     {} times by MOVED, {} by ASK, {} by TRYAGAIN; slowest answer {} ms",
            sent_on.moved,
            sent_on.ask,
            sent_on.try_again,
            live.longest.as_millis()
        );
        println!("the demo took:       {:.1} s", took.as_secs_f64());
        println!("lost: {}", self.lost());
    }
}
