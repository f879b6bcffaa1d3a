//! Verbs about single nodes: `add-node`, `del-node` and `set-timeout`.

use anyhow::Context as _;
use redistrib_ops::model::NodeId;
use redistrib_ops::{Departure, Member, NewRole, add_node as add, set_node_timeout};
use serde::Serialize;

use super::{Outcome, Session};
use crate::args::{AddNodeArgs, DelNodeArgs, SetTimeoutArgs};
use crate::report::Reporter;

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
    let role = match (args.replica, args.master_id) {
        (false, _) => NewRole::Master,
        (true, Some(id)) => NewRole::ReplicaOf(id),
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
    let reporter = Reporter::new(output);
    let id = session.act(&reporter, |context| add(&mut cluster, &args.new, role, context))?;
    output.line("[OK] New node added correctly.");
    output.document(&AddedDocument { event: "added", node, id: Some(id), master });
    Ok(Outcome::Done)
}

/// What `del-node` ends with under `--json`, and its plan under `--dry-run`.
#[derive(Serialize)]
struct RemovedDocument {
    event: &'static str,
    id: NodeId,
    /// Its replicas, each with the master that it follows from now on.
    reassigned: Vec<(NodeId, NodeId)>,
}

pub(super) fn del_node(args: &DelNodeArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let seed = &args.seed.node;
    let mut cluster = session.discover(seed)?;
    // The node that was named, or else the one that was asked: it stands first.
    let asked = cluster.members().first().map(Member::id);
    let id = args.id.or(asked).context("the cluster has no nodes")?;
    output.line(format_args!(">>> Removing node {id} from cluster {seed}"));
    let departure = Departure::plan(&cluster, id)?;
    for (replica, master) in &departure.reassigned {
        output.line(format_args!("Replica {replica} is to follow {master}"));
    }
    let reassigned = departure.reassigned.clone();
    if session.dry_run {
        output.line(format_args!("All other nodes would forget {id}, and it would be reset"));
        output.document(&RemovedDocument { event: "plan", id, reassigned });
        return Ok(Outcome::Done);
    }
    let reporter = Reporter::new(output);
    session.act(&reporter, |context| departure.apply(&mut cluster, context))?;
    output.document(&RemovedDocument { event: "removed", id, reassigned });
    Ok(Outcome::Done)
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
    output.line(">>> Reconfiguring node timeout in every cluster node...");
    if session.dry_run {
        for member in cluster.members() {
            output.line(format_args!(
                "{} would get {} ms",
                member.endpoint(),
                args.timeout.as_millis()
            ));
        }
        return Ok(Outcome::Done);
    }
    let (mut set, mut failed) = (0, 0);
    for (node, answer) in set_node_timeout(&mut cluster, args.timeout)? {
        match &answer {
            Ok(()) => {
                set += 1;
                output.line(format_args!("*** New timeout set for {node}"));
            }
            Err(error) => {
                failed += 1;
                output.line(format_args!("[ERR] setting node-timeout for {node}: {error}"));
            }
        }
        let error = answer.err().map(|error| error.to_string());
        output.document(&TimeoutDocument { node: node.to_string(), error });
    }
    output.line(format_args!(">>> New node timeout set. {set} OK, {failed} ERR."));
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Failed })
}
