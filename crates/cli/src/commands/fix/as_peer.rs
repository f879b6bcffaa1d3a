//! `fix` under a peer's name: its order, its lines and its questions. Open slots are repaired before anybody is asked about
//! slots without an owner.

use std::ops::ControlFlow;

use redistrib_ops::model::SlotSet;
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

/// Repairs these slots, but for those that somebody says no to.
fn mend(
    session: &Session,
    args: &FixArgs,
    scope: FixScope,
    report: &Report,
) -> anyhow::Result<Outcome> {
    let mut consent = Consent::default();
    let outcome = mend_agreed(session, args, scope, report, &mut consent)?;
    if consent.agreed.is_empty() || consent.refused.is_empty() {
        return Ok(outcome);
    }
    let agreed = FixScope::AllBut(consent.refused.clone());
    mend_agreed(session, args, agreed, report, &mut consent)
}

/// Repairs these slots if all are agreed to. What is left is reported on standard error: the peers have no words for it.
fn mend_agreed(
    session: &Session,
    args: &FixArgs,
    scope: FixScope,
    report: &Report,
    consent: &mut Consent,
) -> anyhow::Result<Outcome> {
    let opens = scope == FixScope::Open;
    let request = Fix {
        seed: args.seed.node.clone(),
        scope,
        options: args.options(),
        migration: args.migration.options(),
        ..Fix::default()
    };
    let dialogue = PeerFixDialogue { report, opens, consent, shown: None };
    session.run(request, dialogue, |fixed: Fixed| {
        render::blocked(&fixed.left).iter().for_each(tell_error);
        // What opening up some slots has brought to light is for the round after it.
        let is_done = fixed.left.blocked.is_empty() && (opens || fixed.is_whole());
        Ok(if is_done { Outcome::Done } else { Outcome::Failed })
    })
}

/// Slots without an owner that are to get one, and those that are not.
#[derive(Debug, Default)]
struct Consent {
    agreed: SlotSet,
    refused: SlotSet,
}

struct PeerFixDialogue<'a> {
    report: &'a Report,
    /// Whether open slots are repaired.
    opens: bool,
    consent: &'a mut Consent,
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
        // They have been shown before, where something was refused.
        let unasked = plan.repairs.iter().filter(|repair| !render::is_asked(repair));
        for repair in unasked.filter(|_| self.consent.refused.is_empty()) {
            if self.opens {
                session.output.lines(peers::open_slots(self.report, repair));
            } else {
                tell_error(format_args!("*** {repair}"));
            }
        }
        let may = may_cover(session, plan, self.consent)?;
        Ok(if may { ControlFlow::Continue(()) } else { ControlFlow::Break(Outcome::Failed) })
    }
}

/// The peers give slots without an owner to a node only if somebody says yes, whatever was agreed beforehand. They ask for each
/// kind of slots, whatever the answer for another was.
fn may_cover(session: &Session, plan: &FixPlan, consent: &mut Consent) -> anyhow::Result<bool> {
    let mut uncovered = render::uncovered(plan);
    uncovered.retain(|kind| !kind.slots.difference(&consent.agreed).is_empty());
    if !uncovered.is_empty() {
        session.output.line(">>> Fixing slots coverage...");
    }
    let mut may = true;
    for kind in uncovered {
        session.output.lines(kind.shown);
        if session.insist(|prompt| prompt.accepts(&kind.question))? {
            session.output.lines(kind.covering);
            consent.agreed = consent.agreed.union(&kind.slots);
        } else {
            consent.refused = consent.refused.union(&kind.slots);
            may = false;
        }
    }
    Ok(may)
}
