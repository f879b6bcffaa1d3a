//! What looking at a large cluster far away, resharding and creating one take, beside redis-cli.
//!
//! `make bench-inspect` runs it: real servers on this machine, each behind a port of the proxy's that is a round trip
//! away (what is measured has the proxy's own work in it); then clusters of a simulator's, which can be larger.

use std::path::{Path, PathBuf};
use std::process::Command as Program;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clap::Parser;
use redistrib_benches::proxy::Line;
use redistrib_benches::run::{Measure, run};
use redistrib_benches::simulator::{self, Counts, Simulator};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Severity;
use redistrib_ops::{Cluster, Context, Endpoint, SetTimeout, carry_out, inspect};

/// How long the servers may take to see each other well.
const PATIENCE: Duration = Duration::from_secs(120);

/// Beyond this many nodes redis-cli takes minutes.
const MOST_FOR_PEER: usize = 1000;
/// Every node is introduced to every other: beyond this many that takes long.
const MOST_FOR_CREATE: usize = 1000;

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
    /// Only have a simulated cluster of so many nodes stand, until this program is ended
    #[arg(long, value_name = "COUNT")]
    serve: Option<usize>,
    /// How often each is run; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Our program
    #[arg(long, value_name = "PATH", default_value = "target/release/redis-trib")]
    program: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(nodes) = options.serve {
        return serve(&options, nodes);
    }
    if !options.only_simulated {
        on_real_servers(&options)?;
    }
    let peer = TestServer::named("redis-8.6")?.tool("redis-cli");
    println!("simulated, {} ms away, median of {}:\n", options.rtt, options.rounds);
    println!("| nodes | command | s | MiB | commands a node | views a node |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: |");
    options.simulated.iter().try_for_each(|nodes| on_simulator(&options, *nodes, peer.as_deref()))
}

/// Has a simulated cluster stand for whoever wants to try something by hand.
fn serve(options: &Options, nodes: usize) -> anyhow::Result<()> {
    let delay = Duration::from_millis(options.rtt);
    let shape = simulator::Options { masters: nodes / 2, replicas: 1, delay, ..Default::default() };
    let simulator = Simulator::start(shape)?;
    println!("{} {}", simulator.seed(), simulator.id(0));
    loop {
        std::thread::park();
    }
}

/// What looking at a large cluster, moving a few of its slots and forming it take: time, memory, and commands a node.
fn on_simulator(options: &Options, nodes: usize, peer: Option<&Path>) -> anyhow::Result<()> {
    let delay = Duration::from_millis(options.rtt);
    let shape = simulator::Options { masters: nodes / 2, replicas: 1, delay, ..Default::default() };
    let simulator = Simulator::start(shape.clone())?;
    let seed = simulator.seed().to_string();
    let verbs = ["check", "info", "list", "rebalance --dry-run", "reshard of 30 slots"];
    for verb in verbs {
        let command = || ours(options, verb, &simulator);
        let counted = Counted::of(nodes, &simulator, options.rounds, command)?;
        counted.show(verb);
    }
    let unformed = Simulator::start(simulator::Options { unformed: true, ..shape })?;
    if nodes <= MOST_FOR_CREATE {
        let command = || {
            let mut create = Program::new(&options.program);
            create.args(["create", "--replicas", "1", "--yes"]);
            create.args(unformed.endpoints().iter().map(ToString::to_string));
            create
        };
        Counted::of(nodes, &unformed, 1, command)?.show("create (once)");
    }
    // It asks one node after another.
    if let Some(peer) = peer.filter(|_| nodes <= MOST_FOR_PEER) {
        let command = || {
            let mut check = Program::new(peer);
            check.args(["--cluster", "check"]).arg(&seed);
            check
        };
        Counted::of(nodes, &simulator, 1, command)?.show("redis-cli check (once)");
    }
    Ok(())
}

/// Our program with the arguments of a row of the table.
fn ours(options: &Options, verb: &str, simulator: &Simulator) -> Program {
    let mut program = Program::new(&options.program);
    if verb.starts_with("reshard") {
        program.args(["reshard", "--from", "all", "--slots", "30", "--yes", "--to"]);
        program.arg(simulator.id(0));
    } else {
        program.args(verb.split(' '));
    }
    program.arg(simulator.seed().to_string());
    program
}

/// What several runs of a command took, and what the nodes were sent meanwhile.
struct Counted {
    nodes: usize,
    measures: Vec<Measure>,
    counts: Counts,
}

impl Counted {
    fn of(
        nodes: usize,
        simulator: &Simulator,
        rounds: usize,
        command: impl Fn() -> Program,
    ) -> anyhow::Result<Self> {
        let before = simulator.counts();
        let measures =
            (0..rounds.max(1)).map(|_| run(&mut command())).collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self { nodes, measures, counts: simulator.counts() - before })
    }

    fn show(mut self, what: &str) {
        self.measures.sort_unstable_by_key(|measure| measure.wall);
        let median = self.measures[self.measures.len() / 2];
        let (time, memory) = (median.wall.as_secs_f64(), median.memory as f64 / 1024.0);
        let runs = (self.measures.len() * self.nodes) as f64;
        let each = |count: u64| count as f64 / runs;
        let (commands, views) = (each(self.counts.commands), each(self.counts.views));
        let nodes = self.nodes;
        println!("| {nodes} | {what} | {time:.2} | {memory:.1} | {commands:.1} | {views:.1} |");
    }
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
    let request = SetTimeout { seed: seed.clone(), timeout: Duration::from_secs(60) };
    for (_, outcome) in carry_out(request, lab.settings(), Context::default())? {
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
