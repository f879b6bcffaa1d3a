//! What all operations share, in its order: discover, finish what an interrupted run has left, plan, ask, keep others away, look
//! again, act.

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Instant;

use redistrib_cluster_model::plan::fix::FixPlan;
use redistrib_cluster_model::{Finding, Move, NodeId, SlotSet};

use super::fix::Fix;
use super::operation::{Answer, Dialogue, Host, Operation, Recovery, Subject};
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, any_running, finish_running};
use crate::{Cluster, Context, Endpoint, Settings, Silent};

/// How often a plan is made before a cluster that changes each time meanwhile is left alone.
const MOST_PLANS: usize = 4;

/// What came of an operation: its report, or what the host ended with.
pub type Ended<O, H> = ControlFlow<<H as Host>::End, <O as Operation>::Report>;

/// Carries an operation out for a library's user, who agrees to the plan.
///
/// ```no_run
/// use redistrib_ops::{Context, Reshard, Settings, carry_out};
/// let request = Reshard { to: Some("7001".parse().unwrap()), slots: 100, ..Reshard::default() };
/// println!("{} keys have moved", carry_out(request, &Settings::default(), Context::default())?.keys);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of the operation; [`Error::Locked`].
pub fn carry_out<O: Operation>(
    request: O,
    settings: &Settings,
    context: Context<'_>,
) -> Result<O::Report> {
    match run(request, &Caller { settings, context }, &mut ())? {
        ControlFlow::Continue(report) => Ok(report),
        ControlFlow::Break(never) => match never {},
    }
}

/// The host of [`carry_out`].
struct Caller<'a> {
    settings: &'a Settings,
    context: Context<'a>,
}

impl Host for Caller<'_> {
    type Error = Error;
    type End = Infallible;

    fn settings(&self) -> &Settings {
        self.settings
    }

    fn context(&self) -> Context<'_> {
        self.context
    }

    fn work<T>(
        &self,
        _verb: &str,
        _nodes: Vec<(NodeId, Endpoint)>,
        work: impl FnOnce(Context<'_>) -> T,
    ) -> Result<T> {
        Ok(work(self.context))
    }

    fn mended(&self, left: &FixPlan) {
        left.blocked
            .iter()
            .for_each(|(slots, why)| self.context.warn(format!("slots {slots}: {why}")));
    }
}

/// Carries an operation out for a host that wants to see the plan and to be asked. The plan is made again, and shown again, where
/// it no longer fits once others are kept away.
///
/// # Errors
/// Those of the operation and of the host; [`Error::Locked`]; [`Error::NotSettled`] for a cluster that is otherwise each time.
pub fn run<O: Operation, H: Host>(
    mut request: O,
    host: &H,
    dialogue: &mut impl Dialogue<O, H>,
) -> Result<Ended<O, H>, H::Error> {
    let mut subject = request.discover(host.settings())?;
    if let ControlFlow::Break(end) = dialogue.discovered(host, &request, &mut subject)? {
        return Ok(ControlFlow::Break(end));
    }
    if let ControlFlow::Break(end) = recover_for(&mut request, &mut subject, host)? {
        return Ok(ControlFlow::Break(end));
    }
    if let ControlFlow::Break(end) = dialogue.ready(host, &mut request, &mut subject)? {
        return Ok(ControlFlow::Break(end));
    }
    plan_and_apply(&request, host.called(O::VERB), &mut subject, host, dialogue)
}

fn plan_and_apply<O: Operation, H: Host>(
    request: &O,
    verb: &str,
    subject: &mut O::Subject,
    host: &H,
    dialogue: &mut impl Dialogue<O, H>,
) -> Result<Ended<O, H>, H::Error> {
    let started = Instant::now();
    if O::PLANS_SLOWLY && host.locks() && !host.is_dry_run() {
        let look = |context: Context<'_>| {
            subject.lock(verb, Context::new(&Silent, context.cancel)).map(drop)
        };
        host.work(verb, subject.nodes(), look)??;
    }
    for _ in 0..MOST_PLANS {
        let plan = request.plan(subject, host.context())?;
        if let ControlFlow::Break(end) = dialogue.approves(host, &plan, subject)? {
            return Ok(ControlFlow::Break(end));
        }
        let outcome = host.work(verb, subject.nodes(), |context| {
            let held = host.locks().then(|| subject.lock(verb, context)).transpose()?;
            if !request.still_fits(&plan, subject, context)? {
                return Ok(None);
            }
            request.apply_locked(plan, subject, held.as_ref(), context).map(Some)
        })?;
        match (outcome, request.overwriting()) {
            (Ok(Some(report)), _) => return Ok(ControlFlow::Continue(report)),
            (Ok(None), _) => {}
            (Err(error), Some(request)) if error.is_conflict() && host.overwrites(&error)? => {
                return plan_and_apply(&request, verb, subject, host, dialogue);
            }
            (Err(error), _) => return Err(error.into()),
        }
    }
    let what = "the cluster was otherwise each time a plan had been made".to_owned();
    Err(Error::NotSettled { what, after: started.elapsed() }.into())
}

/// [`recover`] for an operation, which takes note of the slots that have come to their end.
fn recover_for<O: Operation, H: Host>(
    request: &mut O,
    subject: &mut O::Subject,
    host: &H,
) -> Answer<H> {
    let Some(cluster) = subject.cluster() else { return Ok(ControlFlow::Continue(())) };
    let before = owners(cluster);
    let answer = recover(cluster, host.called(O::VERB), request.recovery(), host)?;
    let moves = moves_since(&before, cluster);
    if !moves.is_empty() {
        subject.look_again()?;
        request.recovered(&moves);
    }
    Ok(answer)
}

/// Finishes what an interrupted run has left of a cluster, if the host agrees, so that running the same command again is always
/// right.
///
/// # Errors
/// Those of [`run`].
fn recover<H: Host>(
    cluster: &mut Cluster,
    verb: &str,
    recovery: Recovery<'_>,
    host: &H,
) -> Answer<H> {
    match recovery {
        Recovery::None => {}
        Recovery::Wait(options) => await_servers(cluster, verb, options, host)?,
        Recovery::Mend(options) => {
            await_servers(cluster, verb, options, host)?;
            return mend(cluster, verb, options, host);
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Waits for the atomic migrations that servers go on with after the tool that began them has died. If it has not, its lock
/// shows that: nobody is asked about another tool's work under way.
fn await_servers<H: Host>(
    cluster: &mut Cluster,
    verb: &str,
    options: &MigrateOptions,
    host: &H,
) -> Result<(), H::Error> {
    if host.is_dry_run() || !any_running(cluster)? {
        return Ok(());
    }
    host.work(verb, cluster.nodes(), |context| {
        let _held = host.locks().then(|| cluster.lock(verb, context)).transpose()?;
        cluster.refresh();
        finish_running(cluster, options, context)
    })??;
    Ok(())
}

/// Repairs open slots.
fn mend<H: Host>(
    cluster: &mut Cluster,
    verb: &str,
    options: &MigrateOptions,
    host: &H,
) -> Answer<H> {
    let mut open = cluster.snapshot().findings();
    open.retain(|finding| matches!(finding, Finding::OpenSlots(_)));
    if open.is_empty() {
        return Ok(ControlFlow::Continue(()));
    }
    if let ControlFlow::Break(end) = host.mends(verb, &open)? {
        return Ok(ControlFlow::Break(end));
    }
    if host.is_dry_run() {
        return Ok(ControlFlow::Continue(()));
    }
    let (seed, migration) = (cluster.seed().clone(), options.clone());
    let request = Fix { seed, migration, no_wait: true, ..Fix::default() };
    Ok(match plan_and_apply(&request, verb, cluster, host, &mut Mending)? {
        ControlFlow::Break(end) => ControlFlow::Break(end),
        ControlFlow::Continue(fixed) => {
            host.mended(&fixed.left);
            cluster.refresh();
            ControlFlow::Continue(())
        }
    })
}

/// That open slots are repaired was agreed to before the plan was made.
struct Mending;

impl<H: Host> Dialogue<Fix, H> for Mending {
    fn approves(&mut self, host: &H, plan: &FixPlan, _cluster: &mut Cluster) -> Answer<H> {
        host.mending(plan);
        Ok(ControlFlow::Continue(()))
    }
}

fn owners(cluster: &Cluster) -> Vec<(NodeId, SlotSet)> {
    cluster.masters().map(|master| (master.id(), master.node().slots.clone())).collect()
}

/// Which slots have another owner than before.
fn moves_since(before: &[(NodeId, SlotSet)], cluster: &Cluster) -> Vec<Move> {
    let now = owners(cluster);
    if now == before {
        return Vec::new();
    }
    let pairs = before.iter().flat_map(|gave| now.iter().map(move |has| (gave, has)));
    let others = pairs.filter(|((from, _), (to, _))| from != to);
    let moves = others.map(|((from, gave), (to, has))| Move {
        from: *from,
        to: *to,
        slots: gave.intersection(has),
    });
    moves.filter(|step| !step.slots.is_empty()).collect()
}
