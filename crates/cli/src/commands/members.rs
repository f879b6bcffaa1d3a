//! Verbs about single nodes: `add-node`, `del-node`, `quit`, `shutdown` and `set-timeout`.

use std::cell::Cell;
use std::fmt::Display;
use std::ops::ControlFlow;

use anyhow::bail;
use redistrib_ops::model::{Move, NodeId, NodeName, counted};
use redistrib_ops::{
    AddNode, Added, Addition, Answer, AskedRole, Cluster, DelNode, Dialogue, Endpoint, Error,
    NewRole, Removal, SetTimeout, Shutdown, TimeoutPlan, WholeMembers,
};
use serde::Serialize;

use super::host::go_on;
use super::inspect::{Blocks, check_before, is_left_out, tell_silent};
use super::{Outcome, Session, moves};
use crate::args::{AddNodeArgs, DelNodeArgs, QuitArgs, SetTimeoutArgs, ShutdownArgs};
use crate::output::Output;
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
    let role = match (args.replica, &args.master_id) {
        (false, _) => AskedRole::Master,
        (true, None) => AskedRole::Replica,
        (true, name) => AskedRole::ReplicaOf(name.clone()),
    };
    let (seed, new, no_wait) = (args.node.clone(), args.new.clone(), args.wait.no_wait);
    let is_begun = Cell::new(false);
    let dialogue = AddNodeDialogue { args, is_begun: &is_begun };
    let members = voice::peer().map_or(WholeMembers::Kept, |_| WholeMembers::Refused);
    let request = AddNode { seed, new, role, no_wait, members };
    let done = session.run(request, dialogue, |Added { id, master }| {
        output.line("[OK] New node added correctly.");
        let node = args.new.to_string();
        output.document(&AddedDocument { event: "added", node, id: Some(id), master });
        Ok(Outcome::Done)
    });
    done.inspect_err(|error| {
        let is_unreachable = error.downcast_ref().is_some_and(Error::is_unreachable);
        if is_begun.get() && is_unreachable && voice::peer().is_some() {
            output.line(format_args!("[ERR] Sorry, can't connect to node {}", args.new));
        }
    })
}

struct AddNodeDialogue<'a> {
    args: &'a AddNodeArgs,
    /// Whether the plan is being carried out.
    is_begun: &'a Cell<bool>,
}

impl Dialogue<AddNode, Session> for AddNodeDialogue<'_> {
    fn discovered(
        &mut self,
        session: &Session,
        request: &AddNode,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        if !check_before(session, cluster, Blocks::Shown) {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        if let AskedRole::ReplicaOf(Some(name)) = &request.role {
            require_master(cluster, name)?;
        }
        Ok(ControlFlow::Continue(()))
    }

    fn approves(
        &mut self,
        session: &Session,
        plan: &Addition,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let (output, node, master) = (&session.output, self.args.new.to_string(), plan.master);
        if let (NewRole::Replica, Some(id)) = (plan.role, master) {
            let endpoint = cluster.member(id)?.endpoint();
            output.line(format_args!("Automatically selected master {endpoint}"));
        }
        if session.dry_run {
            let place =
                master.map_or("an empty master".to_owned(), |id| format!("a replica of {id}"));
            output.line(format_args!("{node} would become {place}"));
            output.document(&AddedDocument { event: "plan", node, id: None, master });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        self.is_begun.set(true);
        Ok(ControlFlow::Continue(()))
    }
}

/// A peer has another word for a master that is not there than for any other node.
fn require_master(cluster: &Cluster, name: &NodeName) -> anyhow::Result<()> {
    match cluster.find(name) {
        Err(Error::NoSuchNode { id, .. }) if voice::peer().is_some() => {
            bail!("No such master ID {id}")
        }
        found => Ok(found.map(drop)?),
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
    let request = DelNode {
        seed: args.seed.node.clone(),
        which: args.id.clone(),
        drain: args.drain,
        migration: args.migration.options(),
        keeps_id: voice::peer().is_some(),
    };
    take_out(&session, request)
}

/// `quit`: the node at the address leaves, and its slots go to the others first.
pub(super) fn quit(args: &QuitArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?.called("quit");
    let request = DelNode {
        seed: args.node.clone(),
        which: args.which.clone(),
        drain: true,
        migration: args.migration.options(),
        keeps_id: false,
    };
    take_out(&session, request)
}

fn take_out(session: &Session, request: DelNode) -> anyhow::Result<Outcome> {
    let output = &session.output;
    session.run(request, DelNodeDialogue, |done| {
        let id = done.node;
        output.line(format_args!("[OK] Node {id} removed from the cluster."));
        output.document(&RemovedDocument {
            event: "removed",
            id,
            reassigned: done.reassigned,
            moves: &done.moves,
            obstacles: Vec::new(),
        });
        Ok(Outcome::Done)
    })
}

struct DelNodeDialogue;

impl Dialogue<DelNode, Session> for DelNodeDialogue {
    fn discovered(
        &mut self,
        session: &Session,
        request: &DelNode,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let tell_removal = |node: &dyn Display| {
            let text = format!(">>> Removing node {node} from cluster {}", cluster.seed());
            session.output.line(text);
        };
        // Some nodes may have forgotten it already.
        let id = cluster.find_or_myself(request.which.as_ref()).inspect_err(|_| {
            if let (Some(name), Some(_)) = (&request.which, voice::peer()) {
                tell_removal(name);
                tell_silent(cluster);
            }
        })?;
        tell_removal(&id);
        tell_silent(cluster);
        Ok(ControlFlow::Continue(()))
    }

    fn approves(
        &mut self,
        session: &Session,
        plan: &Removal,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        let (output, id, moves) = (&session.output, plan.node, &plan.moves);
        let lines = moves::lines(cluster, moves);
        if session.dry_run {
            output.lines(lines);
            output.line(format_args!("All other nodes would forget {id}, and it would be reset"));
            let (obstacles, outcome) = moves::weigh(session, cluster, moves);
            output.document(&RemovedDocument {
                event: "plan",
                id,
                reassigned: Vec::new(),
                moves,
                obstacles: ObstacleDocument::all(&obstacles),
            });
            return Ok(ControlFlow::Break(outcome));
        }
        let place = cluster.known(id).map(|node| node.address.to_string()).unwrap_or_default();
        let slots: usize = moves.iter().map(|step| step.slots.len()).sum();
        let question = format!(
            "Take node {id} ({place}) out of the cluster, {} moved away first, and reset it?",
            counted(slots, "slot")
        );
        Ok(go_on(session.may_at_terminal(&lines, &question)?))
    }
}

/// What `shutdown` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct EndedDocument {
    event: &'static str,
    node: String,
}

pub(super) fn shutdown(args: &ShutdownArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let (seed, node) = (args.node.clone(), args.node.to_string());
    let approves = |(): &(), _: &mut Cluster| {
        if session.dry_run {
            session.output.line(format_args!("{node} would be reset: it is alone and empty"));
            session.output.document(&EndedDocument { event: "plan", node: node.clone() });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        Ok(ControlFlow::Continue(()))
    };
    let request = Shutdown { seed, ignore_failed: args.ignore_failed };
    session.carry_out(request, approves, |()| {
        session.output.line(format_args!("[OK] The cluster of {node} has ended."));
        session.output.document(&EndedDocument { event: "ended", node: node.clone() });
        Ok(Outcome::Done)
    })
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
    let approves = |plan: &TimeoutPlan, cluster: &mut Cluster| {
        tell_silent(cluster);
        output.line(">>> Reconfiguring node timeout in every cluster node...");
        if session.dry_run {
            let timeout_ms = plan.timeout_ms;
            let nodes: Vec<String> = plan.nodes.iter().map(ToString::to_string).collect();
            output.lines(nodes.iter().map(|node| format!("{node} would get {timeout_ms} ms")));
            output.document(&TimeoutPlanDocument { event: "plan", timeout_ms, nodes });
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        Ok(ControlFlow::Continue(()))
    };
    let request = SetTimeout { seed: args.seed.node.clone(), timeout: args.timeout };
    session.carry_out(request, approves, |answers| Ok(tell_timeouts(output, answers)))
}

fn tell_timeouts(output: &Output, answers: Vec<(Endpoint, Result<(), Error>)>) -> Outcome {
    let (mut set, mut failed) = (0, 0);
    for (node, answer) in answers {
        if is_left_out(&answer) {
            continue;
        }
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
    if fine { Outcome::Done } else { Outcome::Failed }
}
