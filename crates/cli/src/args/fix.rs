//! `fix`.

use clap::Args;
use redistrib_ops::FixOptions;

use super::MigrationArgs;
use super::common::{ChangeArgs, SeedArgs};

/// Arguments of `fix`.
#[derive(Clone, Debug, Args)]
pub struct FixArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Accepted as redis-cli does: slots with several owners are looked for in any case
    #[arg(long)]
    pub search_multiple_owners: bool,
    /// Take slots from masters that do not answer; what only they hold is lost to the cluster
    #[arg(long, visible_alias = "fix-with-unreachable-primaries")]
    pub fix_with_unreachable_masters: bool,
    /// How keys move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

impl FixArgs {
    /// What may be done.
    pub fn options(&self) -> FixOptions {
        FixOptions { take_from_silent_masters: self.fix_with_unreachable_masters }
    }
}
