//! `create`.

use clap::Args;
use redistrib_ops::Endpoint;

use super::common::{ChangeArgs, WaitArgs};
use super::values::endpoint;

/// Arguments of `create`.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// The nodes: in cluster mode, empty, and in no cluster yet
    #[arg(value_name = "HOST:PORT", value_parser = endpoint, required = true)]
    pub nodes: Vec<Endpoint>,
    /// How many replicas each master gets
    #[arg(long, value_name = "COUNT", default_value_t = 0)]
    pub replicas: usize,
    /// Slots in one command, as redis-trib.py bounds them; servers take all of them in one
    #[arg(long, value_name = "COUNT", hide = true)]
    pub max_slots: Option<u16>,
    /// What to wait for.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
