//! `rebalance`.

use redistrib_ops::model::Finding;
use redistrib_ops::model::NodeName;
use redistrib_ops::model::plan::rebalance::Rebalance;
use redistrib_ops::{Cluster, Error, RebalanceOptions, plan_cluster_rebalance, weighed_replicas};

use super::fix::recover;
use super::inspect::check_before;
use super::{Outcome, Session, moves};
use crate::args::RebalanceArgs;
use crate::{render, voice};

pub(super) fn rebalance(args: &RebalanceArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?;
    session.dry_run |= args.simulate;
    let mut cluster = session.discover(&args.seed.node)?;
    let options = args.options();
    if voice::peer().is_some()
        && let Some(name) = unknown(&cluster, &options)
    {
        return Ok(session.fail(&format!("*** No such master node {name}")));
    }
    if !check_before(&session, &mut cluster, false) {
        return Ok(session.fail("*** Please fix your cluster problems before rebalancing"));
    }
    if !recover(&session, "rebalance", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    if !is_whole(&session, &cluster) {
        return Ok(session.fail("*** Please fix your cluster problems before rebalancing"));
    }
    for replica in weighed_replicas(&cluster, &options.weights) {
        session
            .output
            .line(format_args!("[WARNING] {replica} is a replica: its weight changes nothing"));
    }
    let plan = plan_cluster_rebalance(&mut cluster, &options)?;
    if !plan.moves.is_empty() {
        session.output.line(head(&plan));
    } else {
        session.output.line(format_args!(
            "*** No rebalancing needed! All nodes are within the {:.2}% threshold.",
            args.threshold
        ));
    }
    if session.dry_run {
        session.output.lines(moves::lines(&cluster, &plan.moves));
    }
    moves::carry_out(&session, "rebalance", &mut cluster, &plan.moves, &args.migration)
}

/// The first node with a weight that is none of the cluster's.
fn unknown<'a>(cluster: &Cluster, options: &'a RebalanceOptions) -> Option<&'a NodeName> {
    let mut names = options.weights.iter().map(|(name, _)| name);
    names.find(|name| matches!(cluster.find(name), Err(Error::NoSuchNode { .. })))
}

/// Whether every slot has an owner that answers. What is amiss is told.
fn is_whole(session: &Session, cluster: &Cluster) -> bool {
    let mut findings = cluster.snapshot().findings();
    findings.retain(|it| matches!(it, Finding::Uncovered { .. } | Finding::Unserved { .. }));
    if findings.is_empty() {
        return true;
    }
    session.output.line("[ERR] Not all 16384 slots are covered by nodes.");
    session.output.lines(findings.iter().map(render::finding));
    false
}

fn head(plan: &Rebalance) -> String {
    let total: f64 = plan.shares.iter().map(|share| share.weight).sum();
    format!(">>> Rebalancing across {} nodes. Total weight = {total:.2}", plan.shares.len())
}
