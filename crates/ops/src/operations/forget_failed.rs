//! `forget-failed`: dead nodes that nobody would miss leave a cluster, all at once.

use redistrib_cluster_model::plan::forget::{ForgetPlan, plan_forget_failed};

use super::departure::Departure;
use super::operation::Operation;
use crate::error::Result;
use crate::{Cluster, Context, Endpoint, Settings};

/// The request to take the dead nodes that nobody would miss out of a cluster: [`plan_forget_failed`].
#[derive(Clone, Debug, Default)]
pub struct ForgetFailed {
    /// Any node of the cluster.
    pub seed: Endpoint,
}

impl Operation for ForgetFailed {
    const VERB: &'static str = "forget-failed";
    type Subject = Cluster;
    type Plan = ForgetPlan;
    type Report = ForgetPlan;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<ForgetPlan> {
        Ok(plan_forget_failed(&cluster.snapshot()))
    }

    /// # Errors
    /// Those of [`DelNode`](crate::DelNode).
    fn apply(
        &self,
        plan: ForgetPlan,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<ForgetPlan> {
        for id in &plan.leaving {
            Departure::plan(cluster, *id, context)?.apply(cluster, context)?;
        }
        Ok(plan)
    }
}
