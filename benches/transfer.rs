//! Copying keys between servers and into a cluster, beside redis-cli and redis-benchmark, as ratios of one run.
//!
//! `make bench-transfer` runs it. Both of Redis 7.0's tools are needed, from `target/servers`.

use std::error::Error;
use std::path::PathBuf;
use std::process::{Command as Program, Stdio};
use std::time::{Duration, Instant};

use redistrib_benches::run::peak_memory;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::transfer::{Server, Source, Target, Transfer, TransferOptions};
use redistrib_ops::{Cancel, Connection, Context, Silent};
use redistrib_resp::Command;

type Outcome<T> = Result<T, Box<dyn Error>>;

const SERVER: &str = "redis-7.0";
const ROUNDS: usize = 3;
const VALUE: usize = 64;
const IMPORTED: usize = 100_000;
const COPIED: usize = 1_000_000;

fn main() -> Outcome<()> {
    // Cargo also runs benches to test that they compile; then there is nothing to measure.
    if std::env::args().any(|argument| argument == "--test") {
        return Ok(());
    }
    let server = TestServer::named(SERVER)?;
    import(&server)?;
    copy(&server)
}

/// 100,000 keys from one server into a cluster of three masters.
fn import(server: &TestServer) -> Outcome<()> {
    let source = TempLab::plain(server, 1)?;
    let cluster = TempLab::cluster(server, 3, 0)?;
    let (from, node) = (end(&source, 0), end(&cluster, 0));
    fill(&from, IMPORTED)?;
    let transfer =
        Transfer::new(Source::Servers(vec![from.clone()]), Target::Cluster(node.clone()));
    let (mut ours, mut theirs) = (Best::default(), Best::default());
    for _ in 0..ROUNDS {
        flush(&cluster)?;
        ours.note(time(|| run(&transfer, IMPORTED))?);
        flush(&cluster)?;
        theirs.note(time(|| redis_cli_import(server, &from, &node))?);
    }
    println!(
        "import of {IMPORTED} keys of {VALUE} bytes into 3 masters, {SERVER}, best of {ROUNDS}"
    );
    theirs.print("redis-cli --cluster import --cluster-copy", IMPORTED);
    ours.print("ours", IMPORTED);
    println!("  ratio {:.1} (asked: at least 10)\n", theirs.seconds() / ours.seconds());
    Ok(())
}

/// A million keys from one server to another; redis-benchmark writes as many to the same.
fn copy(server: &TestServer) -> Outcome<()> {
    let lab = TempLab::plain(server, 2)?;
    let (from, to) = (end(&lab, 0), end(&lab, 1));
    fill(&from, COPIED)?;
    let transfer = Transfer::new(Source::Servers(vec![from]), Target::Server(to.clone()));
    let (mut ours, mut theirs) = (Best::default(), Best::default());
    for _ in 0..ROUNDS {
        call(&to, &["FLUSHALL"])?;
        ours.note(time(|| run(&transfer, COPIED))?);
        call(&to, &["FLUSHALL"])?;
        theirs.note(time(|| redis_benchmark(server, &to))?);
    }
    println!(
        "copy of {COPIED} keys of {VALUE} bytes to another server, {SERVER}, best of {ROUNDS}"
    );
    theirs.print("redis-benchmark -P 100 -t set -r 1000000", COPIED);
    ours.print("ours", COPIED);
    println!("  ratio {:.2} (asked: at least 0.5)", theirs.seconds() / ours.seconds());
    if let Some(memory) = peak_memory(std::process::id()) {
        println!("  this process with all its threads took at most {memory} KiB of memory");
    }
    Ok(())
}

fn run(transfer: &Transfer, keys: usize) -> Outcome<()> {
    let cancel = Cancel::new();
    let report = transfer.run(&TransferOptions::default(), Context::new(&Silent, &cancel))?;
    match report.is_complete() && report.copied == keys as u64 {
        true => Ok(()),
        false => Err(format!("not all keys were copied: {report:?}").into()),
    }
}

fn redis_cli_import(server: &TestServer, from: &Server, node: &Server) -> Outcome<()> {
    let mut program = Program::new(tool(server, "redis-cli")?);
    program.args(["--cluster", "import", &node.to_string(), "--cluster-from", &from.to_string()]);
    finish(program.arg("--cluster-copy"))
}

fn redis_benchmark(server: &TestServer, to: &Server) -> Outcome<()> {
    let mut program = Program::new(tool(server, "redis-benchmark")?);
    let port = to.endpoint.port().unwrap_or_default().to_string();
    let (count, size) = (COPIED.to_string(), VALUE.to_string());
    program.args([
        "-p", &port, "-P", "100", "-t", "set", "-q", "-n", &count, "-r", &count, "-d", &size,
    ]);
    finish(&mut program)
}

fn finish(program: &mut Program) -> Outcome<()> {
    let status = program.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(format!("{program:?}: {status}").into()) }
}

fn tool(server: &TestServer, name: &str) -> Outcome<PathBuf> {
    server.tool(name).ok_or_else(|| format!("{SERVER} has no {name}").into())
}

fn end(lab: &TempLab, index: usize) -> Server {
    Server::new(lab.endpoints()[index].clone(), lab.settings().clone())
}

fn fill(server: &Server, count: usize) -> Outcome<()> {
    let mut connection = server.connect()?;
    let value = vec![b'v'; VALUE];
    let numbers: Vec<usize> = (0..count).collect();
    for batch in numbers.chunks(1000) {
        let set = |number| Command::new("SET").arg(format!("key:{number:012}")).arg(&value);
        let commands: Vec<Command> = batch.iter().map(set).collect();
        connection.call_all(&commands)?;
    }
    Ok(())
}

fn call(server: &Server, words: &[&str]) -> Outcome<()> {
    Connection::open(&server.endpoint, &server.settings)?.call(&Command::from_args(words))?;
    Ok(())
}

fn flush(lab: &TempLab) -> Outcome<()> {
    (0..lab.endpoints().len()).try_for_each(|index| call(&end(lab, index), &["FLUSHALL"]))
}

fn time(work: impl FnOnce() -> Outcome<()>) -> Outcome<Duration> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

/// The shortest of several times.
#[derive(Default)]
struct Best(Option<Duration>);

impl Best {
    fn note(&mut self, time: Duration) {
        self.0 = Some(self.0.map_or(time, |best| best.min(time)));
    }

    fn seconds(&self) -> f64 {
        self.0.unwrap_or_default().as_secs_f64()
    }

    fn print(&self, who: &str, keys: usize) {
        let seconds = self.seconds();
        println!("  {who:<44} {seconds:>7.2} s {:>9.0} keys/s", keys as f64 / seconds);
    }
}
