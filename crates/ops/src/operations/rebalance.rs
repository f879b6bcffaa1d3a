//! Slots shared out by weight: by their number, or by what they hold.

use redistrib_cluster_model::plan::rebalance::{
    RebalanceBy, RebalanceCriteria, RebalancePlan, Weighed, plan_rebalance,
};
use redistrib_cluster_model::{NodeId, NodeName, Slot};
use redistrib_resp::{Command, Reply};

use super::moves::{carry_out, still_owned};
use super::operation::{Operation, Recovery};
use crate::commands::{self, replies::count_of};
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, Migrated};
use crate::server_info::databases_with_keys;
use crate::{Cluster, Connection, Context, Endpoint, MoveError, Settings};

/// How many keys of a slot are weighed to estimate the memory of all of them.
const SAMPLE: usize = 16;

/// How many slots are asked about in one go, so that neither side holds much in memory.
const SLOTS_A_TIME: usize = 512;

/// What is to be even between the masters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum By {
    /// The number of slots.
    #[default]
    Slots,
    /// The number of keys in them.
    Keys,
    /// The memory that their keys take, estimated from a sample of 16 keys a slot.
    Memory,
}

/// What a rebalance is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub struct RebalanceOptions {
    /// Weights other than 1, by the beginning of the node's id.
    pub weights: Vec<(NodeName, f64)>,
    /// Whether masters without slots get some.
    pub use_empty_masters: bool,
    /// By how many percent a master may differ from its part before anything is moved. Default 2.
    pub threshold: f64,
    /// What is to be even.
    pub by: By,
}

impl Default for RebalanceOptions {
    fn default() -> Self {
        Self { weights: Vec::new(), use_empty_masters: false, threshold: 2.0, by: By::Slots }
    }
}

/// The request to share the slots among the masters by weight.
///
/// ```no_run
/// use redistrib_ops::{Context, Rebalance, RebalanceOptions, Settings, carry_out};
/// let options = RebalanceOptions { use_empty_masters: true, ..RebalanceOptions::default() };
/// let request = Rebalance { seed: "127.0.0.1:7000".parse()?, options, ..Rebalance::default() };
/// println!("{} slots have moved", carry_out(request, &Settings::default(), Context::default())?.slots);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Rebalance {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// What is to be even.
    pub options: RebalanceOptions,
    /// How slots move.
    pub migration: MigrateOptions,
}

impl Operation for Rebalance {
    const VERB: &'static str = "rebalance";
    type Subject = Cluster;
    type Plan = RebalancePlan;
    type Report = Migrated;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    /// # Errors
    /// [`Error::Move`] and [`Error::Rebalance`] for weights that name no master or several, or that make no sense; for loads,
    /// those of [`Connection::call`].
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<RebalancePlan> {
        let weights = resolve_weights(cluster, &self.options.weights)?;
        let weighed =
            |id| weights.iter().find(|(named, _)| *named == id).map_or(1.0, |(_, weight)| *weight);
        let masters = cluster.masters().map(|member| Weighed {
            id: member.id(),
            slots: member.node().slots.clone(),
            weight: weighed(member.id()),
        });
        let masters: Vec<Weighed> = masters.collect();
        let load = measure(cluster, self.options.by)?;
        let model_options = RebalanceCriteria {
            measure: load.as_deref().map_or(RebalanceBy::Slots, RebalanceBy::Load),
            threshold: self.options.threshold,
            use_empty_masters: self.options.use_empty_masters,
        };
        Ok(plan_rebalance(&masters, &model_options)?)
    }

    /// Loads change all the time: a plan fits as long as the slots are where they were.
    fn still_fits(
        &self,
        plan: &RebalancePlan,
        cluster: &mut Cluster,
        _context: Context<'_>,
    ) -> Result<bool> {
        Ok(still_owned(cluster, &plan.moves))
    }

    fn apply(
        &self,
        plan: RebalancePlan,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<Migrated> {
        carry_out(cluster, &plan.moves, &self.migration, context)
    }
}

/// Finds the masters that are meant. Weights of replicas count for nothing, as for redis-cli.
fn resolve_weights(cluster: &Cluster, weights: &[(NodeName, f64)]) -> Result<Vec<(NodeId, f64)>> {
    let mut resolved = Vec::new();
    for (name, weight) in weights {
        match cluster.find_master(name) {
            Ok(id) => resolved.push((id, *weight)),
            Err(Error::NoSuchNode { .. }) if cluster.find(name).is_ok() => {}
            Err(Error::NoSuchNode { .. }) => {
                return Err(MoveError::NoSuchMaster(name.clone()).into());
            }
            Err(error) => return Err(error),
        }
    }
    Ok(resolved)
}

/// The replicas for which weights were given, where there is no master of that name.
pub fn weighed_replicas(cluster: &Cluster, weights: &[(NodeName, f64)]) -> Vec<NodeId> {
    let names = weights.iter().map(|(name, _)| name);
    let names = names.filter(|name| cluster.find_master(name).is_err());
    names.filter_map(|name| cluster.find(name).ok()).collect()
}

/// What each slot holds, keys or bytes; nothing where the slots themselves count.
pub(crate) fn measure(cluster: &Cluster, by: By) -> Result<Option<Vec<u64>>> {
    match by {
        By::Slots => Ok(None),
        By::Keys => measure_by(cluster, count_keys).map(Some),
        By::Memory => measure_by(cluster, estimate_memory).map(Some),
    }
}

/// A number for each of a master's slots, as `ask` finds it in each of its databases that hold keys.
fn measure_by(
    cluster: &Cluster,
    ask: impl Fn(&mut Connection, &[Slot]) -> Result<Vec<u64>>,
) -> Result<Vec<u64>> {
    let mut load: Vec<u64> = vec![0; usize::from(Slot::COUNT)];
    for member in cluster.masters() {
        let slots: Vec<Slot> = member.node().slots.iter().collect();
        let mut connection = cluster.connect(member.id())?;
        for db in databases_with_keys(&mut connection)? {
            if db != 0 {
                connection.call(&commands::select(db))?;
            }
            for some in slots.chunks(SLOTS_A_TIME) {
                for (slot, found) in some.iter().zip(ask(&mut connection, some)?) {
                    let load = &mut load[slot.index()];
                    *load = load.saturating_add(found);
                }
            }
        }
    }
    Ok(load)
}

fn count_keys(connection: &mut Connection, slots: &[Slot]) -> Result<Vec<u64>> {
    let commands: Vec<Command> = slots.iter().copied().map(commands::count_keys).collect();
    Ok(connection.call_all(&commands)?.iter().map(number).collect())
}

/// Keys of a slot times the mean memory of some of them.
fn estimate_memory(connection: &mut Connection, slots: &[Slot]) -> Result<Vec<u64>> {
    let keys = count_keys(connection, slots)?;
    let sample = |slot: &Slot| commands::list_keys(*slot, SAMPLE);
    let samples = connection.call_all(&slots.iter().map(sample).collect::<Vec<_>>())?;
    let mut usage = Vec::new();
    for names in &samples {
        let names = names.view().elements().filter_map(|name| name.as_bytes());
        usage.extend(names.map(commands::memory_usage));
    }
    let sizes = connection.call_all(&usage)?;
    let mut sizes = sizes.iter().map(number);
    let means = samples.iter().map(|names| {
        let sampled = names.view().elements().len() as u64;
        let total: u64 =
            sizes.by_ref().take(names.view().elements().len()).fold(0, u64::saturating_add);
        total.checked_div(sampled).unwrap_or(0)
    });
    Ok(means.zip(keys).map(|(mean, keys)| mean.saturating_mul(keys)).collect())
}

/// The reply's number; a key that has gone meanwhile has none.
fn number(reply: &Reply) -> u64 {
    count_of(reply.view()).unwrap_or_default()
}
