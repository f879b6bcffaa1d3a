//! `rebalance`.

use std::ops::ControlFlow;

use redistrib_ops::model::plan::rebalance::RebalancePlan;
use redistrib_ops::model::{Finding, NodeName};
use redistrib_ops::{
    Answer, Cluster, Dialogue, Error, Rebalance, RebalanceOptions, weighed_replicas,
};

use super::inspect::{Blocks, check_before};
use super::{Outcome, Session, moves};
use crate::args::RebalanceArgs;
use crate::{render, voice};

const MEND_FIRST: &str = "*** Please fix your cluster problems before rebalancing";

pub(super) fn rebalance(args: &RebalanceArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_moves(&args.change, &args.migration)?;
    session.dry_run |= args.simulate;
    let request = Rebalance {
        seed: args.seed.node.clone(),
        options: args.options(),
        migration: args.migration.options(),
    };
    let dialogue = RebalanceDialogue { threshold: args.threshold };
    session.run(request, dialogue, |done| Ok(moves::tell(&session, &done)))
}

struct RebalanceDialogue {
    threshold: f64,
}

impl Dialogue<Rebalance, Session> for RebalanceDialogue {
    fn discovered(
        &mut self,
        session: &Session,
        request: &Rebalance,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        if voice::peer().is_some()
            && let Some(name) = unknown(cluster, &request.options)
        {
            let text = format!("*** No such master node {name}");
            return Ok(ControlFlow::Break(session.fail(&text)));
        }
        Ok(match check_before(session, cluster, Blocks::Hidden) {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(session.fail(MEND_FIRST)),
        })
    }

    fn ready(
        &mut self,
        session: &Session,
        request: &mut Rebalance,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        if !is_whole(session, cluster) {
            return Ok(ControlFlow::Break(session.fail(MEND_FIRST)));
        }
        for replica in weighed_replicas(cluster, &request.options.weights) {
            let text = format!("[WARNING] {replica} is a replica: its weight changes nothing");
            session.output.line(text);
        }
        Ok(ControlFlow::Continue(()))
    }

    fn approves(
        &mut self,
        session: &Session,
        plan: &RebalancePlan,
        cluster: &mut Cluster,
    ) -> Answer<Session> {
        session.output.line(match plan.moves.is_empty() {
            false => head(plan),
            true => format!(
                "*** No rebalancing needed! All nodes are within the {:.2}% threshold.",
                self.threshold
            ),
        });
        if session.dry_run {
            session.output.lines(moves::lines(cluster, &plan.moves));
        }
        if session.dry_run || plan.moves.is_empty() {
            return Ok(ControlFlow::Break(moves::show(session, cluster, &plan.moves)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

/// The first node with a weight that is none of the cluster's.
fn unknown<'a>(cluster: &Cluster, options: &'a RebalanceOptions) -> Option<&'a NodeName> {
    let mut names = options.weights.iter().map(|(name, _)| name);
    names.find(|name| matches!(cluster.find(name), Err(Error::NoSuchNode { .. })))
}

/// Whether every slot has an owner that answers. What is wrong is reported.
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

fn head(plan: &RebalancePlan) -> String {
    let total: f64 = plan.shares.iter().map(|share| share.weight).sum();
    format!(">>> Rebalancing across {} nodes. Total weight = {total:.2}", plan.shares.len())
}
