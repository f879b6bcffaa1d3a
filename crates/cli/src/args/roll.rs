//! `roll`.

use std::time::Duration;

use clap::Args;
use redistrib_ops::model::NodeName;

use super::common::{ChangeArgs, SeedArgs};
use super::values::{command, millis, node_name};

/// Arguments of `roll`.
#[derive(Clone, Debug, Args)]
pub struct RollArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Run this by `sh -c` for each node, with REDIS_TRIB_HOST, REDIS_TRIB_PORT, REDIS_TRIB_ID and REDIS_TRIB_ROLE (master or
    /// replica) in its environment
    #[arg(long, value_name = "COMMAND", value_hint = clap::ValueHint::CommandString)]
    #[arg(value_parser = command)]
    pub exec: String,
    /// These nodes alone, with commas: those that a run which has stopped has left, as it prints them
    #[arg(long, visible_alias = "continue", value_name = "NODE", value_delimiter = ',', value_parser = node_name)]
    pub only: Vec<NodeName>,
    /// Nodes that are to be masters at the end, as they were before a run that has stopped; it prints them, too
    #[arg(long, value_name = "NODE", value_delimiter = ',', value_parser = node_name)]
    pub back: Vec<NodeName>,
    /// Leave masters what they have become: their replicas' replicas
    #[arg(long, conflicts_with = "back")]
    pub no_failback: bool,
    /// Go on where a master has no replica to take its place, or takes no writes without one
    #[arg(long)]
    pub allow_downtime: bool,
    /// The command does not restart servers: a node is back with the process that it had
    #[arg(long)]
    pub no_restart: bool,
    /// How long a node may be away, or make no progress in loading and copying [default: by the nodes' own settings]
    #[arg(long, value_name = "MS", value_parser = millis)]
    pub timeout: Option<Duration>,
    /// How long the command may take for a node
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "600000")]
    pub exec_timeout: Duration,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
