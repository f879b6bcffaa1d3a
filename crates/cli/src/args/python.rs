//! The verbs of redis-trib.py.

use clap::Args;
use redistrib_ops::Endpoint;
use redistrib_ops::model::SlotSet;

use super::MigrationArgs;
use super::common::{ChangeArgs, WaitArgs};
use super::values::{endpoint, slots};

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
    /// The master
    #[arg(value_name = "MASTER-HOST:PORT", value_parser = endpoint)]
    pub master: Endpoint,
    /// The new node
    #[arg(value_name = "REPLICA-HOST:PORT", value_parser = endpoint)]
    pub replica: Endpoint,
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
    /// The node that leaves
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
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
    /// The master that owns the slots
    #[arg(value_name = "SOURCE-HOST:PORT", value_parser = endpoint)]
    pub source: Endpoint,
    /// The master that takes them
    #[arg(value_name = "TARGET-HOST:PORT", value_parser = endpoint)]
    pub target: Endpoint,
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
