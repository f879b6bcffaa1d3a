//! `backup`.

use std::path::Path;

use redistrib_ops::backup as save;
use redistrib_ops::model::Severity;
use serde::Serialize;

use super::inspect::{Blocks, check_before};
use super::{Outcome, Session};
use crate::args::BackupArgs;
use crate::render::bytes;
use crate::report::Reporter;
use crate::shell::Peer;
use crate::voice;

/// The plan of `backup`.
#[derive(Serialize)]
struct BackupDocument<'a> {
    event: &'static str,
    directory: &'a Path,
    /// The masters that would be saved.
    nodes: Vec<String>,
}

pub(super) fn backup(args: &BackupArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_work(&args.work)?;
    let output = &session.output;
    let into = &args.directory;
    let mut cluster = session.discover(&args.seed.node)?;
    let is_well = check_before(&session, &mut cluster, Blocks::Shown);
    // Scripts for the peers rely on their word that a folder is missing.
    anyhow::ensure!(
        voice::peer().is_none() || into.is_dir(),
        "The specified backup directory '{}' does not exist.",
        into.display()
    );
    if voice::peer().is_none() {
        output.line(">>> Creating a backup of all masters");
    }
    if session.dry_run {
        let nodes: Vec<String> =
            cluster.masters().map(|master| master.endpoint().to_string()).collect();
        output
            .lines(nodes.iter().map(|node| format!("{node} would be saved in {}", into.display())));
        output.document(&BackupDocument { event: "plan", directory: into, nodes });
        return Ok(Outcome::Done);
    }
    let reporter = Reporter::new(output);
    let prefix = if voice::peer() == Some(Peer::ValkeyCli) { "valkey" } else { "redis" };
    let saved = session.act(&reporter, |context| save(&mut cluster, into, prefix, context))?;
    for file in saved.iter().filter(|_| voice::peer().is_none()) {
        output.line(format_args!("{} ({})", file.file.display(), bytes(file.bytes)));
    }
    output.document(&saved);
    let findings = cluster.snapshot().findings();
    let has_errors = findings.iter().any(|finding| finding.severity() == Severity::Error);
    let has_problems = if voice::peer().is_some() { !is_well } else { has_errors };
    if has_problems {
        output.line(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.",
        );
    }
    output.line(format_args!("[OK] Backup created into: {}", into.display()));
    Ok(Outcome::Done)
}
