//! `import` and `copy`.

use std::time::Instant;

use redistrib_ops::Settings;
use redistrib_ops::resp::Command;
use redistrib_ops::transfer::{Server, Source, Target, Transfer, TransferOptions, TransferReport};

use super::{Outcome, Session};
use crate::args::{CopyArgs, ImportArgs, SourceArgs};
use crate::report::Reporter;
use crate::{render, secrets};

pub(super) fn import(args: &ImportArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let from = source(&session, args.from.clone(), args.db, &args.source)?;
    let to = Server::new(args.seed.node.clone(), session.settings.clone());
    session.output.line(format_args!(">>> Importing data from {from} to cluster {to}"));
    let transfer = Transfer::new(Source::Servers(vec![from.clone()]), Target::Cluster(to));
    run(&session, &from, &transfer, &args.transfer.options(!args.copy))
}

pub(super) fn copy(args: &CopyArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let from = source(&session, args.from.clone(), args.db, &args.source)?;
    let to = Server::new(args.to.clone(), session.settings.clone());
    let to = to.at_db(args.to_db.unwrap_or(args.db));
    session.output.line(format_args!(">>> Copying data from {from} to {to}"));
    let transfer = Transfer::new(Source::Servers(vec![from.clone()]), Target::Server(to));
    run(&session, &from, &transfer, &args.transfer.options(false))
}

/// The server that keys come from: with credentials of its own, else as we are known to the target.
fn source(
    session: &Session,
    endpoint: redistrib_ops::Endpoint,
    db: u32,
    args: &SourceArgs,
) -> anyhow::Result<Server> {
    let settings =
        Settings { credentials: secrets::source_credentials(args)?, ..session.settings.clone() };
    Ok(Server::new(endpoint, settings).at_db(db))
}

fn run(
    session: &Session,
    from: &Server,
    transfer: &Transfer,
    options: &TransferOptions,
) -> anyhow::Result<Outcome> {
    let size = from.connect()?.call(&Command::new("DBSIZE"))?.view().as_int().unwrap_or_default();
    if session.dry_run {
        let which = if options.matching.is_some() { "those that match" } else { "they" };
        session.output.line(format_args!("{from} holds {size} keys; {which} would be copied"));
        session.output.document(&serde_json::json!({ "event": "plan", "keys": size }));
        return Ok(Outcome::Done);
    }
    session.output.line(format_args!("*** Importing {size} keys from DB {}", from.db));
    let started = Instant::now();
    let reporter = Reporter::new(&session.output);
    let report = session.act(&reporter, |context| transfer.run(options, context))?;
    tell(session, &report, started);
    Ok(if report.is_complete() { Outcome::Done } else { Outcome::Failed })
}

fn tell(session: &Session, report: &TransferReport, started: Instant) {
    session.output.lines(render::transferred(report, started.elapsed()));
    session.output.document(report);
}
