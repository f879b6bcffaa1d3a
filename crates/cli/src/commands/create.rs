//! `create`.

use redistrib_ops::model::NodeId;
use redistrib_ops::{Candidates, Cluster, Endpoint, inspect};

use super::{Outcome, Session};
use crate::args::CreateArgs;
use crate::render;
use crate::render::json::is_healthy;
use crate::report::Reporter;

/// What a cluster must have to survive the loss of a master.
const LEAST_MASTERS: usize = 3;

pub(super) fn create(args: &CreateArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let candidates = Candidates::survey(&args.nodes, &session.settings)?;
    let plan = candidates.plan(args.replicas, LEAST_MASTERS)?;
    let nodes: Vec<(NodeId, Endpoint)> =
        candidates.ids().into_iter().zip(candidates.endpoints()).collect();
    session.output.lines(render::create(&plan, &nodes));
    if session.dry_run {
        session.output.document(&plan);
        return Ok(Outcome::Done);
    }
    if !session.may(|prompt| prompt.accepts("Can I set the above configuration?"))? {
        return Ok(Outcome::Failed);
    }
    let reporter = Reporter::new(&session.output);
    session.act(&reporter, |context| candidates.create(&plan, context))?;
    let Some((_, seed)) = nodes.first() else { return Ok(Outcome::Failed) };
    let report = inspect(&mut Cluster::discover(seed, &session.settings)?);
    session.output.lines(render::check(&report, seed, false));
    Ok(if is_healthy(&report) { Outcome::Done } else { Outcome::Failed })
}
