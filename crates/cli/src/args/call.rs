//! `call`.

use std::ffi::OsString;

use clap::Args;
use redistrib_ops::Which;

use super::common::{ReportArgs, SeedArgs};

/// Arguments of `call`.
#[derive(Clone, Debug, Args)]
pub struct CallArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// The command and its arguments; options stand before it
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
    /// On masters only
    #[arg(long, aliases = ["only-primaries", "master-only"], conflicts_with = "only_replicas")]
    pub only_masters: bool,
    /// On replicas only
    #[arg(long, alias = "slave-only")]
    pub only_replicas: bool,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

impl CallArgs {
    /// Which nodes are meant.
    pub fn which(&self) -> Which {
        match (self.only_masters, self.only_replicas) {
            (true, _) => Which::Masters,
            (_, true) => Which::Replicas,
            _ => Which::All,
        }
    }
}
