//! `check`, `info` and `list`.

use redistrib_ops::{Endpoint, Report, inspect};

use super::{Outcome, Session};
use crate::args::{CheckArgs, InfoArgs, ListArgs, ReportArgs};
use crate::render;
use crate::render::json::{ClusterDocument, is_healthy};

pub(super) fn check(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let seed = &args.seed.node;
    let healthy = show(seed, &args.report, |report| {
        let mut lines = render::info(report);
        lines.extend(render::check(report, seed, args.search_multiple_owners));
        lines.extend(render::next_steps(report));
        (lines, is_healthy(report))
    })?;
    Ok(if healthy { Outcome::Done } else { Outcome::Failed })
}

pub(super) fn info(args: &InfoArgs) -> anyhow::Result<Outcome> {
    let whole = show(&args.seed.node, &args.report, |report| {
        let missing = report.masters().any(|master| master.keys.is_none());
        (render::info(report), !missing)
    })?;
    Ok(if whole { Outcome::Done } else { Outcome::Failed })
}

pub(super) fn list(args: &ListArgs) -> anyhow::Result<Outcome> {
    let whole = show(&args.seed.node, &args.report, |report| {
        (render::list(report), render::is_covered(report))
    })?;
    Ok(if whole { Outcome::Done } else { Outcome::Failed })
}

/// Asks the cluster and prints the lines made of its report, or the report itself as JSON.
fn show(
    seed: &Endpoint,
    args: &ReportArgs,
    render: impl FnOnce(&Report) -> (Vec<String>, bool),
) -> anyhow::Result<bool> {
    let session = Session::for_report(args)?;
    let report = inspect(&mut session.discover(seed)?);
    let (lines, well) = render(&report);
    session.output.lines(lines);
    session.output.document(&ClusterDocument::new(&report, seed));
    Ok(well)
}
