//! Dead nodes leave a cluster, all at once.

use redistrib_cluster_model::plan::forget::{ForgetPlan, plan_forget_failed};

use crate::error::Result;
use crate::{Cluster, Context, Departure};

/// Makes all nodes forget the dead ones that nobody would miss: [`plan_forget_failed`] tells which. Returns what it did.
///
/// ```no_run
/// use redistrib_ops::{Cancel, Cluster, Context, Settings, Silent, forget_failed};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let cancel = Cancel::new();
/// let plan = forget_failed(&mut cluster, Context::new(&Silent, &cancel))?;
/// println!("{} nodes have left", plan.leaving.len());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// Those of [`Departure::plan`] and [`Departure::apply`].
pub fn forget_failed(cluster: &mut Cluster, context: Context<'_>) -> Result<ForgetPlan> {
    let plan = plan_forget_failed(&cluster.snapshot());
    for id in &plan.leaving {
        Departure::plan(cluster, *id)?.apply(cluster, context)?;
    }
    Ok(plan)
}
