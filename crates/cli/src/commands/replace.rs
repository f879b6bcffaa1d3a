//! `replace`.

use std::ops::ControlFlow;
use std::time::Duration;

use redistrib_ops::model::{NodeLabel, SlotSet, counted};
use redistrib_ops::{Cluster, Replace, Replacement};
use serde::Serialize;

use super::failover::pause;
use super::host::go_on;
use super::{Outcome, Session};
use crate::args::ReplaceArgs;

/// What `replace` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct ReplacedDocument<'a> {
    event: &'static str,
    old: &'a NodeLabel,
    new: String,
    slots: &'a SlotSet,
    keep: bool,
    /// How long the writes of a probe were held up; null where there was none.
    held_up_us: Option<u64>,
}

impl<'a> ReplacedDocument<'a> {
    fn of(event: &'static str, plan: &'a Replacement, held_up: Option<Duration>) -> Self {
        let held_up_us = held_up.and_then(|time| u64::try_from(time.as_micros()).ok());
        let Replacement { old, new, slots, keep, .. } = plan;
        Self { event, old, new: new.to_string(), slots, keep: *keep, held_up_us }
    }
}

pub(super) fn replace(args: &ReplaceArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let request = Replace {
        seed: args.node.clone(),
        which: args.which.clone(),
        new: args.new.clone(),
        keep: args.keep,
    };
    let approves = |plan: &Replacement, _: &mut Cluster| {
        let (new, old) = (&args.new, described(plan));
        if session.dry_run {
            output.line(format_args!("{new} would take the place of {old}"));
            output.document(&ReplacedDocument::of("plan", plan, None));
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = format!("Let {new} take the place of {old}?");
        Ok(go_on(session.may_at_terminal(&[], &question)?))
    };
    session.carry_out(request, approves, |done| {
        let (plan, held_up) = (&done.replacement, done.held_up);
        output.line(format_args!(
            "[OK] {} has taken the place of {}{}.",
            args.new,
            plan.old.address,
            pause(held_up)
        ));
        output.document(&ReplacedDocument::of("replaced", plan, held_up));
        Ok(Outcome::Done)
    })
}

/// The old node, what is taken over from it, and what becomes of it.
fn described(plan: &Replacement) -> String {
    let slots = match plan.slots.len() {
        0 => String::new(),
        slots => format!(", with its {}", counted(slots, "slot")),
    };
    let fate = if plan.keep { "stays, as a replica" } else { "leaves the cluster and is reset" };
    format!("{}{slots}; that {fate}", plan.old.address)
}
