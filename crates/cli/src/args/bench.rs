//! `bench`.

use std::path::PathBuf;

use clap::Args;
use redistrib_ops::Endpoint;
use redistrib_ops::model::NodeName;

use super::MigrationArgs;
use super::common::ChangeArgs;
use super::values::{endpoint, node_name};

/// Arguments of `bench`.
#[derive(Clone, Debug, Args)]
pub struct BenchArgs {
    /// Any node of the cluster; its slots and keys are as before when the bench is done
    #[arg(
        value_name = "HOST:PORT",
        value_parser = endpoint,
        required_unless_present = "lab",
        conflicts_with = "lab"
    )]
    pub node: Option<Endpoint>,
    /// Measure on three masters on this machine, made for this and gone afterwards
    #[arg(long)]
    pub lab: bool,
    /// How many slots to move there and back
    #[arg(long, value_name = "COUNT", default_value_t = 1000)]
    pub slots: u16,
    /// The master that gives them [default: the one with the most slots]
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    pub from: Option<NodeName>,
    /// The master that takes them [default: the one with the fewest slots]
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    pub to: Option<NodeName>,
    /// Draw hold-up and speed over time into this file (SVG)
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
    /// How many keys the lab has
    #[arg(long, value_name = "COUNT", default_value_t = 100_000, requires = "lab")]
    pub keys: usize,
    /// How many bytes each value in the lab has
    #[arg(long, value_name = "BYTES", default_value_t = 64, requires = "lab")]
    pub size: usize,
    /// The lab's server program [default: REDIS_TRIB_SERVER, else valkey-server or redis-server on PATH]
    #[arg(long, value_name = "PATH", requires = "lab")]
    pub server: Option<PathBuf>,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
