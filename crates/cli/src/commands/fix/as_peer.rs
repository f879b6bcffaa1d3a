//! `fix` under a peer's name: its order, its lines and its questions. Open slots are repaired before anybody is asked about
//! slots without an owner.

use std::ops::ControlFlow;

use redistrib_ops::{
    Answer, Cluster, Dialogue, Fix, FixPlan, FixScope, Fixed, Member, Report, inspect as ask_all,
};

use super::super::inspect::inspect;
use super::super::{Outcome, Session};
use crate::args::FixArgs;
use crate::output::tell_error;
use crate::render::{self, peers};

pub(super) fn fix(session: &Session, args: &FixArgs) -> anyhow::Result<Outcome> {
    let (seed, searched) = (&args.seed.node, args.search_multiple_owners);
    let mut cluster = session.discover(seed)?;
    let silent = cluster.masters().filter(|master| !Member::is_up(master)).count();
    let is_refused = |what| {
        silent > 0 && !args.fix_with_unreachable_masters && {
            session.output.line(peers::too_dangerous(what, silent));
            true
        }
    };
    let look = || anyhow::Ok(peers::as_seen(ask_all(&mut session.discover(seed)?)));

    let mut report = inspect(&mut cluster);
    session.output.lines(render::info(&report));
    session.output.lines(peers::check_open_slots(&report, seed));
    if peers::has_open_slots(&report) {
        if is_refused("open slots")
            || mend(session, args, FixScope::Open, &report)? == Outcome::Failed
        {
            return Ok(Outcome::Failed);
        }
        report = look()?;
    }
    session.output.lines(peers::check_coverage(&report));
    if !peers::is_covered(&report) && is_refused("slots coverage") {
        return Ok(Outcome::Failed);
    }
    if !peers::is_well(&report, searched) {
        if mend(session, args, FixScope::All, &report)? == Outcome::Failed {
            return Ok(Outcome::Failed);
        }
        report = look()?;
    }
    if searched {
        session.output.lines(peers::check_owners(&report));
    }
    Ok(if peers::is_well(&report, searched) { Outcome::Done } else { Outcome::Failed })
}

/// Repairs these slots. What is left is reported on standard error: the peers have no words for it.
fn mend(
    session: &Session,
    args: &FixArgs,
    scope: FixScope,
    report: &Report,
) -> anyhow::Result<Outcome> {
    let request = Fix {
        seed: args.seed.node.clone(),
        scope,
        options: args.options(),
        migration: args.migration.options(),
        ..Fix::default()
    };
    session.run(request, PeerFixDialogue { report, scope, shown: None }, |fixed: Fixed| {
        render::blocked(&fixed.left).iter().for_each(tell_error);
        // What opening up some slots has brought to light is for the round after it.
        let is_done =
            fixed.left.blocked.is_empty() && (scope == FixScope::Open || fixed.is_whole());
        Ok(if is_done { Outcome::Done } else { Outcome::Failed })
    })
}

struct PeerFixDialogue<'a> {
    report: &'a Report,
    scope: FixScope,
    /// The plan that has been shown last.
    shown: Option<FixPlan>,
}

impl Dialogue<Fix, Session> for PeerFixDialogue<'_> {
    fn approves(
        &mut self,
        session: &Session,
        plan: &FixPlan,
        _cluster: &mut Cluster,
    ) -> Answer<Session> {
        if self.shown.replace(plan.clone()).as_ref() == Some(plan) {
            return Ok(ControlFlow::Continue(()));
        }
        let unasked = plan.repairs.iter().filter(|repair| !render::is_asked(repair));
        for repair in unasked {
            match self.scope {
                FixScope::Open => session.output.lines(peers::open_slots(self.report, repair)),
                _ => tell_error(format_args!("*** {repair}")),
            }
        }
        let may = may_cover(session, plan)?;
        Ok(if may { ControlFlow::Continue(()) } else { ControlFlow::Break(Outcome::Failed) })
    }
}

/// The peers give slots without an owner to a node only if somebody says yes, whatever was agreed beforehand.
fn may_cover(session: &Session, plan: &FixPlan) -> anyhow::Result<bool> {
    let uncovered = render::uncovered(plan);
    if !uncovered.is_empty() {
        session.output.line(">>> Fixing slots coverage...");
    }
    for kind in uncovered {
        session.output.lines(kind.slots);
        if !session.insist(|prompt| prompt.accepts(&kind.question))? {
            return Ok(false);
        }
        session.output.lines(kind.covering);
    }
    Ok(true)
}
