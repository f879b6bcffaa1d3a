//! `forget-failed`.

use std::ops::ControlFlow;

use redistrib_ops::model::NodeId;
use redistrib_ops::model::plan::forget::{ForgetPlan, Tie};
use redistrib_ops::{Cluster, ForgetFailed};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::ClusterArgs;
use crate::remedy;

/// What `forget-failed` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct ForgottenDocument<'a> {
    event: &'static str,
    #[serde(flatten)]
    plan: &'a ForgetPlan,
}

pub(super) fn forget_failed(args: &ClusterArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let request = ForgetFailed { seed: args.seed.node.clone() };
    let approves = |plan: &ForgetPlan, cluster: &mut Cluster| {
        let name = |id: NodeId| name(cluster, id);
        output.lines(plan.leaving.iter().map(|id| format!("{} would be forgotten", name(*id))));
        let stays = |(id, tie): &(NodeId, Tie)| {
            format!("[WARNING] {} stays: {tie}: see {}", name(*id), remedy::tie(tie))
        };
        output.lines(plan.staying.iter().map(stays));
        if session.dry_run {
            if plan.leaving.is_empty() && plan.staying.is_empty() {
                output.line("No node has failed: nothing to do.");
            }
            output.document(&ForgottenDocument { event: "plan", plan });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = format!("Let all nodes forget these {}?", plan.leaving.len());
        if !plan.leaving.is_empty() && !session.may_at_terminal(&[], &question)? {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        Ok(ControlFlow::Continue(()))
    };
    session.carry_out(request, approves, |done| {
        if !done.leaving.is_empty() || done.staying.is_empty() {
            let gone = done.leaving.len();
            output.line(format_args!("[OK] {gone} dead nodes have been forgotten."));
        }
        output.document(&ForgottenDocument { event: "forgotten", plan: &done });
        Ok(if done.staying.is_empty() { Outcome::Done } else { Outcome::Failed })
    })
}

/// The node's id, and its address as far as one is known.
fn name(cluster: &Cluster, id: NodeId) -> String {
    let address = cluster.known(id).map(|node| node.address.to_string()).unwrap_or_default();
    format!("{id} ({address})")
}
