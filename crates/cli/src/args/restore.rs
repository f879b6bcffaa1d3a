//! `backup` and `restore`.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use redistrib_ops::Endpoint;
use redistrib_ops::transfer::TransferOptions;

use super::common::{SeedArgs, WorkArgs};
use super::transfer::KeysArgs;
use super::values::endpoint;

/// Arguments of `backup`.
#[derive(Clone, Debug, Args)]
pub struct BackupArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// The folder for the RDB files, nodes.json and the manifest; a new one is made
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// How to go about it.
    #[command(flatten)]
    pub work: WorkArgs,
}

/// Arguments of `restore`.
#[derive(Clone, Debug, Args)]
pub struct RestoreArgs {
    /// The folder that `backup`, or redis-cli's, has written
    #[arg(value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub directory: PathBuf,
    /// Any node of the cluster that takes the keys, or a server that is in none
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// Overwrite keys and functions that are there with another value
    #[arg(long)]
    pub replace: bool,
    /// Which keys, and how fast.
    #[command(flatten)]
    pub keys: KeysArgs,
    /// The server program that loads the files, one that is no older than those that wrote them [default: REDIS_TRIB_SERVER,
    /// else valkey-server or redis-server on PATH]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub server: Option<PathBuf>,
    /// How to go about it.
    #[command(flatten)]
    pub work: WorkArgs,
}

impl RestoreArgs {
    /// Which keys are copied, and how.
    pub fn options(&self) -> TransferOptions {
        TransferOptions { replace: self.replace, ..self.keys.options() }
    }
}
