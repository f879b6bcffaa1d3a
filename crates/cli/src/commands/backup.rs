//! `backup`.

use std::path::Path;

use redistrib_ops::backup as save;
use redistrib_ops::model::Severity;
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::BackupArgs;
use crate::render::bytes;
use crate::report::Reporter;

/// The plan of `backup`.
#[derive(Serialize)]
struct PlanDocument<'a> {
    event: &'static str,
    directory: &'a Path,
    /// The masters that would be saved.
    nodes: Vec<String>,
}

pub(super) fn backup(args: &BackupArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.work)?;
    let output = &session.output;
    let into = &args.directory;
    anyhow::ensure!(into.is_dir(), "{}: is no folder: make it first", into.display());
    let cluster = session.discover(&args.seed.node)?;
    output.line(">>> Creating a backup of all masters");
    if session.dry_run {
        let nodes: Vec<String> =
            cluster.masters().map(|master| master.endpoint().to_string()).collect();
        output
            .lines(nodes.iter().map(|node| format!("{node} would be saved in {}", into.display())));
        output.document(&PlanDocument { event: "plan", directory: into, nodes });
        return Ok(Outcome::Done);
    }
    let reporter = Reporter::new(output);
    let saved = session.act(&reporter, |context| save(&cluster, into, context))?;
    for file in &saved {
        output.line(format_args!("{} ({})", file.file.display(), bytes(file.bytes)));
    }
    output.document(&saved);
    let findings = cluster.snapshot().findings();
    if findings.iter().any(|finding| finding.severity() == Severity::Error) {
        output.line(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.",
        );
    }
    output.line(format_args!("[OK] Backup created into: {}", into.display()));
    Ok(Outcome::Done)
}
