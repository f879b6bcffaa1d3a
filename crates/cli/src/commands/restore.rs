//! `restore`.

use std::time::Instant;

use redistrib_ops::model::counted;
use redistrib_ops::restore::{Archive, Restore};
use redistrib_ops::transfer::{Server, Survey};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::RestoreArgs;
use crate::render;
use crate::report::Reporter;

/// The plan of `restore`.
#[derive(Serialize)]
struct RestoreDocument<'a> {
    event: &'static str,
    files: usize,
    functions: &'a [String],
    #[serde(flatten)]
    survey: &'a Survey,
}

/// What `restore` has done.
#[derive(Serialize)]
struct ReportDocument<'a> {
    event: &'static str,
    #[serde(flatten)]
    restored: &'a redistrib_ops::restore::Restored,
}

pub(super) fn restore(args: &RestoreArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.work)?;
    let (output, options) = (&session.output, args.options());
    let archive = Archive::open(&args.directory)?;
    let (files, size) = (archive.files().len(), render::bytes(archive.bytes()));
    let folder = args.directory.display();
    let amount = format!("{}, {size}", counted(files, "file"));
    output.line(format_args!(">>> Restoring {folder} ({amount}) to {}", args.node));
    if archive.manifest().is_none() {
        output.line(
            "[WARNING] The folder has no manifest.json, as redis-cli writes none: there are no checksums to verify its files by",
        );
    }
    let reporter = Reporter::new(output);
    let to = Server::new(args.node.clone(), session.settings.clone());
    let mut restore = session.act(&reporter, |context| {
        Restore::prepare(archive, args.server.as_deref(), to, &options, context)
    })?;
    if session.dry_run {
        let survey = session.act(&reporter, |context| restore.survey(&options, context))?;
        output.lines(functions(&restore));
        output.lines(render::surveyed(&survey, options.replace));
        let (event, functions) = ("plan", restore.functions());
        output.document(&RestoreDocument { event, files, functions, survey: &survey });
        return Ok(Outcome::Done);
    }
    let replacing = if args.replace { ", and overwrite what is there" } else { "" };
    let question = format!("Bring {} to {}{replacing}?", counted(restore.keys(), "key"), args.node);
    let plan: Vec<String> = functions(&restore).into_iter().collect();
    if !session.may_at_terminal(&plan, &question)? {
        return Ok(Outcome::Failed);
    }
    let started = Instant::now();
    let restored = session.act(&reporter, |context| restore.run(&options, context))?;
    output.lines(render::transferred(&restored.transfer, started.elapsed()));
    output.document(&ReportDocument { event: "report", restored: &restored });
    Ok(if restored.transfer.is_complete() { Outcome::Done } else { Outcome::Failed })
}

/// The libraries of functions that are to be loaded.
fn functions(restore: &Restore) -> Option<String> {
    let names = restore.functions();
    (!names.is_empty()).then(|| format!("Functions would be loaded: {}", names.join(", ")))
}
