//! Verbs about single nodes, and about all of them: `add-node`, `del-node`, `set-timeout`.

use std::time::Duration;

use clap::Args;
use redistrib_ops::Endpoint;
use redistrib_ops::model::NodeName;

use super::MigrationArgs;
use super::common::{ChangeArgs, SeedArgs, WaitArgs};
use super::values::{endpoint, node_name, node_timeout};

/// Arguments of `add-node`.
#[derive(Clone, Debug, Args)]
pub struct AddNodeArgs {
    /// The new node
    #[arg(value_name = "NEW-HOST:PORT", value_parser = endpoint)]
    pub new: Endpoint,
    /// Any node of the cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// Make it a replica: of --master-id, or of the master with the fewest
    #[arg(long, visible_alias = "slave")]
    pub replica: bool,
    /// The master that it follows: its id or how that begins, HOST:PORT, host or port
    #[arg(
        long,
        value_name = "NODE",
        value_parser = node_name,
        requires = "replica",
        aliases = ["primaries-id", "primary-id"]
    )]
    pub master_id: Option<NodeName>,
    /// What to wait for.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `del-node`.
#[derive(Clone, Debug, Args)]
pub struct DelNodeArgs {
    /// Any node of the cluster
    #[command(flatten)]
    pub seed: SeedArgs,
    /// The node that leaves: its id or how that begins, HOST:PORT, host or port; without it the one at the address
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub id: Option<NodeName>,
    /// Move the node's slots to the other masters first
    #[arg(long)]
    pub drain: bool,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `replace`.
#[derive(Clone, Debug, Args)]
pub struct ReplaceArgs {
    /// The node that is replaced, or any node of its cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The node that takes its place: an empty one, or a replica of it
    #[arg(value_name = "NEW-HOST:PORT", value_parser = endpoint)]
    pub new: Endpoint,
    /// The node that is replaced: its id or how that begins, HOST:PORT, host or port; without it the one at the address
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub which: Option<NodeName>,
    /// Keep the old node, as a replica of the new one
    #[arg(long)]
    pub keep: bool,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `meet`.
#[derive(Clone, Debug, Args)]
pub struct MeetArgs {
    /// Where the members are today
    #[arg(value_name = "HOST:PORT", value_parser = endpoint, required = true, num_args = 2..)]
    pub nodes: Vec<Endpoint>,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `set-timeout`.
#[derive(Clone, Debug, Args)]
pub struct SetTimeoutArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// The timeout, at least 100
    #[arg(value_name = "MILLISECONDS", value_parser = node_timeout)]
    pub timeout: Duration,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `failover`.
#[derive(Clone, Debug, Args)]
pub struct FailoverArgs {
    /// The replica that takes its master's place, or any node of its cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The replica: its id or how that begins, HOST:PORT, host or port; without it the one at the address
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub which: Option<NodeName>,
    /// Without the master, which is dead: what it has not passed on is lost
    #[arg(long, conflicts_with = "takeover")]
    pub force: bool,
    /// Without the master and without a vote, where no majority of masters is left
    #[arg(long)]
    pub takeover: bool,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
