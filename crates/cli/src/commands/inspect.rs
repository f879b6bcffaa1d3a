//! `check`, `info`, `list` and `status`.

mod watch;

use redistrib_ops::model::sample::NodeState;
use redistrib_ops::{Cluster, Endpoint, Error, Member, Report};

use super::{Outcome, Session};
use crate::args::{CheckArgs, InfoArgs, ListArgs, ReportArgs, StatusArgs};
use crate::output::tell_error;
use crate::render::json::{ClusterDocument, is_healthy};
use crate::render::{self, Status, peers};
use crate::shell::explain;
use crate::style::Tone;
use crate::voice;

pub(super) fn check(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let seed = &args.seed.node;
    if let Some(every) = args.watch {
        return watch::watch(args, every);
    }
    let healthy = show(seed, &args.report, |report| {
        let (mut lines, searched) = (render::info(report), args.search_multiple_owners);
        if voice::peer().is_some() {
            lines.extend(peers::check(report, seed, searched));
            return (lines, peers::is_well(report, searched));
        }
        lines.extend(render::check(report, seed, searched));
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

pub(super) fn status(args: &StatusArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let seed = &args.seed.node;
    let found = session.discover(seed);
    let found = found.map(|mut cluster| Status::new(&redistrib_ops::inspect(&mut cluster), seed));
    if args.prometheus {
        // A collector throws away what comes with a failure, and the metrics report it.
        let lines = match found {
            Ok(status) => render::prometheus(&status),
            Err(error) => {
                session.output.complain(format_args!("[ERR] {error:#}"));
                render::healthy(false)
            }
        };
        session.output.lines(lines);
        return Ok(Outcome::Done);
    }
    let status = found?;
    for (state, line) in render::table(&status, session.output.columns()) {
        match state {
            None => session.output.line(line),
            Some(NodeState::Up) => session.output.tinted(line, Tone::Good),
            Some(NodeState::Syncing | NodeState::Loading | NodeState::Unasked) => {
                session.output.tinted(line, Tone::Odd)
            }
            Some(NodeState::Unlinked | NodeState::Fail | NodeState::Unknown | NodeState::Down) => {
                session.output.tinted(line, Tone::Bad)
            }
        }
    }
    session.output.document(&status);
    Ok(if status.healthy { Outcome::Done } else { Outcome::Failed })
}

/// Asks all nodes. Where we speak as a peer, those that do not answer are reported as it does, and left out.
pub(super) fn inspect(cluster: &mut Cluster) -> Report {
    let report = redistrib_ops::inspect(cluster);
    if voice::peer().is_none() {
        return report;
    }
    tell_silent(cluster);
    peers::as_seen(report)
}

/// Reports the nodes that do not answer, where we speak as a peer: it does so before anything else.
pub(super) fn tell_silent(cluster: &Cluster) {
    if let Some(peer) = voice::peer() {
        let silent = cluster.members().iter().filter_map(Member::failure);
        silent.for_each(|failure| tell_error(explain(failure, peer)));
    }
}

/// Whether a peer prints nothing of this answer, where we speak as one: it has reported before that the node does not answer.
pub(super) fn is_left_out<T>(answer: &redistrib_ops::Result<T>) -> bool {
    voice::peer().is_some() && answer.as_ref().is_err_and(Error::is_unreachable)
}

/// Whether a check shows the nodes' blocks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocks {
    Shown,
    Hidden,
}

/// The check that redis-cli's verbs begin with, printed where we speak as a peer. Returns whether such a verb continues.
pub(super) fn check_before(session: &Session, cluster: &mut Cluster, blocks: Blocks) -> bool {
    if voice::peer().is_none() {
        return true;
    }
    let seed = cluster.seed().clone();
    let report = inspect(cluster);
    let is_block = |line: &String| line.starts_with(['M', 'S', ' ']);
    let mut lines = peers::check(&report, &seed, false);
    lines.retain(|line| blocks == Blocks::Shown || !is_block(line));
    session.output.lines(lines);
    peers::is_well(&report, false)
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
