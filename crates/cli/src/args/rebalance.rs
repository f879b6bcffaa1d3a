//! `rebalance`.

use clap::Args;
use redistrib_ops::model::NodeName;
use redistrib_ops::model::plan::rebalance::MOST_WEIGHT;
use redistrib_ops::{By, RebalanceOptions};

use super::MigrationArgs;
use super::common::{ChangeArgs, SeedArgs};
use super::values::{node_name, one_of};

/// A master's weight.
#[derive(Clone, Debug, PartialEq)]
pub struct Weight {
    /// What the master is called.
    pub node: NodeName,
    /// The weight: finite and not negative.
    pub weight: f64,
}

/// Arguments of `rebalance`.
#[derive(Clone, Debug, Args)]
pub struct RebalanceArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// A master's weight, other than 1: its id or how that begins, HOST:PORT, host or port; several may follow one --weight
    #[arg(long, value_name = "NODE=WEIGHT", value_parser = weight)]
    pub weight: Vec<Weight>,
    /// Accepted as redis-trib.rb does: weights are 1 unless --weight says otherwise
    #[arg(long)]
    pub auto_weights: bool,
    /// Give slots to masters that have none, too
    #[arg(long, visible_alias = "use-empty-primaries")]
    pub use_empty_masters: bool,
    /// By how many percent a master may differ from its part before slots are moved
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "2")]
    pub threshold: f64,
    /// What is to be even
    #[arg(long, value_name = "WHAT", value_parser = one_of(&BY), default_value = "slots")]
    pub by: By,
    /// The same as --dry-run
    #[arg(long)]
    pub simulate: bool,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl RebalanceArgs {
    /// What is to be planned.
    pub fn options(&self) -> RebalanceOptions {
        RebalanceOptions {
            weights: self.weight.iter().map(|it| (it.node.clone(), it.weight)).collect(),
            use_empty_masters: self.use_empty_masters,
            threshold: self.threshold,
            by: self.by,
        }
    }
}

fn weight(text: &str) -> Result<Weight, String> {
    let wrong = || {
        format!("{text:?} is no weight: write NODE=WEIGHT with a number from 0 to {MOST_WEIGHT}")
    };
    let (node, weight) = text.split_once('=').filter(|(id, _)| !id.is_empty()).ok_or_else(wrong)?;
    let weight: f64 = weight.parse().map_err(|_| wrong())?;
    if !(0.0..=MOST_WEIGHT).contains(&weight) {
        return Err(wrong());
    }
    Ok(Weight { node: node_name(node)?, weight })
}

fn percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| "give a number of percent".to_owned())?;
    if percent.is_finite() && percent >= 0.0 {
        Ok(percent)
    } else {
        Err("give a number of percent that is not negative".into())
    }
}

const BY: [(&str, By); 3] = [("slots", By::Slots), ("keys", By::Keys), ("memory", By::Memory)];
