//! `check`, `info` and `list`.

use clap::Args;

use super::common::{ReportArgs, SeedArgs};

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Say also that no slot has several owners; one that has is told in any case
    #[arg(long)]
    pub search_multiple_owners: bool,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `info`.
#[derive(Clone, Debug, Args)]
pub struct InfoArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `list`.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}
