//! `export`, `plan` and `apply`: a cluster that a file declares.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context as _, ensure};
use redistrib_ops::model::counted;
use redistrib_ops::model::declare::{
    Change, Cost, Declared, Plan, PlanForm, SavedPlan, common_settings, export as write,
};
use redistrib_ops::{
    Apply, ApplyError, Error, Host, Operation, Site, Subject, observe, read_text, write_whole,
};
use serde::{Deserialize, Serialize};

use super::fix::tell_open;
use super::host::go_on;
use super::{Outcome, Session};
use crate::args::{ApplyArgs, ExportArgs, PlanArgs};
use crate::output::print_bytes;
use crate::render;
use crate::secrets;
use crate::voice;

/// No file that declares a cluster is larger.
const LARGEST_FILE: u64 = 16 << 20;

/// The plan as a document.
#[derive(Serialize)]
struct DeclaredDocument<'a> {
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
    let text = write(&observed).map_err(ApplyError::from).map_err(Error::from)?;
    match session.output.is_json() {
        true => session.output.document(&text.parse::<Declared>()?),
        false => print_bytes(text.as_bytes())?,
    }
    Ok(Outcome::Done)
}

/// What is to be carried out.
struct Input {
    declared: Declared,
    /// The plan that was saved, if that is what was named.
    saved: Option<SavedPlan>,
}

impl Input {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = read_text(path, LARGEST_FILE).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                let export = voice::spelt("redis-trib export");
                anyhow::anyhow!("{name}: {error}; `{export} HOST:PORT >{name}` writes one")
            }
            _ => anyhow::anyhow!("{name}: {error}"),
        })?;
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
    let input = Input::read(path)?;
    ensure!(
        input.saved.is_none(),
        "{}: is a plan: name the file that it was made of",
        path.display()
    );
    Ok(input.declared)
}

pub(super) fn plan(args: &PlanArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_report(&args.report)?;
    session.dry_run = true;
    let input = Input { declared: read(&args.file)?, saved: None };
    input.log_in(&mut session)?;
    let request = Apply::new(input.declared);
    let mut site = request.discover(&session.settings)?;
    if let Some(cluster) = site.cluster() {
        tell_open(&session, cluster);
    }
    let plan = request.plan(&mut site, session.context())?;
    show(&session, &site, &plan);
    let is_done = plan.steps.is_empty();
    if let Some(path) = &args.out {
        let (declared, observed) = (request.declared, site.observed().clone());
        save(path, &SavedPlan { form: PlanForm, declared, observed, plan })?;
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
    let failed = |source| Error::file(path, source);
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
    session.output.document(&DeclaredDocument { event: "plan", fingerprint, plan, moved, copied });
}

pub(super) fn apply(args: &ApplyArgs) -> anyhow::Result<Outcome> {
    let mut session = Session::for_change(&args.change)?;
    let input = Input::read(&args.file)?;
    input.log_in(&mut session)?;
    let output = &session.output;
    let migration = args.migration.options();
    let request = Apply { declared: input.declared, saved: input.saved, migration };
    let mut agreed: Option<Vec<Change>> = None;
    let approves = |plan: &Plan, site: &mut Site| {
        let steps: Vec<Change> = plan.steps.iter().map(|step| step.change.clone()).collect();
        // Something has changed meanwhile, and the plan was made again: if its steps are the same, they are agreed to.
        if agreed.as_ref() == Some(&steps) {
            return Ok(ControlFlow::Continue(()));
        }
        show(&session, site, plan);
        if session.dry_run || plan.steps.is_empty() {
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question = format!("Carry {} out?", counted(plan.steps.len(), "step"));
        let agrees = session.may(|prompt| prompt.accepts(&question))?;
        agreed = Some(steps);
        Ok(go_on(agrees))
    };
    session.carry_out(request, approves, |steps| {
        output.line(format_args!("[OK] The cluster is as declared; steps taken: {steps}."));
        output.document(&AppliedDocument { event: "applied", steps });
        Ok(Outcome::Done)
    })
}
