//! `export`, `plan` and `apply`: a cluster that a file declares.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use redistrib_ops::migrate::MigrateOptions;
use redistrib_ops::model::declare::{Declared, Form, Plan, SavedPlan, export as write};
use redistrib_ops::{Error, Site, apply_declared, observe, plan_declared, write_whole};
use serde::Serialize;

use super::fix::{recover, tell_open};
use super::{Outcome, Session};
use crate::args::{ApplyArgs, ExportArgs, PlanArgs};
use crate::output::print_bytes;
use crate::render;
use crate::report::Reporter;
use crate::secrets;

/// No file that declares a cluster is larger.
const LARGEST_FILE: u64 = 64 << 20;
/// How often is planned anew when the steps are done: servers may have changed something by themselves meanwhile.
const MOST_ROUNDS: usize = 3;

/// The plan as a document.
#[derive(Serialize)]
struct PlanDocument<'a> {
    event: &'static str,
    /// Another one wherever the cluster is otherwise.
    fingerprint: String,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// What `apply` ends with.
#[derive(Serialize)]
struct AppliedDocument {
    event: &'static str,
    steps: usize,
}

pub(super) fn export(args: &ExportArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let mut cluster = session.discover(&args.seed.node)?;
    let text = write(&observe(&mut cluster, &args.setting)?)?;
    match session.output.is_json() {
        true => session.output.document(&text.parse::<Declared>()?),
        false => print_bytes(text.as_bytes())?,
    }
    Ok(Outcome::Done)
}

/// What is to be carried out.
struct Wish {
    declared: Declared,
    /// The plan that was saved, if that is what was named.
    saved: Option<SavedPlan>,
}

impl Wish {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let size = fs::metadata(path).with_context(|| name.to_string())?.len();
        ensure!(
            size <= LARGEST_FILE,
            "{name}: {size} bytes are too many for a file that declares a cluster"
        );
        let text = fs::read_to_string(path).with_context(|| name.to_string())?;
        if text.trim_start().starts_with('{') {
            let saved: SavedPlan = serde_json::from_str(&text)
                .map_err(|error| anyhow::anyhow!("{name}: is no saved plan: {error}"))?;
            return Ok(Self { declared: saved.declared.clone(), saved: Some(saved) });
        }
        let declared = text.parse().map_err(|error| anyhow::anyhow!("{name}, {error}"))?;
        Ok(Self { declared, saved: None })
    }

    /// The credentials of the options count before those that the file names.
    fn log_in(&self, session: &mut Session) -> anyhow::Result<()> {
        if let (None, Some(credentials)) =
            (&session.settings.credentials, &self.declared.credentials)
        {
            session.settings.credentials = Some(secrets::referenced(credentials)?);
        }
        Ok(())
    }
}

/// Reads a file that declares a cluster.
pub(super) fn read(path: &Path) -> anyhow::Result<Declared> {
    let wish = Wish::read(path)?;
    ensure!(
        wish.saved.is_none(),
        "{}: is a plan: name the file that it was made of",
        path.display()
    );
    Ok(wish.declared)
}

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_report(&args.report)?;
    session.dry_run = true;
    let wish = Wish { declared: read(&args.file)?, saved: None };
    wish.log_in(&mut session)?;
    let mut site = Site::survey(&wish.declared, &session.settings)?;
    if let Some(cluster) = site.cluster() {
        tell_open(&session, cluster);
    }
    let plan = plan_declared(&wish.declared, &mut site)?;
    show(&session, &site, &plan);
    let is_done = plan.steps.is_empty();
    if let Some(path) = &args.out {
        let (declared, observed) = (wish.declared, site.observed().clone());
        save(path, &SavedPlan { form: Form, declared, observed, plan })?;
        session.output.line(format_args!("[OK] The plan is saved in {}", path.display()));
    }
    Ok(match is_done || !args.detailed_exitcode {
        true => Outcome::Done,
        false => Outcome::Differs,
    })
}

fn save(path: &Path, plan: &SavedPlan) -> anyhow::Result<()> {
    let text = serde_json::to_vec(plan)?;
    let failed = |source| Error::File { path: path.display().to_string(), source };
    Ok(write_whole(path, |sink| sink.write_all(&text).map_err(failed))?)
}

fn show(session: &Session, site: &Site, plan: &Plan) {
    session.output.lines(render::plan(plan));
    let fingerprint = site.observed().fingerprint();
    session.output.document(&PlanDocument { event: "plan", fingerprint, plan });
}

pub(super) fn apply(args: &ApplyArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?;
    let wish = Wish::read(&args.file)?;
    wish.log_in(&mut session)?;
    let mut site = Site::survey(&wish.declared, &session.settings)?;
    if let Some(cluster) = site.cluster() {
        if !recover(&session, "apply", cluster, &args.migration)? {
            return Ok(Outcome::Failed);
        }
        site = Site::survey(&wish.declared, &session.settings)?;
    }
    let plan = match &wish.saved {
        None => plan_declared(&wish.declared, &mut site)?,
        Some(saved) => match site.observed().change_since(&saved.observed) {
            None => saved.plan.clone(),
            Some(change) => {
                bail!("the cluster is not what the plan was made for: {change}; plan anew")
            }
        },
    };
    show(&session, &site, &plan);
    if session.dry_run || plan.steps.is_empty() {
        return Ok(Outcome::Done);
    }
    let question = format!("Carry these {} steps out?", plan.steps.len());
    if !session.may(|prompt| prompt.accepts(&question))? {
        return Ok(Outcome::Failed);
    }
    let steps = carry_out(&session, &wish, &site, plan, &args.migration.options())?;
    session.output.line(format_args!("[OK] The cluster is as declared; steps taken: {steps}."));
    session.output.document(&AppliedDocument { event: "applied", steps });
    Ok(Outcome::Done)
}

/// Keeps others away, makes sure that nothing has changed since the plan was shown, and carries it out. Servers may have
/// done something by themselves meanwhile: what is still missing of a file is planned anew, a saved plan is what it is.
fn carry_out(
    session: &Session,
    wish: &Wish,
    site: &Site,
    mut plan: Plan,
    options: &MigrateOptions,
) -> anyhow::Result<usize> {
    let (declared, settings) = (&wish.declared, &session.settings);
    let names = site.observed().nodes.iter().map(|seen| (seen.id, seen.at.clone()));
    let reporter = Reporter::calling(&session.output, names);
    session.act(&reporter, |context| {
        let _held = session.lock.then(|| site.lock("apply", context)).transpose()?;
        let now = Site::survey(declared, settings)?;
        if let Some(change) = now.observed().change_since(site.observed()) {
            let what =
                format!("the cluster has changed since the plan was made: {change}; plan anew");
            return Err(Error::Precondition(what));
        }
        let mut steps = 0;
        for _ in 0..MOST_ROUNDS {
            steps += apply_declared(declared, &plan, settings, options, context)?;
            plan = plan_declared(declared, &mut Site::survey(declared, settings)?)?;
            if plan.steps.is_empty() {
                return Ok(steps);
            }
            if wish.saved.is_some() {
                break;
            }
        }
        let count = plan.steps.len();
        let what =
            format!("{steps} steps were taken, and {count} more are needed; see `redis-trib plan`");
        Err(Error::Precondition(what))
    })
}
