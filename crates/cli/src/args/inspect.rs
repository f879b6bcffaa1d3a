//! `check`, `info` and `list`.

use std::time::Duration;

use clap::Args;

use super::common::{ReportArgs, SeedArgs};
use super::values::seconds;

/// Arguments of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Say also that no slot has several owners; one that has is reported in any case
    #[arg(long)]
    pub search_multiple_owners: bool,
    /// Look again every so many seconds, and show what has changed
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub watch: Option<Duration>,
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

/// Arguments of `status`.
#[derive(Clone, Debug, Args)]
pub struct StatusArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Print Prometheus' text format, for node_exporter's textfile collector
    #[arg(long, conflicts_with = "json")]
    pub prometheus: bool,
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
