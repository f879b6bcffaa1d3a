//! Slots shared out among masters by weight, with as few moves as possible.

mod by_load;
mod by_slots;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::{Move, NodeId, SlotSet};

/// A master that takes part in a rebalance.
#[derive(Clone, Debug, PartialEq)]
pub struct Weighed {
    /// The master.
    pub id: NodeId,
    /// The slots that it owns.
    pub slots: SlotSet,
    /// Its part of the whole, in relation to those of the others: a finite number, not negative.
    /// 1 unless somebody says otherwise. At 0 it is emptied.
    pub weight: f64,
}

/// What is to be balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RebalanceBy<'a> {
    /// The number of slots.
    Slots,
    /// What the slots hold, keys or bytes: one number for each slot from 0. Slots that the list
    /// does not reach hold nothing.
    Load(&'a [u64]),
}

/// How a rebalance is to be done.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RebalanceCriteria<'a> {
    /// What is balanced.
    pub measure: RebalanceBy<'a>,
    /// By how many percent what a master has may differ from what it should have before anything is
    /// moved; 2 with the peers.
    pub threshold: f64,
    /// Whether masters without slots get some; otherwise they take no part, whatever they weigh.
    pub use_empty_masters: bool,
}

/// What a rebalance would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RebalancePlan {
    /// The moves, no two of them from the same master to the same master. Empty if all masters are
    /// within the threshold.
    pub moves: Vec<Move>,
    /// The masters that take part, in the order given.
    pub shares: Vec<Share>,
}

/// What one master has and should have: slots, or what they hold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// The master.
    pub id: NodeId,
    /// What it weighs.
    pub weight: f64,
    /// What it has now.
    pub has: u64,
    /// What would be its exact part.
    pub expected: f64,
    /// Whether the two differ by more than the threshold.
    pub over_threshold: bool,
}

/// The largest weight that is taken from people: the sum of all is a finite number then.
pub const MOST_WEIGHT: f64 = 1e9;

/// Why a rebalance cannot be planned.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RebalanceError {
    /// A weight is negative or not a number.
    #[error("the weight of {0} is {1}, and must be a number that is not negative")]
    BadWeight(NodeId, f64),
    /// All masters that take part have weight 0, so that nobody is left to own the slots.
    #[error("no master that takes part has a weight above 0")]
    NoWeight,
    /// A master was given more than once.
    #[error("the master {0} is given twice")]
    SameMaster(NodeId),
}

impl Default for RebalanceCriteria<'_> {
    /// As redis-cli does without options: slots, 2 percent, empty masters left empty.
    fn default() -> Self {
        RebalanceCriteria { measure: RebalanceBy::Slots, threshold: 2.0, use_empty_masters: false }
    }
}

/// Plans moves after which each master has its part of the whole by weight.
///
/// If all masters are within the threshold, nothing is moved. Otherwise all are balanced. By slots,
/// each master ends with its exact part rounded up or down, and no plan that does so moves fewer
/// slots. By load, each ends within half of the threshold of its part, or as near as the load of single
/// slots allows; slots with most load go, so that few have to: where none holds more than a tenth of any
/// part, at most half as many again as must, and one for each master. A master of weight 0 is emptied in
/// either case.
///
/// The threshold has redis-cli's meaning: a master is over it if what it should have differs from what it
/// has by more than so many percent of what it has; an empty one is over it if it should have more than
/// one (slot, key or byte). A threshold of 0 balances always.
///
/// # Errors
/// [`RebalanceError`].
///
/// ```
/// use redistrib_cluster_model::NodeId;
/// use redistrib_cluster_model::plan::rebalance::{RebalanceCriteria, Weighed, plan_rebalance};
///
/// let master = |n, slots: &str| Weighed {
///     id: NodeId::from_bytes([n; 20]),
///     slots: slots.parse().unwrap(),
///     weight: 1.0,
/// };
/// let masters = [master(1, "0-8191"), master(2, "8192-16383"), master(3, "")];
/// let options = RebalanceCriteria { use_empty_masters: true, ..RebalanceCriteria::default() };
/// let plan = plan_rebalance(&masters, &options)?;
/// let moved: Vec<_> = plan.moves.iter().map(|step| step.slots.to_string()).collect();
/// assert_eq!(moved, ["0-2729", "8192-10922"]);
/// # Ok::<(), redistrib_cluster_model::plan::rebalance::RebalanceError>(())
/// ```
pub fn plan_rebalance(
    masters: &[Weighed],
    options: &RebalanceCriteria<'_>,
) -> Result<RebalancePlan, RebalanceError> {
    check(masters)?;
    let takes_part = |master: &&Weighed| options.use_empty_masters || !master.slots.is_empty();
    let masters: Vec<&Weighed> = masters.iter().filter(takes_part).collect();
    let weight: f64 = masters.iter().map(|master| master.weight).sum();
    if weight <= 0.0 && !masters.is_empty() {
        return Err(RebalanceError::NoWeight);
    }
    let has: Vec<u64> = masters.iter().map(|master| options.measure.of(&master.slots)).collect();
    let whole = has.iter().sum::<u64>() as f64;
    let shares = masters.iter().zip(&has).map(|(master, has)| {
        let expected = whole * (master.weight / weight);
        let over_threshold = master.is_over(*has, expected, options.threshold);
        Share { id: master.id, weight: master.weight, has: *has, expected, over_threshold }
    });
    let shares: Vec<Share> = shares.collect();
    let moves = if !shares.iter().any(|share| share.over_threshold) {
        Vec::new()
    } else {
        match options.measure {
            RebalanceBy::Slots => by_slots::moves(&masters, &shares),
            RebalanceBy::Load(load) => {
                by_load::moves(&masters, &shares, load, options.threshold / 2.0)
            }
        }
    };
    Ok(RebalancePlan { moves, shares })
}

fn check(masters: &[Weighed]) -> Result<(), RebalanceError> {
    let mut seen = HashSet::new();
    for master in masters {
        if !master.weight.is_finite() || master.weight < 0.0 {
            return Err(RebalanceError::BadWeight(master.id, master.weight));
        }
        if !seen.insert(master.id) {
            return Err(RebalanceError::SameMaster(master.id));
        }
    }
    Ok(())
}

impl Weighed {
    fn is_over(&self, has: u64, expected: f64, threshold: f64) -> bool {
        let has = has as f64;
        if self.weight == 0.0 && !self.slots.is_empty() {
            true
        } else if threshold <= 0.0 {
            // Rounding alone makes no difference of a whole.
            (has - expected).abs() >= 1.0
        } else if has > 0.0 {
            (100.0 - 100.0 * expected / has).abs() > threshold
        } else {
            expected > 1.0
        }
    }
}

impl RebalanceBy<'_> {
    fn of(self, slots: &SlotSet) -> u64 {
        match self {
            RebalanceBy::Slots => slots.len() as u64,
            RebalanceBy::Load(load) => slots.iter().fold(0u64, |sum, slot| {
                sum.saturating_add(load.get(slot.index()).copied().unwrap_or_default())
            }),
        }
    }
}
