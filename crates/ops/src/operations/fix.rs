//! `fix`: what is wrong with a cluster's slots is repaired.

use redistrib_cluster_model::plan::fix::{FixOptions, FixPlan};
use redistrib_cluster_model::{DownReason, Finding, SlotSet};

use super::inspect::inspect;
use super::mend;
use super::operation::{Operation, Recovery};
use crate::error::Result;
use crate::migrate::MigrateOptions;
use crate::served::await_all_served;
use crate::{Cluster, Context, Endpoint, Settings};

/// The request to repair open, lost and disputed slots.
///
/// ```no_run
/// use redistrib_ops::{Context, Fix, Settings, carry_out};
/// let request = Fix { seed: "127.0.0.1:7001".parse()?, ..Fix::default() };
/// let fixed = carry_out(request, &Settings::default(), Context::default())?;
/// println!("mended: {}; left: {}", fixed.slots, fixed.left.blocked.len());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Fix {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// Which slots are repaired.
    pub scope: FixScope,
    /// What may be done.
    pub options: FixOptions,
    /// How keys move.
    pub migration: MigrateOptions,
    /// Whether not to wait until clients are served again.
    pub no_wait: bool,
}

/// Which slots a [`Fix`] repairs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FixScope {
    /// All that need it.
    #[default]
    All,
    /// All that need it but these.
    AllBut(SlotSet),
    /// Those that are open.
    Open,
    /// Those that are open at the seed.
    OpenAtSeed,
}

/// What a [`Fix`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fixed {
    /// The slots that were to be repaired.
    pub slots: SlotSet,
    /// What could not be repaired.
    pub left: FixPlan,
}

impl Fixed {
    /// Whether nothing is left to repair.
    pub fn is_whole(&self) -> bool {
        self.left.is_empty()
    }
}

impl Fix {
    fn only_wanted(&self, mut plan: FixPlan, cluster: &Cluster) -> FixPlan {
        let wanted: SlotSet = match &self.scope {
            FixScope::All => return plan,
            FixScope::AllBut(unwanted) => unwanted.complement(),
            FixScope::Open => {
                let groups = cluster.snapshot().open_slots();
                groups.iter().flat_map(|group| group.slots.iter()).collect()
            }
            FixScope::OpenAtSeed => {
                let node = cluster.myself().node();
                node.migrating.iter().chain(&node.importing).map(|(slot, _)| *slot).collect()
            }
        };
        plan.repairs.retain(|repair| !repair.slots.intersection(&wanted).is_empty());
        plan.blocked.retain(|(slots, _)| !slots.intersection(&wanted).is_empty());
        plan
    }
}

impl Operation for Fix {
    const VERB: &'static str = "fix";
    const PLANS_SLOWLY: bool = true;
    type Subject = Cluster;
    type Plan = FixPlan;
    type Report = Fixed;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Wait(&self.migration)
    }

    fn plan(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<FixPlan> {
        let plan = mend::plan_steady(cluster, self.options, context)?;
        Ok(self.only_wanted(plan, cluster))
    }

    fn still_fits(
        &self,
        plan: &FixPlan,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<bool> {
        cluster.refresh();
        let now = mend::plan_at_once(cluster, self.options, context)?;
        Ok(self.only_wanted(now, cluster) == *plan)
    }

    fn apply(&self, plan: FixPlan, cluster: &mut Cluster, context: Context<'_>) -> Result<Fixed> {
        let slots = plan.repairs.iter().fold(SlotSet::new(), |all, it| all.union(&it.slots));
        let rest = if self.scope == FixScope::All {
            mend::fix(cluster, plan, self.options, &self.migration, context)?
        } else {
            mend::mend_once(cluster, &plan, &self.migration, context)?;
            mend::plan_at_once(cluster, self.options, context)?
        };
        let is_well = rest.is_empty();
        let fixed = Fixed { slots, left: self.only_wanted(rest, cluster) };
        if !self.no_wait && is_well && (!fixed.slots.is_empty() || is_waiting(cluster)) {
            cluster.refresh();
            await_all_served(cluster, context)?;
        }
        Ok(fixed)
    }

    fn overwriting(&self) -> Option<Self> {
        let migration = MigrateOptions { replace: true, ..self.migration.clone() };
        (!self.migration.replace).then(|| Self { migration, ..self.clone() })
    }
}

/// Whether nodes serve nobody, though nothing is wrong any more: they will before long.
fn is_waiting(cluster: &mut Cluster) -> bool {
    let is_about_to_serve =
        |it: &Finding| matches!(it, Finding::ClusterDown { reason: DownReason::Waiting, .. });
    inspect(cluster).findings.iter().any(is_about_to_serve)
}
