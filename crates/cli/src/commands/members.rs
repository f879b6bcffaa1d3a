//! Verbs about single nodes: `add-node`, `del-node`, `quit`, `shutdown` and `set-timeout`.

use std::fmt::Display;

use anyhow::bail;
use redistrib_ops::migrate::migrate;
use redistrib_ops::model::{Move, NodeId, NodeName};
use redistrib_ops::{
    Cluster, Departure, Error, NewRole, add_node as add, plan_drain, require_end, require_timeout,
    set_node_timeout, shutdown_cluster,
};
use serde::Serialize;

use super::fix::recover;
use super::inspect::check_before;
use super::{Outcome, Session, chosen, moves};
use crate::args::{
    AddNodeArgs, DelNodeArgs, MigrationArgs, QuitArgs, SetTimeoutArgs, ShutdownArgs,
};
use crate::render::json::ObstacleDocument;
use crate::voice;

/// What `add-node` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct AddedDocument {
    event: &'static str,
    node: String,
    id: Option<NodeId>,
    master: Option<NodeId>,
}

pub(super) fn add_node(args: &AddNodeArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    output.line(format_args!(">>> Adding node {} to cluster {}", args.new, args.node));
    let mut cluster = session.discover(&args.node)?;
    if !check_before(&session, &mut cluster, true) {
        return Ok(Outcome::Failed);
    }
    let role = match (args.replica, &args.master_id) {
        (false, _) => NewRole::Master,
        (true, Some(name)) => NewRole::ReplicaOf(master_named(&cluster, name)?),
        (true, None) => NewRole::Replica,
    };
    let master = role.master(&cluster)?;
    if let (NewRole::Replica, Some(id)) = (role, master) {
        output
            .line(format_args!("Automatically selected master {}", cluster.member(id)?.endpoint()));
    }
    let node = args.new.to_string();
    if session.dry_run {
        let place = master.map_or("an empty master".to_owned(), |id| format!("a replica of {id}"));
        output.line(format_args!("{node} would become {place}"));
        output.document(&AddedDocument { event: "plan", node, id: None, master });
        return Ok(Outcome::Done);
    }
    let id = session.change("add-node", &mut cluster, |cluster, context| {
        let id = add(cluster, &args.new, role, context).inspect_err(|error| {
            if error.is_unreachable() && voice::peer().is_some() {
                output.line(format_args!("[ERR] Sorry, can't connect to node {}", args.new));
            }
        })?;
        session.await_served(&args.node, &args.new, args.wait, context)?;
        Ok(id)
    })?;
    output.line("[OK] New node added correctly.");
    output.document(&AddedDocument { event: "added", node, id: Some(id), master });
    Ok(Outcome::Done)
}

/// The master that a replica is to follow; a peer has another word for one that is not there than for any other node.
fn master_named(cluster: &Cluster, name: &NodeName) -> anyhow::Result<NodeId> {
    match cluster.find(name) {
        Err(Error::NoSuchNode { id, .. }) if voice::peer().is_some() => {
            bail!("No such master ID {id}")
        }
        found => Ok(found?),
    }
}

/// What `del-node` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct RemovedDocument<'a> {
    event: &'static str,
    id: NodeId,
    /// Its replicas, each with the master that it follows from now on.
    reassigned: Vec<(NodeId, NodeId)>,
    /// Where its slots went.
    moves: &'a [Move],
    /// What stands in the way of that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    obstacles: Vec<ObstacleDocument<'a>>,
}

pub(super) fn del_node(args: &DelNodeArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let cluster = session.discover(&args.seed.node)?;
    // Some nodes may have forgotten it already.
    let id = chosen(&cluster, args.id.as_ref()).inspect_err(|_| {
        if let (Some(name), Some(_)) = (&args.id, voice::peer()) {
            tell_removal(&session, name, &cluster);
        }
    })?;
    let migration = args.drain.then_some(&args.migration);
    take_out(&session, "del-node", cluster, id, migration)
}

/// `quit`: the node at the address leaves, and its slots go to the others first.
pub(super) fn quit(args: &QuitArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let cluster = session.discover(&args.node)?;
    let id = chosen(&cluster, args.which.as_ref())?;
    take_out(&session, "quit", cluster, id, Some(&args.migration))
}

fn tell_removal(session: &Session, node: impl Display, cluster: &Cluster) {
    session.output.line(format_args!(">>> Removing node {node} from cluster {}", cluster.seed()));
}

/// Takes a node out; with `migration`, its slots are moved away first.
fn take_out(
    session: &Session,
    verb: &str,
    mut cluster: Cluster,
    id: NodeId,
    migration: Option<&MigrationArgs>,
) -> anyhow::Result<Outcome> {
    let output = &session.output;
    tell_removal(session, id, &cluster);
    if let Some(migration) = migration
        && !recover(session, verb, &mut cluster, migration)?
    {
        return Ok(Outcome::Failed);
    }
    let moves = match migration {
        Some(_) => plan_drain(&cluster, id)?,
        None => Vec::new(),
    };
    if moves.is_empty() {
        // Before anybody is kept away: whether it can leave at all.
        Departure::plan(&cluster, id)?;
    }
    if session.dry_run {
        output.lines(moves::lines(&cluster, &moves));
        output.line(format_args!("All other nodes would forget {id}, and it would be reset"));
        let (obstacles, outcome) = moves::weigh(session, &mut cluster, &moves);
        output.document(&RemovedDocument {
            event: "plan",
            id,
            reassigned: Vec::new(),
            moves: &moves,
            obstacles: ObstacleDocument::all(&obstacles),
        });
        return Ok(outcome);
    }
    if !leaves(session, &cluster, id, &moves)? {
        return Ok(Outcome::Failed);
    }
    let options = migration.map(MigrationArgs::options).unwrap_or_default();
    let departure = session.change(verb, &mut cluster, |cluster, context| {
        if !moves.is_empty() {
            migrate(cluster, &moves, &options, context)?;
            cluster.refresh();
        }
        let departure = Departure::plan(cluster, id)?;
        departure.apply(cluster, context)?;
        Ok(departure)
    })?;
    output.line(format_args!("[OK] Node {id} removed from the cluster."));
    let reassigned = departure.reassigned;
    let obstacles = Vec::new();
    output.document(&RemovedDocument {
        event: "removed",
        id,
        reassigned,
        moves: &moves,
        obstacles,
    });
    Ok(Outcome::Done)
}

/// Shows somebody at a terminal what is about to happen, and asks.
fn leaves(
    session: &Session,
    cluster: &Cluster,
    id: NodeId,
    moves: &[Move],
) -> anyhow::Result<bool> {
    let place = cluster.known(id).map(|node| node.address.to_string()).unwrap_or_default();
    let slots: usize = moves.iter().map(|step| step.slots.len()).sum();
    let question = format!(
        "Take node {id} ({place}) out of the cluster, {slots} slots moved away first, and reset it?"
    );
    session.may_at_terminal(&moves::lines(cluster, moves), &question)
}

/// What `shutdown` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct EndedDocument {
    event: &'static str,
    node: String,
}

pub(super) fn shutdown(args: &ShutdownArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let (seed, node) = (&args.node, args.node.to_string());
    let mut cluster = session.discover(seed)?;
    if session.dry_run {
        require_end(&mut cluster, args.ignore_failed)?;
        session.output.line(format_args!("{seed} would be reset: it is alone and empty"));
        session.output.document(&EndedDocument { event: "plan", node });
        return Ok(Outcome::Done);
    }
    session.change("shutdown", &mut cluster, |_, _| {
        shutdown_cluster(seed, &session.settings, args.ignore_failed)
    })?;
    session.output.line(format_args!("[OK] The cluster of {seed} has ended."));
    session.output.document(&EndedDocument { event: "ended", node });
    Ok(Outcome::Done)
}

/// The plan of `set-timeout`.
#[derive(Serialize)]
struct TimeoutPlanDocument {
    event: &'static str,
    timeout_ms: u64,
    nodes: Vec<String>,
}

/// One node's answer to `set-timeout`.
#[derive(Serialize)]
struct TimeoutDocument {
    node: String,
    error: Option<String>,
}

pub(super) fn set_timeout(args: &SetTimeoutArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let mut cluster = session.discover(&args.seed.node)?;
    let timeout_ms = require_timeout(args.timeout)?;
    output.line(">>> Reconfiguring node timeout in every cluster node...");
    if session.dry_run {
        let nodes: Vec<String> =
            cluster.members().iter().map(|member| member.endpoint().to_string()).collect();
        output.lines(nodes.iter().map(|node| format!("{node} would get {timeout_ms} ms")));
        output.document(&TimeoutPlanDocument { event: "plan", timeout_ms, nodes });
        return Ok(Outcome::Done);
    }
    let answers = session.change("set-timeout", &mut cluster, |cluster, _| {
        set_node_timeout(cluster, args.timeout)
    })?;
    let (mut set, mut failed) = (0, 0);
    for (node, answer) in answers {
        match &answer {
            Ok(()) => {
                set += 1;
                output.line(format_args!("*** New timeout set for {node}"));
            }
            Err(error) => {
                failed += 1;
                let (mark, error) = match (voice::peer(), error.refusal()) {
                    (Some(_), Some(reply)) => ("ERR", reply.to_owned()),
                    _ => ("[ERR]", error.to_string()),
                };
                output.line(format_args!("{mark} setting node-timeout for {node}: {error}"));
            }
        }
        let error = answer.err().map(|error| error.to_string());
        output.document(&TimeoutDocument { node: node.to_string(), error });
    }
    output.line(format_args!(">>> New node timeout set. {set} OK, {failed} ERR."));
    // The peers' scripts read the count.
    let fine = failed == 0 || voice::peer().is_some();
    Ok(if fine { Outcome::Done } else { Outcome::Failed })
}
