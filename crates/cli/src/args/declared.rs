//! Clusters that a file declares: `export`, `plan`, `apply`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::MigrationArgs;
use super::common::{ChangeArgs, ReportArgs, SeedArgs};

/// Arguments of `export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// A setting that all nodes have alike, to write it down as well; may be given several times
    #[arg(long, value_name = "NAME")]
    pub setting: Vec<String>,
    /// How to report: the same as JSON, if that is wanted.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `plan`.
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// The file that declares the cluster
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Save the plan, for `apply`
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// End with 2 where there is something to do
    #[arg(long)]
    pub detailed_exitcode: bool,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `apply`.
#[derive(Clone, Debug, Args)]
pub struct ApplyArgs {
    /// The file that declares the cluster, or a plan that `plan --out` has saved
    #[arg(value_name = "FILE|PLAN", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}
