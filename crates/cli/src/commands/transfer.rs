//! `import`, `copy` and `reshard-fleet`.

use std::time::Instant;

use redistrib_ops::fleet::Fleet;
use redistrib_ops::model::counted;
use redistrib_ops::resp::Command;
use redistrib_ops::transfer::{Server, Source, Tags, Target, Transfer, TransferOptions};
use redistrib_ops::{Connection, Credentials, Endpoint, Error, Settings};
use serde::Serialize;

use super::inspect::{Blocks, check_before};
use super::{Outcome, Session};
use crate::args::{CopyArgs, FromArgs, ImportArgs, ReshardFleetArgs, SourceArgs};
use crate::report::Reporter;
use crate::{render, secrets, voice};

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.transfer.work)?;
    let from = Origin::new(&session, &args.from, args.db, &args.transfer.source)?;
    let from = if args.db.is_none() { from.with_all_databases()? } else { from };
    if let Source::Servers(servers) = &from.source {
        require_one(servers, args.to_db)?;
    }
    let to = Server::new(args.seed.node.clone(), session.settings.clone());
    let to = to.at_db(args.to_db.unwrap_or_default());
    session.output.line(format_args!(">>> Importing data from {} to cluster {to}", from.name));
    if voice::peer().is_some()
        && !check_before(&session, &mut session.discover(&args.seed.node)?, Blocks::Shown)
    {
        return Ok(Outcome::Failed);
    }
    if let Source::Servers(servers) = &from.source {
        for server in servers {
            let mut connection = server.connect()?;
            if voice::peer().is_some() {
                refuse_cluster_node(&mut connection)?;
            }
            let size = connection.call(&Command::new("DBSIZE"))?;
            let size = size.view().as_int().unwrap_or_default();
            session.output.line(format_args!("*** Importing {size} keys from DB {}", server.db));
        }
    }
    let transfer = placed(Transfer::new(from.source, Target::Cluster(to)), args.to_db);
    let question = format!("Take these keys out of {} and into the cluster?", from.name);
    if !args.copy && !session.dry_run && !session.may_at_terminal(&[], &question)? {
        return Ok(Outcome::Failed);
    }
    let options = TransferOptions { remove: !args.copy, ..args.transfer.options() };
    run(&session, "import", &transfer, &options)
}

/// The peers take nothing from a cluster.
fn refuse_cluster_node(server: &mut Connection) -> anyhow::Result<()> {
    let info = server.call(&Command::new("INFO").arg("cluster"))?;
    let is_node = info.view().as_str().is_some_and(|text| text.contains("cluster_enabled:1"));
    anyhow::ensure!(!is_node, "The source node should not be a cluster node.");
    Ok(())
}

pub(super) fn copy(args: &CopyArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.transfer.work)?;
    let settings = source_settings(&session, &args.transfer.source)?;
    let from = Server::new(args.from.clone(), settings);
    let to = Server::new(args.to.clone(), session.settings.clone());
    let from = match args.db {
        Some(db) => vec![from.at_db(db)],
        None => from.with_keys()?,
    };
    require_one(&from, args.to_db)?;
    for source in &from {
        let to = to.clone().at_db(args.to_db.unwrap_or(source.db));
        session.output.line(format_args!(">>> Copying data from {source} to {to}"));
    }
    let to = to.at_db(args.to_db.unwrap_or_default());
    let transfer = Transfer::new(Source::Servers(from), Target::Server(to));
    run(&session, "copy", &placed(transfer, args.to_db), &args.transfer.options())
}

/// Keys keep their database unless another was asked for: then they must come from one alone.
fn placed(transfer: Transfer, to_db: Option<u32>) -> Transfer {
    if to_db.is_some() { transfer } else { transfer.keeping_databases() }
}

/// Two databases must not become one unasked.
fn require_one(databases: &[Server], to_db: Option<u32>) -> anyhow::Result<()> {
    let (Some(to), [first, second, ..]) = (to_db, databases) else { return Ok(()) };
    anyhow::ensure!(
        first.db == second.db,
        "{first} and {second} both hold keys: name the database that is to go to {to} with --db"
    );
    Ok(())
}

pub(super) fn reshard_fleet(args: &ReshardFleetArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.transfer.work)?;
    let fleet = args.fleet.fleet()?;
    let from = Origin::new(&session, &args.from, args.fleet.db, &args.transfer.source)?;
    let masters = fleet.masters().len();
    let text =
        format!(">>> Resharding from {} to a fleet of {}", from.name, counted(masters, "master"));
    session.output.line(text);
    let target = Target::Fleet(fleet.servers(&session.settings));
    let mut transfer = Transfer::new(from.source, target);
    if let Some(path) = &args.tags {
        let text = std::fs::read(path).map_err(|source| Error::file(path, source))?;
        transfer = transfer.with_tags(Tags::parse(&text));
    }
    let options = TransferOptions { remove: !args.copy, ..args.transfer.options() };
    run(&session, "reshard-fleet", &transfer, &options)
}

/// Where keys come from, and what to call it.
struct Origin {
    source: Source,
    name: String,
}

impl Origin {
    fn new(
        session: &Session,
        from: &FromArgs,
        db: Option<u32>,
        login: &SourceArgs,
    ) -> anyhow::Result<Self> {
        let settings = source_settings(session, login)?;
        if let Some(fleet) = from.fleet()? {
            let fleet = match db {
                Some(db) => fleet.at_db(db),
                None => fleet,
            };
            return Ok(Self::of_fleet(&fleet, &settings));
        }
        let server = |endpoint: &Endpoint| {
            Server::new(endpoint.clone(), settings.clone()).at_db(db.unwrap_or_default())
        };
        let servers: Vec<Server> = from.from.iter().map(server).collect();
        let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
        Ok(Self { source: Source::Servers(servers), name: names.join(", ") })
    }

    /// All databases of servers that hold keys. A fleet is one database of each of its servers.
    fn with_all_databases(self) -> anyhow::Result<Self> {
        let Source::Servers(servers) = &self.source else { return Ok(self) };
        let found = servers.iter().map(Server::with_keys).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { source: Source::Servers(found.concat()), ..self })
    }

    fn of_fleet(fleet: &Fleet, settings: &Settings) -> Self {
        let name = format!("a fleet of {}", counted(fleet.masters().len(), "master"));
        Self { source: Source::Fleet(fleet.servers(settings)), name }
    }
}

/// How the servers that keys come from are connected to: who we are there may differ.
fn source_settings(session: &Session, login: &SourceArgs) -> anyhow::Result<Settings> {
    let credentials: Option<Credentials> = secrets::source_credentials(login)?;
    Ok(Settings { credentials, ..session.settings.clone() })
}

/// What a verb that copies keys prints with `--json`.
#[derive(Serialize)]
struct Document<'a, T> {
    event: &'static str,
    #[serde(flatten)]
    content: &'a T,
}

fn run(
    session: &Session,
    verb: &str,
    transfer: &Transfer,
    options: &TransferOptions,
) -> anyhow::Result<Outcome> {
    let started = Instant::now();
    let reporter = Reporter::new(&session.output).of(verb);
    if session.dry_run {
        let survey = session.act(&reporter, |context| transfer.survey(options, context))?;
        session.output.lines(render::surveyed(&survey, options.replace));
        session.output.document(&Document { event: "plan", content: &survey });
        return Ok(Outcome::Done);
    }
    let report = session.act(&reporter, |context| transfer.run(options, context))?;
    // The peers have named every key by then, and say no more.
    let is_told = voice::peer().is_some() && report.is_complete() && report.copied == report.seen;
    if !is_told {
        session.output.lines(render::transferred(&report, started.elapsed()));
    }
    session.output.document(&Document { event: "report", content: &report });
    Ok(if report.is_complete() { Outcome::Done } else { Outcome::Failed })
}
