//! `sharded` and `reshard-fleet`, and how a sharded fleet is described.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use redistrib_ops::Endpoint;
use redistrib_ops::fleet::{Fleet, FleetError, FleetOptions};

use super::terminal::OutputArgs;
use super::transfer::TransferArgs;
use super::values::endpoint;
use super::{ConnectArgs, ReportArgs};

/// A sharded fleet: plain servers among which clients choose by a key's checksum.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Fleet")]
pub struct FleetArgs {
    /// A server of the fleet; the masters are called node_1 to node_n. Give it once for each, or several
    /// behind one --node
    #[arg(
        long = "node",
        value_name = "NAME=HOST:PORT",
        required_unless_present = "fleet",
        conflicts_with = "fleet"
    )]
    pub nodes: Vec<String>,
    /// Which of the nodes is the replica of which master; a master without one is paired with itself
    #[arg(long, value_name = "MASTER=REPLICA", conflicts_with = "fleet")]
    pub master_of: Vec<String>,
    /// A TOML file that describes the fleet: `nodes`, and optionally `master_of`, user, password, db
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// The database at each server
    #[arg(long, value_name = "NUMBER")]
    pub db: Option<u32>,
}

impl FleetArgs {
    /// The fleet.
    ///
    /// # Errors
    /// Those of [`Fleet::from_file`] and [`Fleet::from_arguments`].
    pub fn fleet(&self) -> Result<Fleet, FleetError> {
        let fleet = match &self.fleet {
            Some(file) => Fleet::from_file(file)?,
            None => Fleet::from_arguments(&self.nodes, &self.master_of)?,
        };
        Ok(match self.db {
            Some(db) => fleet.at_db(db),
            None => fleet,
        })
    }
}

/// Arguments of `sharded`.
#[derive(Clone, Debug, Args)]
pub struct ShardedArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: ShardedVerb,
}

/// What can be done with a fleet.
#[derive(Clone, Debug, Subcommand)]
pub enum ShardedVerb {
    /// Tell which server has a key, without asking any
    NodeFor(NodeForArgs),
    /// Execute one command on the fleet
    Exec(FleetExecArgs),
    /// Execute commands from a prompt or from standard input
    Shell(FleetShellArgs),
}

impl ShardedVerb {
    /// Whether failures are reported as JSON, too.
    pub fn is_json(&self) -> bool {
        matches!(self, Self::NodeFor(args) if args.report.json)
    }
}

/// Arguments of `sharded node-for`.
#[derive(Clone, Debug, Args)]
pub struct NodeForArgs {
    /// Keys, as their application writes them: the b of `a{b}` decides the place, and a is the name there
    #[arg(value_name = "KEY", required = true)]
    pub keys: Vec<OsString>,
    /// Which fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// Take braces in keys as they are
    #[arg(long)]
    pub literal_keys: bool,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `sharded exec`.
#[derive(Clone, Debug, Args)]
#[command(after_help = crate::render::fleet_rules())]
pub struct FleetExecArgs {
    /// The command and its arguments; options stand before it
    #[arg(
        value_name = "COMMAND",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
    /// Which fleet, and how.
    #[command(flatten)]
    pub session: FleetSessionArgs,
}

/// Arguments of `sharded shell`.
#[derive(Clone, Debug, Args)]
#[command(after_help = crate::render::fleet_rules())]
pub struct FleetShellArgs {
    /// Which fleet, and how.
    #[command(flatten)]
    pub session: FleetSessionArgs,
}

/// A session with a fleet.
#[derive(Clone, Debug, Args)]
pub struct FleetSessionArgs {
    /// Which fleet.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// Read from masters too, not from their replicas
    #[arg(long, visible_alias = "mastersonly")]
    pub masters_only: bool,
    /// Take braces in keys as they are, not for a hash tag
    #[arg(long)]
    pub literal_keys: bool,
    /// How replies look.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

impl FleetSessionArgs {
    /// The same for the client.
    pub fn options(&self) -> FleetOptions {
        FleetOptions { masters_only: self.masters_only, literal_keys: self.literal_keys }
    }
}

/// Where keys come from: servers, or a fleet.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub struct FromArgs {
    /// The server that has the keys; several may be named
    #[arg(long, value_name = "HOST:PORT", value_parser = endpoint)]
    pub from: Vec<Endpoint>,
    /// A master of the fleet that has the keys; once for each
    #[arg(long, value_name = "NAME=HOST:PORT")]
    pub from_node: Vec<String>,
    /// A TOML file that describes the fleet that has the keys
    #[arg(long, value_name = "FILE")]
    pub from_fleet: Option<PathBuf>,
}

impl FromArgs {
    /// The fleet, where keys come from one.
    ///
    /// # Errors
    /// Those of [`Fleet::from_file`] and [`Fleet::from_arguments`].
    pub fn fleet(&self) -> Result<Option<Fleet>, FleetError> {
        match &self.from_fleet {
            Some(file) => Fleet::from_file(file).map(Some),
            None if self.from_node.is_empty() => Ok(None),
            None => Fleet::from_arguments(&self.from_node, &[]).map(Some),
        }
    }
}

/// Arguments of `reshard-fleet`.
#[derive(Clone, Debug, Args)]
pub struct ReshardFleetArgs {
    /// Where the keys are.
    #[command(flatten)]
    pub from: FromArgs,
    /// The fleet that they go to; servers may be in both.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// Leave the keys where they are, too
    #[arg(long)]
    pub copy: bool,
    /// A file with keys as the application writes them, `a{b}`, one a line: the servers do not keep the
    /// hash tags that decide where such keys belong
    #[arg(long, value_name = "FILE")]
    pub tags: Option<PathBuf>,
    /// Which keys, and how.
    #[command(flatten)]
    pub transfer: TransferArgs,
}
