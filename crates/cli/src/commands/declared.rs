//! `export`, `plan` and `apply`: a cluster that a file declares.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use redistrib_ops::migrate::MigrateOptions;
use redistrib_ops::model::declare::{
    Cost, Declared, Form, Plan, SavedPlan, common_settings, export as write,
};
use redistrib_ops::{Error, Site, apply_declared, observe, plan_declared, write_whole};
use serde::{Deserialize, Serialize};

use super::fix::{recover, tell_open};
use super::{Outcome, Session};
use crate::args::{ApplyArgs, ExportArgs, PlanArgs};
use crate::output::print_bytes;
use crate::render;
use crate::report::Reporter;
use crate::secrets::{self, read_text};

/// No file that declares a cluster is larger.
const LARGEST_FILE: u64 = 16 << 20;
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
    /// What all slots cost that move.
    moved: Cost,
    /// What all replicas copy.
    copied: Cost,
}

/// The last line of a saved plan.
#[derive(Serialize, Deserialize)]
struct Seal {
    seal: String,
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
    let observed = observe(&mut cluster, &args.setting)?;
    let names: BTreeSet<&String> = common_settings(&observed).map(|(name, _)| name).collect();
    for name in args.setting.iter().filter(|name| !names.contains(name)) {
        session
            .output
            .complain(format_args!("[WARNING] The nodes do not have {name} alike: it is left out"));
    }
    let text = write(&observed)?;
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
        let text = read_text(path, LARGEST_FILE).with_context(|| name.to_string())?;
        if text.starts_with('{') {
            let saved = saved_plan(&text).with_context(|| format!("{name} is no saved plan"))?;
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

/// The plan in one line, and its seal in the next.
fn save(path: &Path, plan: &SavedPlan) -> anyhow::Result<()> {
    let text = serde_json::to_string(plan)?;
    let seal = serde_json::to_string(&Seal { seal: SavedPlan::seal(text.as_bytes()) })?;
    let text = format!("{text}\n{seal}\n");
    let failed = |source| Error::File { path: path.display().to_string(), source };
    Ok(write_whole(path, |sink| sink.write_all(text.as_bytes()).map_err(failed))?)
}

fn saved_plan(text: &str) -> anyhow::Result<SavedPlan> {
    let (plan, seal) = text.trim_end().rsplit_once('\n').context("its end is missing")?;
    let seal: Seal = serde_json::from_str(seal).context("its end is missing")?;
    ensure!(seal.seal == SavedPlan::seal(plan.as_bytes()), "it is not what was saved; plan anew");
    Ok(serde_json::from_str(plan)?)
}

fn show(session: &Session, site: &Site, plan: &Plan) {
    session.output.lines(render::plan(plan));
    let (fingerprint, moved, copied) = (site.observed().fingerprint(), plan.moved(), plan.copied());
    session.output.document(&PlanDocument { event: "plan", fingerprint, plan, moved, copied });
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
        site.look_again(&wish.declared)?;
    }
    let plan = match &wish.saved {
        None => plan_declared(&wish.declared, &mut site)?,
        Some(saved) => match site.observed().change_since(&saved.observed) {
            None => saved.plan.clone(),
            Some(change) => bail!(
                "the cluster is not what the plan was made for (state {}, and now {}): {change}; plan anew",
                saved.observed.fingerprint(),
                site.observed().fingerprint()
            ),
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
    let steps = carry_out(&session, &wish, site, plan, &args.migration.options())?;
    session.output.line(format_args!("[OK] The cluster is as declared; steps taken: {steps}."));
    session.output.document(&AppliedDocument { event: "applied", steps });
    Ok(Outcome::Done)
}

/// Keeps others away, makes sure that nothing has changed since the plan was shown, and carries it out. Servers may have
/// done something by themselves meanwhile: what is still missing of a file is planned anew, a saved plan is what it is.
fn carry_out(
    session: &Session,
    wish: &Wish,
    mut site: Site,
    mut plan: Plan,
    options: &MigrateOptions,
) -> anyhow::Result<usize> {
    let declared = &wish.declared;
    let names = site.observed().nodes.iter().map(|seen| (seen.id, seen.at.clone()));
    let reporter = Reporter::calling(&session.output, names);
    session.act(&reporter, |context| {
        let _held = session.lock.then(|| site.lock("apply", context)).transpose()?;
        let before = site.observed().clone();
        site.look_again(declared)?;
        if let Some(change) = site.observed().change_since(&before) {
            if wish.saved.is_some() || !session.yes {
                let what =
                    format!("the cluster has changed since the plan was made: {change}; plan anew");
                return Err(Error::Precondition(what));
            }
            // What an interrupted run has begun comes to its end by itself. Whoever agrees beforehand agrees to that, too.
            plan = plan_declared(declared, &mut site)?;
            show(session, &site, &plan);
        }
        let mut steps = 0;
        for _ in 0..MOST_ROUNDS {
            steps += apply_declared(declared, &plan, &mut site, options, context)?;
            plan = plan_declared(declared, &mut site)?;
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
