//! A cluster is made what a file declares: looked at, planned, and changed step by step with the operations that there are.

mod figures;
mod perform;
mod survey;

use std::time::Duration;

use redistrib_cluster_model::declare::{Change, Declared, Plan, SavedPlan, plan};

pub use survey::{Site, observe};

use crate::error::{Error, Result};
use crate::migrate::MigrateOptions;
use crate::operations::operation::{Operation, Recovery, Subject};
use crate::served::await_all_served;
use crate::wait::until_settled;
use crate::{ApplyError, Context, Settings, Stop};

/// How long all nodes may take to see what a step has done.
const NEWS_DEADLINE: Duration = Duration::from_secs(20);
/// How often the plan is made again when the steps are done: servers may have changed something by themselves meanwhile.
const MOST_ROUNDS: usize = 3;

/// The request to make a cluster what is declared.
///
/// The plan has each step with its cost:
///
/// ```no_run
/// use redistrib_ops::{Apply, Context, Operation, Settings};
/// let declared = "replicas = 1\n[nodes]\n\"10.0.0.1:7000\" = {}\n\"10.0.0.2:7000\" = {}";
/// let request = Apply::new(declared.parse().unwrap());
/// let mut site = request.discover(&Settings::default())?;
/// for step in request.plan(&mut site, Context::default())?.steps {
///     println!("{}", step.change);
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Apply {
    /// What is declared.
    pub declared: Declared,
    /// The plan to carry out, made of this declaration before; nothing else is done then, and only to a cluster that is still
    /// what it was made for.
    pub saved: Option<SavedPlan>,
    /// How slots move.
    pub migration: MigrateOptions,
}

impl Apply {
    /// Whatever it takes, slots moved by default options.
    pub fn new(declared: Declared) -> Self {
        Self { declared, saved: None, migration: MigrateOptions::default() }
    }

    /// What there is to do; what it costs is not asked.
    fn plan_anew(&self, site: &mut Site) -> Result<Plan> {
        let load = site.load(self.declared.balance)?;
        Ok(plan(&self.declared, site.observed(), &load).map_err(ApplyError::from)?)
    }

    /// Carries the steps of a plan out, and returns how many when each has been seen to have come true.
    fn carry_out(&self, plan: &Plan, site: &mut Site, context: Context<'_>) -> Result<usize> {
        let count = plan.steps.len();
        let mut is_joining = false;
        for (done, step) in plan.steps.iter().enumerate() {
            let rest = format!(
                "{done} of {count} steps are done; run the same command again for the rest"
            );
            if context.cancel.requested() != Stop::No {
                return Err(Error::Cancelled(rest));
            }
            let text = format!("Step {} of {count}: {}", done + 1, step.change);
            context.note(text);
            // Nodes that come one after the other get their data side by side.
            let joins = matches!(step.change, Change::Join { .. });
            if is_joining && !joins {
                await_all_served(site.living()?, context)?;
            }
            is_joining = joins;
            let performed = perform::perform(&step.change, site, &self.migration, context);
            performed.map_err(|error| match error {
                Error::Cancelled(what) => Error::Cancelled(format!("{what}; {rest}")),
                error => error,
            })?;
            until_settled(NEWS_DEADLINE, context.cancel, || {
                site.look_again()?;
                let is_done = step.change.is_done(site.observed());
                Ok((!is_done)
                    .then(|| format!("it cannot be seen that this was done: {}", step.change)))
            })?;
        }
        if is_joining {
            await_all_served(site.living()?, context)?;
        }
        Ok(count)
    }
}

/// Each step is an operation of its own. The first [`Cancel::press`](crate::Cancel::press) stops between two steps, and within one
/// where that can; the same request continues from there.
impl Operation for Apply {
    const VERB: &'static str = "apply";
    type Subject = Site;
    type Plan = Plan;
    /// How many steps were taken.
    type Report = usize;

    fn discover(&self, settings: &Settings) -> Result<Site> {
        Site::survey(&self.declared, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    fn plan(&self, site: &mut Site, _context: Context<'_>) -> Result<Plan> {
        let Some(saved) = &self.saved else {
            let mut plan = self.plan_anew(site)?;
            site.price(&mut plan)?;
            return Ok(plan);
        };
        match site.observed().change_since(&saved.observed) {
            None => Ok(saved.plan.clone()),
            Some(change) => {
                let was = saved.observed.fingerprint();
                let now = site.observed().fingerprint();
                Err(ApplyError::Changed { was, now, change }.into())
            }
        }
    }

    /// What steps cost changes all the time; what they are follows from the site.
    fn still_fits(&self, _plan: &Plan, site: &mut Site, _context: Context<'_>) -> Result<bool> {
        let before = site.observed().clone();
        site.look_again()?;
        Ok(site.observed().change_since(&before).is_none())
    }

    /// Servers may have done something by themselves meanwhile: what is still missing of a declaration is planned again, a saved
    /// plan is what it is.
    fn apply(&self, mut plan: Plan, site: &mut Site, context: Context<'_>) -> Result<usize> {
        let mut taken = 0;
        for _ in 0..MOST_ROUNDS {
            taken += self.carry_out(&plan, site, context)?;
            plan = self.plan_anew(site)?;
            if plan.steps.is_empty() {
                return Ok(taken);
            }
            if self.saved.is_some() {
                break;
            }
        }
        Err(ApplyError::Unfinished { taken, needed: plan.steps.len() }.into())
    }
}
