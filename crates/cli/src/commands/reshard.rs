//! `reshard`.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use anyhow::{Context, ensure};
use redistrib_ops::model::{Finding, NodeId, NodeName};
use redistrib_ops::{
    Answer, Cluster, Dialogue, Error, Member, Report, Reshard, ReshardPlan, glance,
};

use super::inspect::{Blocks, check_before};
use super::{Outcome, Session, moves};
use crate::args::{ReshardArgs, SourceNames};
use crate::output::tell_error;
use crate::prompt::Prompt;
use crate::render::PlanDetail;
use crate::{render, voice};

/// As many slots as there are.
const MOST_SLOTS: u16 = 16384;

pub(super) fn reshard(args: &ReshardArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_moves(&args.change, &args.migration)?;
    let request = Reshard {
        seed: args.seed.node.clone(),
        migration: args.migration.options(),
        ..Reshard::default()
    };
    let dialogue = ReshardDialogue { args, report: None };
    session.run(request, dialogue, |done| Ok(moves::tell(&session, &done)))
}

struct ReshardDialogue<'a> {
    args: &'a ReshardArgs,
    /// The cluster as it is when the plan is made.
    report: Option<Report>,
}

impl Dialogue<Reshard, Session> for ReshardDialogue<'_> {
    fn discovered(
        &mut self,
        session: &Session,
        _request: &Reshard,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        Ok(match check_before(session, cluster, Blocks::Shown) {
            true => ControlFlow::Continue(()),
            // Theirs is on standard error, but for `rebalance`.
            false => {
                tell_error("*** Please fix your cluster problems before resharding");
                ControlFlow::Break(Outcome::Failed)
            }
        })
    }

    /// What is to be moved is given as options, or asked for.
    fn ready(
        &mut self,
        session: &Session,
        request: &mut Reshard,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let (seed, report) = (&request.seed, glance(cluster));
        if voice::peer().is_none() {
            session.output.lines(render::check(&report, seed, false));
        }
        let how = match voice::peer() {
            Some(_) => String::new(),
            None => format!(": redis-trib fix {seed}"),
        };
        ensure!(
            !report.findings.iter().any(is_in_the_way),
            "*** Please fix your cluster problems before resharding{how}"
        );
        self.report = Some(report);
        let mut chosen = choose(self.args, session, cluster)?;
        if voice::peer().is_some() && !leave_out_target(session, &mut chosen) {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        request.slots = usize::from(chosen.count);
        request.to = Some(chosen.target.into());
        request.from = chosen.sources.into_iter().map(NodeName::from).collect();
        Ok(ControlFlow::Continue(()))
    }

    fn approves(
        &mut self,
        session: &Session,
        plan: &ReshardPlan,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let (output, wanted, count) = (&session.output, plan.wanted(), plan.count());
        if plan.arrived > 0 {
            output.line(format_args!(
                "[OK] {} slots that an earlier run had left on their way have arrived: they count among the {}.",
                plan.arrived, plan.asked
            ));
        }
        if count < wanted {
            output.line(format_args!(
                "*** {wanted} slots are wanted, and the sources own {count}: moving these."
            ));
        }
        let report = self.report.get_or_insert_with(|| glance(cluster));
        let detail = detail(self.args, session);
        output.lines(render::reshard(report, &plan.moves, plan.target, detail));
        if !session.dry_run && !session.may(Prompt::proceeds)? {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        if session.dry_run || plan.moves.is_empty() {
            return Ok(ControlFlow::Break(moves::show(session, cluster, &plan.moves)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// How much is reported of a plan.
fn detail(args: &ReshardArgs, session: &Session) -> PlanDetail {
    let is_read = session.dry_run || !session.yes;
    let is_terminal = io::stdout().is_terminal() && voice::peer().is_none();
    match (args.each_slot, is_read) {
        (true, _) => PlanDetail::Slots,
        (_, false) => PlanDetail::Nothing,
        // On a terminal thousands of lines would push away all that was said before.
        (_, true) if is_terminal => PlanDetail::Sources,
        _ => PlanDetail::Slots,
    }
}

/// What is to be moved.
struct Chosen {
    count: u16,
    target: NodeId,
    /// All other masters where none is named.
    sources: Vec<NodeId>,
}

/// A peer leaves the target out where it is named among the sources. Returns whether any are left.
fn leave_out_target(session: &Session, chosen: &mut Chosen) -> bool {
    let named = chosen.sources.len();
    chosen.sources.retain(|id| *id != chosen.target);
    if chosen.sources.len() == named {
        return true;
    }
    session.output.line("*** It is not possible to use the target node as source node.");
    if chosen.sources.is_empty() {
        tell_error("*** No source nodes given, operation aborted.");
    }
    !chosen.sources.is_empty()
}

/// Whether slots must not be moved while this is so. Disagreement may pass by itself, which the migration waits for.
fn is_in_the_way(finding: &Finding) -> bool {
    matches!(finding, Finding::Uncovered { .. } | Finding::Unserved { .. })
}

fn choose(args: &ReshardArgs, session: &Session, cluster: &Cluster) -> anyhow::Result<Chosen> {
    let known = |name: &NodeName| cluster.find(name).ok().filter(|id| is_master(cluster, *id));
    let missing = args.slots.is_none() || args.to.is_none() || args.from.is_none();
    ensure!(
        !(missing && session.output.is_json()),
        voice::spelt("nobody can be asked with --json: give --from, --to and --slots")
    );
    let target = args.to.as_ref().map(|name| master(cluster, name)).transpose()?;
    let sources = match &args.from {
        None => None,
        Some(SourceNames::All) => Some(Vec::new()),
        Some(SourceNames::Nodes(names)) => {
            let ids = names.iter().map(|name| master(cluster, name));
            Some(ids.collect::<anyhow::Result<_>>()?)
        }
    };
    let mut prompt = Prompt::standard();
    let count = match args.slots {
        Some(count) => count,
        None => prompt.slot_count(MOST_SLOTS)?,
    };
    let target = match target {
        Some(id) => id,
        None => prompt.receiver(known)?,
    };
    let sources = match sources {
        Some(sources) => sources,
        None => prompt.sources(target, known)?,
    };
    Ok(Chosen { count, target, sources })
}

fn is_master(cluster: &Cluster, id: NodeId) -> bool {
    cluster.member(id).is_ok_and(Member::is_master)
}

/// The master of this name.
fn master(cluster: &Cluster, name: &NodeName) -> anyhow::Result<NodeId> {
    let found = match cluster.find(name) {
        Err(error @ Error::Name(_)) => return Err(error.into()),
        found => found.ok().filter(|id| is_master(cluster, *id)),
    };
    found.with_context(|| match voice::peer() {
        None => format!("The specified node ({name}) is not known or not a master"),
        Some(_) => {
            format!("*** The specified node ({name}) is not known or not a master, please retry.")
        }
    })
}
