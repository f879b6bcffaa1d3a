//! `backup`.

use redistrib_ops::backup as save;

use super::{Outcome, Session};
use crate::args::BackupArgs;
use crate::render::bytes;
use crate::report::Reporter;

pub(super) fn backup(args: &BackupArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let into = &args.directory;
    anyhow::ensure!(into.is_dir(), "{}: is no folder: make it first", into.display());
    let cluster = session.discover(&args.seed.node)?;
    output.line(">>> Creating a backup of all masters");
    if session.dry_run {
        for master in cluster.masters() {
            output.line(format_args!("{} would be saved in {}", master.endpoint(), into.display()));
        }
        return Ok(Outcome::Done);
    }
    let reporter = Reporter::new(output);
    let saved = session.act(&reporter, |context| save(&cluster, into, context))?;
    for file in &saved {
        output.line(format_args!("{} ({})", file.file.display(), bytes(file.bytes)));
    }
    output.document(&saved);
    output.line(format_args!("[OK] Backup created into: {}", into.display()));
    Ok(Outcome::Done)
}
