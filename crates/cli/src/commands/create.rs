//! `create`, and redis-trib.py's `start` and `start-multi`.

use std::ops::ControlFlow;

use redistrib_ops::model::plan::create::{CreatePlan, Dealing};
use redistrib_ops::{Candidates, Create, Subject, each_once};

use super::inspect::inspect;
use super::{Outcome, Session};
use crate::args::{CreateArgs, StartArgs};
use crate::render::json::{ClusterDocument, is_healthy, is_mended};
use crate::render::{self, peers};
use crate::shell::Peer;
use crate::voice;

/// What a cluster must have to survive the loss of a master.
const SAFE_MASTERS: usize = 3;
/// valkey-cli's question where there are fewer, in our words and in its own.
const FEW_MASTERS: &str =
    "A cluster requires at least 3 masters for automatic failover. Are you sure?";
const FEW_PRIMARIES: &str =
    "Valkey cluster requires at least 3 primary nodes for automatic failover. Are you sure?";

pub(super) fn create(args: &CreateArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let (nodes, replicas) = (args.nodes.clone(), args.replicas);
    let dealing = if voice::peer().is_some() { Dealing::Rotated } else { Dealing::InTurn };
    form(&session, Create { nodes, replicas, dealing, no_wait: args.wait.no_wait })
}

/// `start` and `start-multi`: as in redis-trib.py nobody is asked, and a node that is named again is one node.
pub(super) fn start(args: &StartArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?.called("start");
    session.yes = true;
    let nodes = each_once(&args.nodes);
    form(&session, Create { nodes, no_wait: args.wait.no_wait, ..Create::default() })
}

fn form(session: &Session, request: Create) -> anyhow::Result<Outcome> {
    let (no_wait, replicas) = (request.no_wait, request.replicas);
    let approves = |plan: &CreatePlan, nodes: &mut Candidates| {
        if !session.dry_run && !accepts_few(session, plan, replicas)? {
            return Ok(ControlFlow::Break(Outcome::Failed));
        }
        session.output.lines(render::create(plan, &nodes.nodes()));
        if session.dry_run {
            session.output.document(plan);
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        if session.may(|prompt| prompt.accepts("Can I set the above configuration?"))? {
            return Ok(ControlFlow::Continue(()));
        }
        // redis-cli's ends with success where the user refused.
        let outcome = if voice::peer().is_some() { Outcome::Done } else { Outcome::Failed };
        Ok(ControlFlow::Break(outcome))
    };
    session.carry_out(request, approves, |mut cluster| {
        let report = inspect(&mut cluster);
        if voice::peer().is_some() {
            session.output.lines(peers::check(&report, cluster.seed(), false));
            let is_well = peers::is_well(&report, false);
            return Ok(if is_well { Outcome::Done } else { Outcome::Failed });
        }
        session.output.lines(render::check(&report, cluster.seed(), false));
        session.output.document(&ClusterDocument::new(&report, cluster.seed()));
        let is_well = if no_wait { is_mended(&report) } else { is_healthy(&report) };
        Ok(match is_well {
            true => Outcome::Done,
            false => session.fail("*** The cluster is not well: see above"),
        })
    })
}

/// Whether to continue where there are too few masters to survive the loss of one.
fn accepts_few(session: &Session, plan: &CreatePlan, replicas: usize) -> anyhow::Result<bool> {
    let masters = plan.masters.len();
    if masters >= SAFE_MASTERS {
        return Ok(true);
    }
    let is_valkeys = voice::peer() == Some(Peer::ValkeyCli);
    if is_valkeys {
        session.output.line(format_args!(
            "Requested to create a cluster with {masters} primaries and {replicas} replicas per primary."
        ));
    }
    session.may(|prompt| prompt.accepts(if is_valkeys { FEW_PRIMARIES } else { FEW_MASTERS }))
}
