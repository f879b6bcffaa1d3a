//! `meet`.

use std::ops::ControlFlow;

use redistrib_ops::model::counted;
use redistrib_ops::model::plan::meet::MeetPlan;
use redistrib_ops::{Meet, Reunion};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::MeetArgs;

/// What `meet` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct MetDocument<'a> {
    event: &'static str,
    #[serde(flatten)]
    plan: &'a MeetPlan,
}

pub(super) fn meet(args: &MeetArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let approves = |plan: &MeetPlan, _: &mut Reunion| {
        output.lines(plan.members.iter().map(|(id, address)| format!("{id} is at {address}")));
        output.lines(warnings(plan));
        if session.dry_run {
            output.document(&MetDocument { event: "plan", plan });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = "Introduce them, though a member gives up slots?";
        if !plan.yielding.is_empty() && !session.may(|prompt| prompt.accepts(question))? {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        Ok(ControlFlow::Continue(()))
    };
    session.carry_out(Meet { nodes: args.nodes.clone() }, approves, |done| {
        let members = done.members.len();
        output.line(format_args!("[OK] {members} members know each other's addresses."));
        output.document(&MetDocument { event: "met", plan: &done });
        Ok(if done.missing.is_empty() { Outcome::Done } else { Outcome::Failed })
    })
}

/// Who is missing, and what would be given up.
fn warnings(plan: &MeetPlan) -> impl Iterator<Item = String> {
    let missing = plan.missing.iter().map(|absent| {
        let (id, address, slots) =
            (absent.id, &absent.address, counted(absent.slots.len(), "slot"));
        format!("[WARNING] {id} with {slots}, once at {address}, is not among these nodes")
    });
    let yielding = plan.yielding.iter().map(|it| {
        let (node, to, slots) = (it.node, it.to, counted(it.slots.len(), "slot"));
        format!("[WARNING] {node} gives up {slots} and its keys in them: {to} has a newer claim")
    });
    missing.chain(yielding)
}
