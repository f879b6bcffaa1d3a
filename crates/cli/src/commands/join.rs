//! Nodes that come into a cluster, in the words of redis-trib.py: `join`, `join-no-load`, `replicate`, `rescue`.

use std::ops::ControlFlow;

use redistrib_ops::model::plan::balance::EvenBalancer;
use redistrib_ops::model::{NodeId, SlotSet, counted};
use redistrib_ops::{
    AddNode, Addition, Answer, AskedRole, Cluster, Dialogue, Endpoint, Join, Operation, Rescue,
    balanced_by,
};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::{JoinArgs, JoinNoLoadArgs, ReplicateArgs};
use crate::render;
use crate::render::json::MigratedDocument;

/// What these verbs end with under `--json`, and their plan under `--dry-run`.
#[derive(Serialize)]
struct JoinedDocument {
    event: &'static str,
    node: String,
    id: Option<NodeId>,
}

pub(super) fn join(args: &JoinArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let request = Join {
        seed: args.node.clone(),
        new: args.new.clone(),
        balance: balanced_by(EvenBalancer),
        migration: args.migration.options(),
    };
    let dialogue = JoinDialogue { seed: &args.node, new: &args.new };
    session.run(request, dialogue, |done| {
        session.output.line(render::migrated(&done));
        session.output.document(&MigratedDocument::new(&done));
        Ok(Outcome::Done)
    })
}

struct JoinDialogue<'a> {
    seed: &'a Endpoint,
    new: &'a Endpoint,
}

impl<O: Operation> Dialogue<O, Session> for JoinDialogue<'_> {
    /// The plan is shown before what an interrupted run has left is looked at: it does not depend on that.
    fn discovered(
        &mut self,
        session: &Session,
        _request: &O,
        _subject: &mut O::Subject,
    ) -> Answer<Session> {
        Ok(announce(session, self.seed, self.new, "as a master, and get its part of the slots"))
    }
}

pub(super) fn join_no_load(args: &JoinNoLoadArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?.called("join-no-load");
    let (seed, new, no_wait) = (args.node.clone(), args.new.clone(), args.wait.no_wait);
    bring_in(&session, AddNode { seed, new, no_wait, ..AddNode::default() })
}

pub(super) fn replicate(args: &ReplicateArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?.called("replicate");
    let (seed, new, no_wait) = (args.master.clone(), args.replica.clone(), args.wait.no_wait);
    let role = AskedRole::ReplicaOf(args.master_id.clone());
    bring_in(&session, AddNode { seed, new, role, no_wait, ..AddNode::default() })
}

fn bring_in(session: &Session, request: AddNode) -> anyhow::Result<Outcome> {
    let (seed, new) = (request.seed.clone(), request.new.clone());
    let approves = |plan: &Addition, _: &mut Cluster| {
        let place = match plan.master {
            None => "as a master without slots".to_owned(),
            Some(master) => format!("as a replica of {master}"),
        };
        Ok(announce(session, &seed, &new, &place))
    };
    session.carry_out(request, approves, |done| {
        let (node, id) = (new.to_string(), Some(done.id));
        session.output.line("[OK] New node added correctly.");
        session.output.document(&JoinedDocument { event: "added", node, id });
        Ok(Outcome::Done)
    })
}

/// Announces the newcomer. The end, where only the plan is wanted.
fn announce(
    session: &Session,
    seed: &Endpoint,
    new: &Endpoint,
    place: &str,
) -> ControlFlow<Outcome> {
    session.output.line(format_args!(">>> Adding node {new} to cluster {seed}"));
    if session.dry_run {
        session.output.line(format_args!("{new} would join {place}"));
        session.output.document(&JoinedDocument { event: "plan", node: new.to_string(), id: None });
        return ControlFlow::Break(Outcome::Done);
    }
    ControlFlow::Continue(())
}

pub(super) fn rescue(args: &JoinArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let (seed, spare) = (args.node.clone(), args.new.clone());
    let approves = |lost: &SlotSet, _: &mut Cluster| {
        let plan = format!("{} would take over {}: {lost}", args.new, counted(lost.len(), "slot"));
        if session.dry_run {
            session.output.line(plan);
            session.output.document(lost);
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = "Give it these slots? What their masters held stays lost.";
        if !lost.is_empty() && !session.may_at_terminal(&[plan], question)? {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        Ok(ControlFlow::Continue(()))
    };
    let request = Rescue { seed, spare, migration: args.migration.options() };
    session.carry_out(request, approves, |lost| {
        session.output.line(match lost.len() {
            0 => "[OK] No slots are lost: nothing to do.".to_owned(),
            count => format!("[OK] {} has taken over {}: {lost}", args.new, counted(count, "slot")),
        });
        session.output.document(&lost);
        Ok(Outcome::Done)
    })
}
