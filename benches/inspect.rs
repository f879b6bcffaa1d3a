//! How long `check`, `info` and the lock under `fix` take on a large cluster far away, beside redis-cli.
//!
//! `make bench-inspect` runs it: real servers on this machine, each behind a port of the proxy's that is a round trip
//! away (what is measured has the proxy's own work in it); then clusters of a simulator's, which can be larger.

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use redistrib_benches::proxy::Line;
use redistrib_benches::run::{Measure, run};
use redistrib_benches::simulator::{self, Simulator};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Severity;
use redistrib_ops::{Cluster, Endpoint, inspect, set_node_timeout};

/// How long the servers may take to see each other well.
const PATIENCE: Duration = Duration::from_secs(120);

/// Beyond this many nodes redis-cli takes minutes.
const MOST_FOR_PEER: usize = 1000;

/// What `make bench-inspect` runs.
#[derive(Debug, Parser)]
struct Options {
    /// How many masters the cluster has
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// The round trip between admin and nodes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20)]
    rtt: u64,
    /// How many nodes each simulated cluster has, half of them replicas
    #[arg(
        long,
        value_name = "COUNT,…",
        value_delimiter = ',',
        default_value = "100,300,1000,4000"
    )]
    simulated: Vec<usize>,
    /// Leave out the real servers
    #[arg(long)]
    only_simulated: bool,
    /// How often each is run; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Our program
    #[arg(long, value_name = "PATH", default_value = "target/release/redis-trib")]
    program: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if !options.only_simulated {
        on_real_servers(&options)?;
    }
    let peer = TestServer::named("redis-8.6")?.tool("redis-cli");
    println!("simulated, {} ms away, median of {}:", options.rtt, options.rounds);
    println!("  {:>5} {:<24} {:>8} {:>8} {:>9}", "nodes", "command", "s", "MiB", "commands");
    options.simulated.iter().try_for_each(|nodes| on_simulator(&options, *nodes, peer.as_deref()))
}

/// What looking at a large cluster takes: time, memory, and commands a node.
fn on_simulator(options: &Options, nodes: usize, peer: Option<&Path>) -> anyhow::Result<()> {
    let simulator = Simulator::start(simulator::Options {
        masters: nodes / 2,
        replicas: 1,
        delay: Duration::from_millis(options.rtt),
        faults: Vec::new(),
    })?;
    let seed = simulator.seed().to_string();
    let show = |what: &str, measures: &mut [Measure], commands: u64| {
        measures.sort_unstable_by_key(|measure| measure.wall);
        let median = measures[measures.len() / 2];
        let (time, memory) = (median.wall.as_secs_f64(), median.memory as f64 / 1024.0);
        let each = commands as f64 / measures.len() as f64 / nodes as f64;
        println!("  {nodes:>5} {what:<24} {time:>8.3} {memory:>8.1} {each:>9.1}");
    };
    for verb in ["check", "info", "list", "rebalance --dry-run"] {
        let before = simulator.commands();
        let once = |_| run(Program::new(&options.program).args(verb.split(' ')).arg(&seed));
        let mut measures =
            (0..options.rounds.max(1)).map(once).collect::<anyhow::Result<Vec<_>>>()?;
        show(verb, &mut measures, simulator.commands() - before);
    }
    // It asks one node after another.
    if let Some(peer) = peer.filter(|_| nodes <= MOST_FOR_PEER) {
        let before = simulator.commands();
        let measure = run(Program::new(peer).args(["--cluster", "check"]).arg(&seed))?;
        show("redis-cli check (once)", &mut [measure], simulator.commands() - before);
    }
    Ok(())
}

fn on_real_servers(options: &Options) -> anyhow::Result<()> {
    let server = TestServer::named("redis-7.0")?;
    println!("starting {} servers ({})", options.nodes, server.name);
    let lab = TempLab::cluster(&server, options.nodes, 0)?;
    calm(&lab)?;
    let ports: Vec<u16> = lab.endpoints().iter().filter_map(Endpoint::port).collect();
    let line = Line::to(&ports, Duration::from_millis(options.rtt))?;
    let seed = ports.first().and_then(|port| line.port_of(*port)).context("no server")?;
    let seed = format!("127.0.0.1:{seed}");
    println!("{} masters, {} ms away, median of {}:", options.nodes, options.rtt, options.rounds);
    for verb in ["check", "info", "fix"] {
        let took = median(options.rounds, || time(&options.program, &[verb, &seed]))?;
        println!("  redis-trib {verb:<22} {:>8.3} s", took.as_secs_f64());
    }
    if let Some(peer) = server.tool("redis-cli") {
        let took = time(&peer, &["--cluster", "check", &seed])?;
        println!("  redis-cli --cluster check         {:>8.3} s (once)", took.as_secs_f64());
    }
    Ok(())
}

/// So many servers on one machine are late now and then: has them be patient, and waits until none takes another for
/// dead.
fn calm(lab: &TempLab) -> anyhow::Result<()> {
    let endpoints = lab.endpoints();
    let seed = endpoints.first().context("no server")?;
    let mut cluster = Cluster::discover(seed, lab.settings())?;
    for (_, outcome) in set_node_timeout(&mut cluster, Duration::from_secs(60))? {
        outcome?;
    }
    let started = Instant::now();
    loop {
        let findings = inspect(&mut Cluster::discover(seed, lab.settings())?).findings;
        if !findings.iter().any(|finding| finding.severity() == Severity::Error) {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "the cluster does not come to rest: {findings:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn median(
    rounds: usize,
    mut measure: impl FnMut() -> anyhow::Result<Duration>,
) -> anyhow::Result<Duration> {
    let mut times = (0..rounds.max(1)).map(|_| measure()).collect::<anyhow::Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[times.len() / 2])
}

fn time(program: &Path, arguments: &[&str]) -> anyhow::Result<Duration> {
    Ok(run(Program::new(program).args(arguments))?.wall)
}
