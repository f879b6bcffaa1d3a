//! Compares the migration of slots with what the peers need for the same job: each tool in its turn, on
//! a fresh cluster, with its defaults. Prints the ratios and writes target/bench/migration.json.

mod job;
mod report;
mod tool;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use redistrib_benches::run::run;
use redistrib_ops::lab::TestServer;

use job::{Job, Kind};
use report::{Row, Run};
use tool::Tool;

/// What `make bench-migration` runs.
#[derive(Debug, Parser)]
struct Options {
    /// The round trip between admin and nodes in the job with a distant admin, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 2.0)]
    rtt: f64,
    /// A tenth of the keys
    #[arg(long)]
    quick: bool,
    /// Only these jobs, by the name in the first column
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    only: Vec<String>,
    /// How often each tool does each job; the median counts
    #[arg(long, default_value_t = 1)]
    rounds: usize,
    /// Only ours and redis-cli
    #[arg(long)]
    no_valkey_cli: bool,
    /// Our program
    #[arg(long, value_name = "PATH", default_value = "target/release/redis-trib")]
    program: PathBuf,
    /// Another build of our program, to be measured beside it
    #[arg(long, value_name = "PATH")]
    beside: Option<PathBuf>,
    /// Servers of this version for the jobs without atomic migration, with the redis-cli that came with them
    #[arg(long, value_name = "NAME", value_parser = server_name)]
    server: Option<&'static str>,
    /// Bytes of each value
    #[arg(long, value_name = "BYTES", default_value_t = job::VALUE)]
    value: usize,
    /// Where the figures go
    #[arg(long, value_name = "FILE", default_value = "target/bench/migration.json")]
    out: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let program = found(&options.program)?;
    let beside = options.beside.as_deref().map(found).transpose()?;
    let mut peers = Tool::peers(options.server);
    if options.no_valkey_cli {
        peers.retain(|peer| !peer.name.starts_with("valkey"));
    }
    let mut rows = Vec::new();
    report::print_head();
    for job in jobs(&options) {
        if !options.only.is_empty() && !options.only.iter().any(|name| name == job.name) {
            continue;
        }
        let others = if job.atomic { Tool::bare().into_iter().collect() } else { peers.clone() };
        let words = words(&job, &options);
        let beside =
            beside.as_ref().map(|other| Tool::ours(other, &words).named("the other build"));
        let ours = Tool::ours(&program, &words);
        let tools: Vec<Tool> = others.into_iter().chain(beside).chain([ours]).collect();
        let row = compare(&job, &tools, options.rounds)?;
        row.print();
        rows.push(row);
    }
    report::write(&options.out, &rows)
}

fn found(program: &Path) -> anyhow::Result<PathBuf> {
    let missing = || format!("{}: build it with cargo build --release", program.display());
    program.canonicalize().with_context(missing)
}

fn server_name(name: &str) -> Result<&'static str, String> {
    let known = TestServer::NAMES.iter().find(|known| **known == name);
    known.copied().ok_or_else(|| format!("one of {}", TestServer::NAMES.join(", ")))
}

/// Options of ours for a job. Where a version of the servers is asked for, it is how they do with MIGRATE.
fn words(job: &Job, options: &Options) -> Vec<&'static str> {
    let by_migrate = options.server.is_some() && !job.atomic && job.kind != Kind::Import;
    let more: &[&str] = if by_migrate { &["--atomic", "never"] } else { &[] };
    [job.ours, more].concat()
}

fn jobs(options: &Options) -> Vec<Job> {
    let rtt = Duration::from_secs_f64(options.rtt.max(0.0) / 1000.0);
    let scale = if options.quick { 10 } else { 1 };
    let job = |name, kind, keys: usize, ours, asked| Job {
        name,
        what: String::new(),
        kind,
        keys: keys / scale,
        value: options.value,
        server: options.server.unwrap_or("redis-7.0"),
        rtt: Duration::ZERO,
        ours,
        watched: false,
        atomic: false,
        asked,
    };
    let jobs = vec![
        job("reshard", Kind::Reshard, 75_000, &[], 4.0),
        job("empty", Kind::Reshard, 0, &[], 10.0),
        Job { watched: true, ..job("gentle", Kind::Reshard, 75_000, &["--max-pause", "2"], 2.0) },
        job("large", Kind::Reshard, 500_000, &[], 3.0),
        job("unbounded", Kind::Reshard, 500_000, &["--max-pause", "0"], 4.0),
        job("rebalance", Kind::Rebalance, 300_000, &[], 8.0),
        job("import", Kind::Import, 100_000, &[], 10.0),
        Job {
            server: "valkey-9.1",
            atomic: true,
            ..job("atomic", Kind::Reshard, 500_000, &["--atomic", "always"], 1.0)
        },
        Job {
            server: "valkey-9.1",
            atomic: true,
            ..job("atomic-pairs", Kind::Rebalance, 300_000, &["--atomic", "always"], 1.0)
        },
        Job { rtt, ..job("distant", Kind::Reshard, 75_000, &[], 20.0) },
    ];
    jobs.into_iter().map(|job| Job { what: describe(&job), ..job }).collect()
}

fn describe(job: &Job) -> String {
    let keys = job.keys;
    let what = match job.kind {
        Kind::Reshard => format!("{} slots, {keys} keys", job::SLOTS),
        Kind::Rebalance => format!("3 masters to 6, {keys} keys"),
        Kind::Import => format!("{keys} keys into 3 masters"),
    };
    let what = match job.value {
        job::VALUE => what,
        bytes => format!("{what} of {bytes} bytes"),
    };
    let what = match (job.atomic, job.server) {
        (true, _) => format!("{what}, atomic, Valkey 9.1"),
        (false, "redis-7.0") => what,
        (false, server) => format!("{what}, {server}"),
    };
    match job.rtt.is_zero() {
        true => what,
        false => format!("{what}, admin {} ms away", job.rtt.as_secs_f64() * 1000.0),
    }
}

fn compare(job: &Job, tools: &[Tool], rounds: usize) -> anyhow::Result<Row> {
    let mut row = Row::new(job);
    for _ in 0..rounds.max(1) {
        for tool in tools {
            let setting = job.set().with_context(|| format!("{}: the cluster", job.name))?;
            let before = setting.migrate_time()?;
            let probes = report::Probes::start(&setting, job);
            let measure = run(&mut tool.command(&setting.task, &setting.seed()))?;
            let hold_ups = probes.finish();
            let migrate = setting.migrate_time()?.saturating_sub(before);
            if let Some(fault) = setting.verify()? {
                bail!("{}: after {}: {fault}", job.name, tool.name);
            }
            row.add(tool, Run { measure, migrate, hold_ups });
        }
    }
    Ok(row)
}
