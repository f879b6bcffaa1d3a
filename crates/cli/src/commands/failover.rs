//! `failover`.

use std::ops::ControlFlow;
use std::time::Duration;

use redistrib_ops::model::counted;
use redistrib_ops::{Cluster, Failover, FailoverMode, Promote};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::FailoverArgs;

/// What `failover` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct FailoverDocument<'a> {
    event: &'static str,
    #[serde(flatten)]
    plan: &'a Failover,
    /// How long the writes of a probe were held up; null where there was none.
    held_up_us: Option<u64>,
}

pub(super) fn failover(args: &FailoverArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let mode = match (args.force, args.takeover) {
        (_, true) => FailoverMode::TakeOver,
        (true, _) => FailoverMode::Force,
        _ => FailoverMode::Agreed,
    };
    let request = Promote { seed: args.node.clone(), which: args.which.clone(), mode };
    let approves = |plan: &Failover, _: &mut Cluster| {
        let (replica, master, slots) = (&plan.replica, &plan.master, plan.slots.len());
        let what = format!("{} from {master}{}", counted(slots, "slot"), loss(mode));
        if session.dry_run {
            session.output.line(format_args!("{replica} would take over {what}"));
            session.output.document(&FailoverDocument { event: "plan", plan, held_up_us: None });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = format!("Let {replica} take over {what}?");
        let may = match mode {
            FailoverMode::Agreed => true,
            FailoverMode::Force => session.may_at_terminal(&[], &question)?,
            FailoverMode::TakeOver => session.may(|prompt| prompt.accepts(&question))?,
        };
        Ok(if may { ControlFlow::Continue(()) } else { ControlFlow::Break(Outcome::Failed) })
    };
    session.carry_out(request, approves, |done| {
        let (plan, held_up) = (&done.failover, done.held_up);
        let (replica, master, slots) = (&plan.replica, &plan.master, plan.slots.len());
        session.output.line(format_args!(
            "[OK] {replica} is the master of {} in place of {master}{}.",
            counted(slots, "slot"),
            pause(held_up)
        ));
        let held_up_us = held_up.and_then(|time| u64::try_from(time.as_micros()).ok());
        session.output.document(&FailoverDocument { event: "failed-over", plan, held_up_us });
        Ok(Outcome::Done)
    })
}

fn loss(mode: FailoverMode) -> &'static str {
    match mode {
        FailoverMode::Agreed => "",
        FailoverMode::Force => ", without what that has not passed on",
        FailoverMode::TakeOver => {
            ", without what that has not passed on and without a vote of the other masters"
        }
    }
}

pub(super) fn pause(held_up: Option<Duration>) -> String {
    let text = |time: Duration| {
        format!("; the writes of a probe were held up for {:.1} ms", time.as_secs_f64() * 1e3)
    };
    held_up.map(text).unwrap_or_default()
}
