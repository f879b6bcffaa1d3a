//! `reshard`, and the options of everything that moves slots.

use std::time::Duration;

use clap::Args;
use redistrib_ops::model::NodeId;

use super::common::{ChangeArgs, SeedArgs};
use super::values::{millis, node_id};

/// Where slots come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sources {
    /// All masters but the target.
    All,
    /// These masters.
    Nodes(Vec<NodeId>),
}

/// Arguments of `reshard`. What is missing is asked for.
#[derive(Clone, Debug, Args)]
pub struct ReshardArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Masters that give slots: ids with commas between them, or `all`
    #[arg(long, value_name = "ID,…|all", value_parser = sources)]
    pub from: Option<Sources>,
    /// The master that takes them
    #[arg(long, value_name = "ID", value_parser = node_id)]
    pub to: Option<NodeId>,
    /// How many slots
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub slots: Option<u16>,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// How slots move.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Migration")]
pub struct MigrationArgs {
    /// How long one MIGRATE may take, in milliseconds
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "60000")]
    pub timeout: Duration,
    /// The most keys in one MIGRATE
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub pipeline: Option<u32>,
    /// Overwrite keys that the target has already
    #[arg(long)]
    pub replace: bool,
}

fn sources(text: &str) -> Result<Sources, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(Sources::All);
    }
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    match ids.map(node_id).collect::<Result<Vec<_>, _>>()? {
        ids if ids.is_empty() => Err("give at least one node id, or all".into()),
        ids => Ok(Sources::Nodes(ids)),
    }
}
