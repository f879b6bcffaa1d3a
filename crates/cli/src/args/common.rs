//! Options that many verbs share.

use clap::Args;
use redistrib_ops::Endpoint;

use super::ConnectArgs;
use super::values::endpoint;

/// The cluster that a verb is about.
#[derive(Clone, Debug, Args)]
pub struct SeedArgs {
    /// Any node of the cluster; `HOST PORT` will do as well
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
}

/// Options of verbs that only look.
#[derive(Clone, Debug, Args)]
pub struct ReportArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// Accepted on every verb; there is nothing to agree to here
    #[arg(long, hide = true)]
    pub yes: bool,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// Options of verbs that change a cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operation")]
pub struct ChangeArgs {
    /// Do not look whether another redis-trib is changing the cluster, and do not keep others away
    #[arg(long)]
    pub no_lock: bool,
    /// As for all that writes.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// Arguments of verbs that change a cluster and need to know no more than which, as `forget-failed`.
#[derive(Clone, Debug, Args)]
pub struct ClusterArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// Options of verbs that form a cluster or bring a node into one.
#[derive(Clone, Copy, Debug, Args)]
pub struct WaitArgs {
    /// Do not wait until new nodes serve clients, and replicas have their masters' data
    #[arg(long)]
    pub no_wait: bool,
}

/// Options of verbs that write something: keys, files, or the shape of a cluster.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Operation")]
pub struct WorkArgs {
    /// Do not ask, continue
    #[arg(long)]
    pub yes: bool,
    /// Only print what would be done
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON events, one a line
    #[arg(long)]
    pub json: bool,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}
