//! `create`, and redis-trib.py's `start` and `start-multi`.

use redistrib_ops::lock::Lock;
use redistrib_ops::model::NodeId;
use redistrib_ops::{Candidates, Cluster, Endpoint, await_new_cluster, each_once, inspect};

use super::{Outcome, Session};
use crate::args::{CreateArgs, StartArgs, WaitArgs};
use crate::render;
use crate::render::json::{ClusterDocument, is_healthy, is_mended};
use crate::report::Reporter;
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
    form(&session, "create", &args.nodes, args.replicas, args.wait)
}

/// `start` and `start-multi`: as in redis-trib.py nobody is asked, and a node that is named again is one node.
pub(super) fn start(args: &StartArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?;
    session.yes = true;
    form(&session, "start", &each_once(&args.nodes), 0, args.wait)
}

fn form(
    session: &Session,
    verb: &str,
    endpoints: &[Endpoint],
    replicas: usize,
    wait: WaitArgs,
) -> anyhow::Result<Outcome> {
    let candidates = Candidates::survey(endpoints, &session.settings)?;
    let plan = candidates.plan(replicas, 1)?;
    let nodes: Vec<(NodeId, Endpoint)> =
        candidates.ids().into_iter().zip(candidates.endpoints()).collect();
    session.output.lines(render::create(&plan, &nodes));
    if session.dry_run {
        session.output.document(&plan);
        return Ok(Outcome::Done);
    }
    let few = plan.masters.len() < SAFE_MASTERS;
    let few_words =
        if voice::peer() == Some(Peer::ValkeyCli) { FEW_PRIMARIES } else { FEW_MASTERS };
    let agreed = (!few || session.may(|prompt| prompt.accepts(few_words))?)
        && session.may(|prompt| prompt.accepts("Can I set the above configuration?"))?;
    if !agreed {
        // Theirs ends well where the user did not want it.
        return Ok(if voice::peer().is_some() { Outcome::Done } else { Outcome::Failed });
    }
    let Some((_, seed)) = nodes.first() else { return Ok(Outcome::Failed) };
    let reporter = Reporter::new(&session.output);
    let mut cluster = session.act(&reporter, |context| -> redistrib_ops::Result<_> {
        let hold = || Lock::take_on(nodes.clone(), &session.settings, verb, context);
        let _held = session.lock.then(hold).transpose()?;
        candidates.create(&plan, context)?;
        let mut cluster = Cluster::discover(seed, &session.settings)?;
        if !wait.no_wait {
            await_new_cluster(&mut cluster, context)?;
        }
        Ok(cluster)
    })?;
    let report = inspect(&mut cluster);
    session.output.lines(render::check(&report, seed, false));
    session.output.document(&ClusterDocument::new(&report, seed));
    let is_well = if wait.no_wait { is_mended(&report) } else { is_healthy(&report) };
    Ok(match is_well {
        true => Outcome::Done,
        false => session.fail("*** The cluster is not well: see above"),
    })
}
