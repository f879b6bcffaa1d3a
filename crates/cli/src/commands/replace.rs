//! `replace`.

use std::time::Duration;

use redistrib_ops::Replacement;
use redistrib_ops::model::{Member, SlotSet};
use serde::Serialize;

use super::failover::pause;
use super::{Outcome, Session, chosen};
use crate::args::ReplaceArgs;

/// What `replace` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct ReplacedDocument<'a> {
    event: &'static str,
    old: &'a Member,
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
    let mut cluster = session.discover(&args.node)?;
    let old = chosen(&cluster, args.which.as_ref())?;
    let plan = Replacement::plan(&mut cluster, old, &args.new, args.keep)?;
    if session.dry_run {
        output.line(format_args!("{} would take the place of {}", args.new, described(&plan)));
        output.document(&ReplacedDocument::of("plan", &plan, None));
        return Ok(Outcome::Done);
    }
    let question = format!("Let {} take the place of {}?", args.new, described(&plan));
    if !session.may_at_terminal(&[], &question)? {
        return Ok(Outcome::Failed);
    }
    let (plan, held_up) = session.change("replace", &mut cluster, |cluster, context| {
        let plan = Replacement::plan(cluster, old, &args.new, args.keep)?;
        let held_up = plan.apply(cluster, context)?;
        Ok((plan, held_up))
    })?;
    output.line(format_args!(
        "[OK] {} has taken the place of {}{}.",
        args.new,
        plan.old.address,
        pause(held_up)
    ));
    output.document(&ReplacedDocument::of("replaced", &plan, held_up));
    Ok(Outcome::Done)
}

/// The old node, what is taken over from it, and what becomes of it.
fn described(plan: &Replacement) -> String {
    let slots = match plan.slots.len() {
        0 => String::new(),
        slots => format!(", with its {slots} slots"),
    };
    let fate = if plan.keep { "stays, as a replica" } else { "leaves the cluster and is reset" };
    format!("{}{slots}; that {fate}", plan.old.address)
}
