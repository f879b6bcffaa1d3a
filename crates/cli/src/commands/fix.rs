//! `fix`.

mod as_peer;

use std::ops::ControlFlow;

use redistrib_ops::model::Finding;
use redistrib_ops::model::plan::fix::RepairReason;
use redistrib_ops::{Answer, Cluster, Dialogue, Fix, FixPlan, Fixed, inspect};

use super::{Outcome, Session};
use crate::args::FixArgs;
use crate::render;
use crate::render::json::is_healthy;
use crate::voice;

pub(super) fn fix(args: &FixArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    if voice::peer().is_some() && !session.dry_run {
        return as_peer::fix(&session, args);
    }
    let request = Fix {
        seed: args.seed.node.clone(),
        options: args.options(),
        migration: args.migration.options(),
        ..Fix::default()
    };
    let dialogue = FixDialogue { args, shown: None };
    session.run(request, dialogue, |fixed| tell(&session, args, &fixed))
}

struct FixDialogue<'a> {
    args: &'a FixArgs,
    /// The plan that has been shown last.
    shown: Option<FixPlan>,
}

impl Dialogue<Fix, Session> for FixDialogue<'_> {
    fn ready(
        &mut self,
        session: &Session,
        _request: &mut Fix,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let report = inspect(cluster);
        let (seed, searched) = (cluster.seed(), self.args.search_multiple_owners);
        session.output.lines(render::check(&report, seed, searched));
        Ok(ControlFlow::Continue(()))
    }

    fn approves(
        &mut self,
        session: &Session,
        plan: &FixPlan,
        _cluster: &mut Cluster,
    ) -> Answer<Session> {
        let is_new = self.shown.replace(plan.clone()).as_ref() != Some(plan);
        if is_new {
            session.output.lines(render::fix(plan));
        }
        if session.dry_run {
            session.output.lines(render::blocked(plan));
            session.output.document(plan);
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let gives_up =
            |reason| matches!(reason, RepairReason::GivenUp | RepairReason::SilentMaster);
        let question = "Give up what masters that do not answer have not passed on?";
        if self.args.fix_with_unreachable_masters
            && plan.repairs.iter().any(|repair| gives_up(repair.reason))
            && !session.may_at_terminal(&[], question)?
        {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn tell(session: &Session, args: &FixArgs, fixed: &Fixed) -> anyhow::Result<Outcome> {
    let seed = &args.seed.node;
    session.output.document(&fixed.left);
    // Again: of a node that does not answer the cluster repeats what others said of it at first.
    let report = inspect(&mut session.discover(seed)?);
    session.output.lines(render::check(&report, seed, args.search_multiple_owners));
    session.output.lines(render::blocked(&fixed.left));
    Ok(match fixed.is_whole() && is_healthy(&report) {
        true => Outcome::Done,
        false => session.fail("*** The cluster is not well yet: see above, and redis-trib check"),
    })
}

/// Whether an interrupted migration has left slots open, which is reported.
pub(super) fn tell_open(session: &Session, cluster: &Cluster) -> bool {
    let mut open = cluster.snapshot().findings();
    open.retain(|finding| matches!(finding, Finding::OpenSlots(_)));
    session.tell_open(&open);
    !open.is_empty()
}
