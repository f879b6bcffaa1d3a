//! A cluster is made what a file declares: looked at, planned, and changed step by step with the operations that there are.

mod figures;
mod perform;
mod survey;

use std::time::Duration;

use redistrib_cluster_model::declare::{Change, Declared, Plan, plan};

pub use survey::{Site, observe};

use crate::error::{Error, Result};
use crate::migrate::MigrateOptions;
use crate::served::await_all_served;
use crate::wait::until_settled;
use crate::{Context, Step, Stop};

/// How long all nodes may take to see what a step has done.
const NEWS_DEADLINE: Duration = Duration::from_secs(20);

/// Plans what makes a site what is declared, each step with its cost. Changes nothing.
///
/// ```no_run
/// use redistrib_ops::model::declare::Declared;
/// use redistrib_ops::{Settings, Site, plan_declared};
/// let declared: Declared = "replicas = 1\n[nodes]\n\"10.0.0.1:7000\" = {}\n\"10.0.0.2:7000\" = {}".parse().unwrap();
/// let mut site = Site::survey(&declared, &Settings::default())?;
/// for step in plan_declared(&declared, &mut site)?.steps {
///     println!("{}", step.change);
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::Precondition`] for what cannot be had, and for a cluster that has to be mended first; where loads are balanced, those of
/// [`crate::Connection::call`].
pub fn plan_declared(declared: &Declared, site: &mut Site) -> Result<Plan> {
    let load = site.load(declared.balance)?;
    let mut plan = plan(declared, site.observed(), &load)
        .map_err(|error| Error::Precondition(error.to_string()))?;
    site.price(&mut plan)?;
    Ok(plan)
}

/// Carries the steps of a plan out, and returns how many when each has been seen to have come true. The caller has the
/// site to itself, has just looked at it, and finds it as it is after the last step.
///
/// The first [`Cancel::press`](crate::Cancel::press) stops between two steps, and within one where that can. The same call
/// with a new plan goes on from there.
///
/// # Errors
/// Those of the operations; [`Error::Cancelled`]; [`Error::NotSettled`] for a step that has not come true.
pub fn apply_declared(
    declared: &Declared,
    plan: &Plan,
    site: &mut Site,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<usize> {
    let count = plan.steps.len();
    let mut is_joining = false;
    for (done, step) in plan.steps.iter().enumerate() {
        if context.cancel.wish() != Stop::No {
            let what = format!(
                "{done} of {count} steps are done; run the same command again for the rest"
            );
            return Err(Error::Cancelled(what));
        }
        let text = format!("Step {} of {count}: {}", done + 1, step.change);
        context.step(Step::Other { text });
        // Nodes that come one after the other get their data side by side.
        let joins = matches!(step.change, Change::Join { .. });
        if is_joining && !joins {
            await_all_served(site.living()?, context)?;
        }
        is_joining = joins;
        perform::perform(&step.change, declared, site, options, context)?;
        until_settled(NEWS_DEADLINE, context.cancel, || {
            site.look_again(declared)?;
            let is_done = step.change.is_done(site.observed());
            Ok((!is_done).then(|| format!("it cannot be seen that this was done: {}", step.change)))
        })?;
    }
    if is_joining {
        await_all_served(site.living()?, context)?;
    }
    Ok(count)
}
