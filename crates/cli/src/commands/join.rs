//! Nodes that come into a cluster, in the words of redis-trib.py: `join`, `join-no-load`, `replicate`, `rescue`.

use redistrib_ops::model::NodeId;
use redistrib_ops::model::plan::balance::EvenBalancer;
use redistrib_ops::{
    Cluster, Context, Endpoint, NewRole, Result, add_node, balanced_by, join_cluster_with,
    lost_slots, rescue_cluster,
};
use serde::Serialize;

use super::fix::recover;
use super::{Outcome, Session, chosen};
use crate::args::{ChangeArgs, JoinArgs, JoinNoLoadArgs, ReplicateArgs, WaitArgs};
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
    let plan = "as a master, and get its part of the slots";
    let Some(mut cluster) = begin(&session, &args.node, &args.new, plan)? else {
        return Ok(Outcome::Done);
    };
    if !recover(&session, "join", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    let (options, balance) = (args.migration.options(), balanced_by(EvenBalancer));
    let done = session.change("join", &mut cluster, |_, context| {
        join_cluster_with(&args.node, &args.new, &session.settings, balance, &options, context)
    })?;
    session.output.line(render::migrated(&done));
    session.output.document(&MigratedDocument::new(&done));
    Ok(Outcome::Done)
}

pub(super) fn join_no_load(args: &JoinNoLoadArgs) -> anyhow::Result<Outcome> {
    let ends = (&args.node, &args.new);
    bring_in(&args.change, "join-no-load", ends, args.wait, |_| Ok(NewRole::Master))
}

pub(super) fn replicate(args: &ReplicateArgs) -> anyhow::Result<Outcome> {
    let seed = &args.master;
    bring_in(&args.change, "replicate", (seed, &args.replica), args.wait, |cluster| {
        let master = chosen(cluster, args.master_id.as_ref())?;
        NewRole::ReplicaOf(master).master(cluster)?;
        Ok(NewRole::ReplicaOf(master))
    })
}

fn bring_in(
    change: &ChangeArgs,
    verb: &str,
    (seed, new): (&Endpoint, &Endpoint),
    wait: WaitArgs,
    role: impl FnOnce(&Cluster) -> Result<NewRole>,
) -> anyhow::Result<Outcome> {
    let session = Session::for_change(change)?;
    let role = role(&session.discover(seed)?)?;
    let plan = match role {
        NewRole::Master => "as a master without slots".to_owned(),
        NewRole::ReplicaOf(master) => format!("as a replica of {master}"),
        NewRole::Replica => "as a replica".to_owned(),
    };
    let Some(mut cluster) = begin(&session, seed, new, &plan)? else { return Ok(Outcome::Done) };
    let id = session.change(verb, &mut cluster, |cluster, context: Context<'_>| {
        let id = add_node(cluster, new, role, context)?;
        session.await_served(seed, new, wait, context)?;
        Ok(id)
    })?;
    session.output.line("[OK] New node added correctly.");
    session.output.document(&JoinedDocument {
        event: "added",
        node: new.to_string(),
        id: Some(id),
    });
    Ok(Outcome::Done)
}

/// Announces the newcomer. The cluster to work on, or `None` where only the plan is wanted.
fn begin(
    session: &Session,
    seed: &Endpoint,
    new: &Endpoint,
    plan: &str,
) -> anyhow::Result<Option<Cluster>> {
    let cluster = session.discover(seed)?;
    session.output.line(format_args!(">>> Adding node {new} to cluster {seed}"));
    if session.dry_run {
        session.output.line(format_args!("{new} would join {plan}"));
        session.output.document(&JoinedDocument { event: "plan", node: new.to_string(), id: None });
        return Ok(None);
    }
    Ok(Some(cluster))
}

pub(super) fn rescue(args: &JoinArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let mut cluster = session.discover(&args.node)?;
    let lost = lost_slots(&cluster)?;
    let plan = format!("{} would take over {} slots: {lost}", args.new, lost.len());
    if session.dry_run {
        session.output.line(plan);
        session.output.document(&lost);
        return Ok(Outcome::Done);
    }
    let question = "Give it these slots? What their masters held stays lost.";
    if !lost.is_empty() && !session.may_at_terminal(&[plan], question)? {
        return Ok(Outcome::Failed);
    }
    if !recover(&session, "rescue", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    let lost = session.change("rescue", &mut cluster, |_, context| {
        rescue_cluster(&args.node, &args.new, &session.settings, context)
    })?;
    session.output.line(match lost.len() {
        0 => "[OK] No slots are lost: nothing to do.".to_owned(),
        count => format!("[OK] {} has taken over {count} slots: {lost}", args.new),
    });
    session.output.document(&lost);
    Ok(Outcome::Done)
}
