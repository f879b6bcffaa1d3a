//! `fix`, and the mending that other verbs begin with.

use std::io::{self, IsTerminal};

use anyhow::ensure;
use redistrib_ops::migrate::{MigrateOptions, any_running, finish_running};
use redistrib_ops::model::plan::fix::Reason;
use redistrib_ops::model::{DownReason, Finding};
use redistrib_ops::{
    Cluster, Context, FixOptions, FixPlan, Silent, await_all_served, fix as mend, inspect,
    plan_cluster_fix,
};

use super::{Outcome, Session};
use crate::args::{FixArgs, MigrationArgs};
use crate::prompt::Prompt;
use crate::render;
use crate::render::json::is_healthy;
use crate::report::Reporter;
use crate::voice;

pub(super) fn fix(args: &FixArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let seed = &args.seed.node;
    let mut cluster = session.discover(seed)?;
    await_servers(&session, "fix", &mut cluster, &args.migration)?;
    let report = inspect(&mut cluster);
    if voice::peer().is_some() {
        session.output.lines(render::info(&report));
    }
    session.output.lines(render::check(&report, seed, args.search_multiple_owners));
    if session.dry_run {
        let context = Context::new(&Silent, session.interrupts.cancel());
        let plan = plan_cluster_fix(&mut cluster, args.options(), context)?;
        session.output.lines(render::fix(&plan));
        session.output.lines(render::blocked(&plan));
        session.output.document(&plan);
        return Ok(Outcome::Done);
    }
    let (may, shown) = may_give_up(&session, &mut cluster, args.options())?;
    if !may {
        return Ok(Outcome::Failed);
    }
    let done = repair(&session, "fix", &mut cluster, args.options(), &args.migration, shown)?;
    let left = &done.left;
    session.output.document(left);
    let mended = left.repairs.is_empty() && left.blocked.is_empty();
    if mended && (done.has_changed || report.findings.iter().any(is_about_to_serve)) {
        await_clients(&session, &mut cluster)?;
    }
    // Anew: of a node that does not answer the cluster tells what others said of it at first.
    let report = inspect(&mut session.discover(seed)?);
    // A peer does not look twice at what it has left alone.
    if done.has_changed || voice::peer().is_none() {
        session.output.lines(render::check(&report, seed, args.search_multiple_owners));
    }
    session.output.lines(render::blocked(left));
    Ok(match mended && is_healthy(&report) {
        true => Outcome::Done,
        false => session.fail("*** The cluster is not well yet: see above, and redis-trib check"),
    })
}

/// Shows a plan that gives up what masters that do not answer hold, and asks somebody at a terminal. Tells whether to go on, and what was
/// shown.
fn may_give_up(
    session: &Session,
    cluster: &mut Cluster,
    options: FixOptions,
) -> anyhow::Result<(bool, Option<FixPlan>)> {
    if !options.take_from_silent_masters {
        return Ok((true, None));
    }
    let plan =
        plan_cluster_fix(cluster, options, Context::new(&Silent, session.interrupts.cancel()))?;
    let gives_up = |reason| matches!(reason, Reason::GivenUp | Reason::SilentMaster);
    if !plan.repairs.iter().any(|repair| gives_up(repair.reason)) {
        return Ok((true, None));
    }
    session.output.lines(render::fix(&plan));
    let question = "Give up what masters that do not answer have not passed on?";
    Ok((session.may_at_terminal(&[], question)?, Some(plan)))
}

/// Waits until all nodes that answer serve clients, and their replicas have their data.
fn await_clients(session: &Session, cluster: &mut Cluster) -> anyhow::Result<()> {
    let reporter = Reporter::naming(&session.output, cluster);
    session.act(&reporter, |context| {
        cluster.refresh();
        await_all_served(cluster, context)
    })
}

fn is_about_to_serve(finding: &Finding) -> bool {
    matches!(finding, Finding::ClusterDown { reason: DownReason::Waiting, .. })
}

/// What came of mending.
struct Mended {
    /// Whether there was anything to do.
    has_changed: bool,
    /// What could not be mended.
    left: FixPlan,
}

/// Says what will be mended and why, unless that has been shown, then mends it. Where keys have two values, the user at a terminal may choose.
fn repair(
    session: &Session,
    verb: &str,
    cluster: &mut Cluster,
    options: FixOptions,
    migration: &MigrationArgs,
    shown: Option<FixPlan>,
) -> anyhow::Result<Mended> {
    let mut migration = migration.options();
    let mut has_changed = false;
    let mut work = |migration: &MigrateOptions| {
        session.change(verb, cluster, |cluster, context| {
            let plan = plan_cluster_fix(cluster, options, context)?;
            if shown.as_ref() != Some(&plan) {
                session.output.lines(render::fix(&plan));
            }
            has_changed |= !plan.repairs.is_empty();
            mend(cluster, plan, options, migration, context)
        })
    };
    let left = match work(&migration) {
        Err(error) if lets_overwrite(session, &error)? => {
            migration.replace = true;
            work(&migration)
        }
        outcome => outcome,
    }?;
    Ok(Mended { has_changed, left })
}

/// Asks, if this is about keys with two values and somebody is there to answer. That nobody is to be asked (`--yes`)
/// does not say which value is right.
fn lets_overwrite(session: &Session, error: &anyhow::Error) -> anyhow::Result<bool> {
    let known = error.downcast_ref::<redistrib_ops::Error>();
    if session.output.is_json()
        || !io::stdin().is_terminal()
        || !known.is_some_and(redistrib_ops::Error::is_conflict)
    {
        return Ok(false);
    }
    session.output.line(format_args!("[WARNING] {error}"));
    let question =
        "Overwrite the values at the target, of these keys and of any others that have two?";
    Ok(Prompt::standard().accepts(question)?)
}

/// Finishes what an interrupted migration has left open, if the user agrees, so that running the same
/// command again is always right. Tells whether to go on.
pub(super) fn recover(
    session: &Session,
    verb: &str,
    cluster: &mut Cluster,
    migration: &MigrationArgs,
) -> anyhow::Result<bool> {
    await_servers(session, verb, cluster, migration)?;
    if !tell_open(session, cluster) {
        return Ok(true);
    }
    // Scripts of redis-cli's look for this sentence, and go on with `--cluster fix`.
    ensure!(
        !migration.no_mend,
        "*** Please fix your cluster problems before {}",
        if verb == "reshard" { "resharding" } else { "rebalancing" }
    );
    if session.dry_run {
        return Ok(true);
    }
    if !session.may(|prompt| prompt.accepts("Can I mend the open slots first?"))? {
        return Ok(false);
    }
    let done = repair(session, verb, cluster, FixOptions::default(), migration, None)?;
    session.output.lines(render::blocked(&done.left));
    cluster.refresh();
    Ok(true)
}

/// Whether an interrupted migration has left slots open, which is told.
pub(super) fn tell_open(session: &Session, cluster: &Cluster) -> bool {
    let mut open = cluster.snapshot().findings();
    open.retain(|finding| matches!(finding, Finding::OpenSlots(_)));
    session.output.lines(open.iter().map(render::finding));
    if session.dry_run && !open.is_empty() {
        session.output.line("The open slots would be mended first.");
    }
    !open.is_empty()
}

/// Waits for the atomic migrations that servers go on with after the tool that began them has died. If it has not, its
/// lock tells: nobody is asked about another tool's work under way.
fn await_servers(
    session: &Session,
    verb: &str,
    cluster: &mut Cluster,
    migration: &MigrationArgs,
) -> anyhow::Result<()> {
    if !session.dry_run && any_running(cluster)? {
        let options = migration.options();
        let work = |cluster: &mut Cluster, context: Context<'_>| {
            finish_running(cluster, &options, context)
        };
        session.change(verb, cluster, work)?;
    }
    Ok(())
}
