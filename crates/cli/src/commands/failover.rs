//! `failover`.

use std::time::Duration;

use redistrib_ops::{Failover, FailoverMode};
use serde::Serialize;

use super::{Outcome, Session, chosen};
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
    let mut cluster = session.discover(&args.node)?;
    let mut plan = Failover::plan(&cluster, chosen(&cluster, args.which.as_ref())?, mode)?;
    let (replica, master, slots) = (&plan.replica, &plan.master, plan.slots.len());
    if session.dry_run {
        session.output.line(format_args!(
            "{replica} would take over {slots} slots from {master}{}",
            loss(mode)
        ));
        session.output.document(&FailoverDocument { event: "plan", plan: &plan, held_up_us: None });
        return Ok(Outcome::Done);
    }
    let question = format!("Let {replica} take over {slots} slots from {master}{}?", loss(mode));
    if mode == FailoverMode::TakeOver && !session.may(|prompt| prompt.accepts(&question))? {
        return Ok(Outcome::Failed);
    }
    let held_up = session.change("failover", &mut cluster, |cluster, context| {
        Failover::plan(cluster, plan.replica.id, mode)?.apply(cluster, context)
    })?;
    // Atomic migrations may have ended meanwhile.
    plan.slots = cluster.member(plan.replica.id)?.node().slots.clone();
    session.output.line(format_args!(
        "[OK] {} is the master of {} slots in place of {}{}.",
        plan.replica,
        plan.slots.len(),
        plan.master,
        pause(held_up)
    ));
    let held_up_us = held_up.and_then(|time| u64::try_from(time.as_micros()).ok());
    session.output.document(&FailoverDocument { event: "failed-over", plan: &plan, held_up_us });
    Ok(Outcome::Done)
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
