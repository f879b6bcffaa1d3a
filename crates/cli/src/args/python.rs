//! The verbs of redis-trib.py.

use clap::Args;
use redistrib_ops::Endpoint;
use redistrib_ops::model::{NodeName, SlotSet};

use super::MigrationArgs;
use super::common::{ChangeArgs, WaitArgs};
use super::values::{endpoint, node_name, slots};

/// Arguments of `start` and `start-multi`.
#[derive(Clone, Debug, Args)]
pub struct StartArgs {
    /// The nodes: in cluster mode, empty, and in no cluster yet
    #[arg(value_name = "HOST:PORT", value_parser = endpoint, required = true)]
    pub nodes: Vec<Endpoint>,
    /// What to wait for.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `join-no-load`.
#[derive(Clone, Debug, Args)]
pub struct JoinNoLoadArgs {
    /// Any node of the cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The new node
    #[arg(value_name = "NEW-HOST:PORT", value_parser = endpoint)]
    pub new: Endpoint,
    /// What to wait for.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `join` and `rescue`.
#[derive(Clone, Debug, Args)]
pub struct JoinArgs {
    /// Any node of the cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The new node
    #[arg(value_name = "NEW-HOST:PORT", value_parser = endpoint)]
    pub new: Endpoint,
    /// Slots in one command, as redis-trib.py bounds them; servers take all of them in one
    #[arg(long, value_name = "COUNT", hide = true)]
    pub max_slots: Option<u16>,
    /// How slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `replicate`.
#[derive(Clone, Debug, Args)]
pub struct ReplicateArgs {
    /// The master; with --master-id any node of its cluster
    #[arg(value_name = "MASTER-HOST:PORT", value_parser = endpoint)]
    pub master: Endpoint,
    /// The new node
    #[arg(value_name = "REPLICA-HOST:PORT", value_parser = endpoint)]
    pub replica: Endpoint,
    /// The master: its id or how that begins, HOST:PORT, host or port
    #[arg(long, value_name = "NODE", value_parser = node_name, alias = "primary-id")]
    pub master_id: Option<NodeName>,
    /// What to wait for.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `quit`.
#[derive(Clone, Debug, Args)]
pub struct QuitArgs {
    /// The node that leaves, or any node of its cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The node that leaves: its id or how that begins, HOST:PORT, host or port; without it the one at the address
    #[arg(value_name = "NODE", value_parser = node_name)]
    pub which: Option<NodeName>,
    /// How its slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `shutdown`.
#[derive(Clone, Debug, Args)]
pub struct ShutdownArgs {
    /// The last node of the cluster
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// Do not count nodes that have failed
    #[arg(long)]
    pub ignore_failed: bool,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Arguments of `migrate-slots`.
#[derive(Clone, Debug, Args)]
pub struct MigrateSlotsArgs {
    /// The master that owns the slots: HOST:PORT, or, where the target is one, its id or how that begins, host or port
    #[arg(value_name = "SOURCE", value_parser = node_name)]
    pub source: NodeName,
    /// The master that takes them: HOST:PORT, or, where the source is one, its id or how that begins, host or port
    #[arg(value_name = "TARGET", value_parser = node_name)]
    pub target: NodeName,
    /// Slots and ranges of slots, as in `0 2 4-7`
    #[arg(value_name = "SLOTS", value_parser = slots, required = true)]
    pub slots: Vec<SlotSet>,
    /// How they move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
