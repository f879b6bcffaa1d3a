//! How long `check`, `info` and the lock under `fix` take on a large cluster far away, beside redis-cli.
//!
//! `make bench-inspect` runs it: real servers on this machine, each behind a port of the proxy's that is a round trip
//! away. What is measured has the proxy's own work in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use clap::Parser;
use redistrib_benches::proxy::Line;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Severity;
use redistrib_ops::{Cluster, Endpoint, inspect, set_node_timeout};

/// How long the servers may take to see each other well.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `make bench-inspect` runs.
#[derive(Debug, Parser)]
struct Options {
    /// How many masters the cluster has
    #[arg(long, default_value_t = 100)]
    nodes: usize,
    /// The round trip between admin and nodes, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20)]
    rtt: u64,
    /// How often each is run; the median counts
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Our program
    #[arg(long, value_name = "PATH", default_value = "target/release/redis-trib")]
    program: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
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
    let started = Instant::now();
    let run = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let run = run.with_context(|| format!("{}", program.display()))?;
    let took = started.elapsed();
    let told = String::from_utf8_lossy(&run.stdout);
    ensure!(run.status.success(), "{} {arguments:?}: {told}", program.display());
    Ok(took)
}
