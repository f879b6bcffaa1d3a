//! `rebalance`.

use redistrib_ops::model::plan::rebalance::Rebalance;
use redistrib_ops::{plan_cluster_rebalance, weighed_replicas};

use super::fix::recover;
use super::{Outcome, Session, moves};
use crate::args::RebalanceArgs;

pub(super) fn rebalance(args: &RebalanceArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?;
    session.dry_run |= args.simulate;
    let mut cluster = session.discover(&args.seed.node)?;
    if !recover(&session, "rebalance", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    let options = args.options();
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

fn head(plan: &Rebalance) -> String {
    let total: f64 = plan.shares.iter().map(|share| share.weight).sum();
    format!(">>> Rebalancing across {} nodes. Total weight = {total:.2}", plan.shares.len())
}
