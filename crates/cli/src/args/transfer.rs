//! `import` and `copy`: keys from one place to another.

use clap::Args;
use redistrib_ops::migrate::Rate;
use redistrib_ops::transfer::TransferOptions;
use redistrib_ops::{Endpoint, Secret};

use super::common::{SeedArgs, WorkArgs};
use super::fleet::FromArgs;
use super::values::{endpoint, rate, secret};

/// Arguments of `import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The cluster that takes the keys.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Where the keys are.
    #[command(flatten)]
    pub from: FromArgs,
    /// Leave the keys where they are, too
    #[arg(long)]
    pub copy: bool,
    /// Only this database of the source; otherwise all of a server's that hold keys
    #[arg(long, value_name = "NUMBER")]
    pub db: Option<u32>,
    /// The database of the cluster that takes its keys, where it is another
    #[arg(long, value_name = "NUMBER")]
    pub to_db: Option<u32>,
    /// Which keys, and how.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// Arguments of `copy`.
#[derive(Clone, Debug, Args)]
pub struct CopyArgs {
    /// The server that has the keys
    #[arg(value_name = "SOURCE-HOST:PORT", value_parser = endpoint)]
    pub from: Endpoint,
    /// The server that takes them
    #[arg(value_name = "TARGET-HOST:PORT", value_parser = endpoint)]
    pub to: Endpoint,
    /// Only this database; otherwise all that hold keys
    #[arg(long, value_name = "NUMBER")]
    pub db: Option<u32>,
    /// The database of the target that takes its keys, where it is another
    #[arg(long, value_name = "NUMBER")]
    pub to_db: Option<u32>,
    /// Which keys, and how.
    #[command(flatten)]
    pub transfer: TransferArgs,
}

/// Who we are at the server that keys come from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Source")]
pub struct SourceArgs {
    /// ACL user at the source
    #[arg(long, value_name = "NAME")]
    pub from_user: Option<String>,
    /// Password at the source; safer from the environment variable REDIS_TRIB_FROM_AUTH
    #[arg(long, value_name = "PASSWORD", value_parser = secret)]
    pub from_pass: Option<Secret>,
    /// Ask for the password of the source
    #[arg(long)]
    pub from_askpass: bool,
}

/// What copying and restoring have in common.
#[derive(Clone, Debug, Args)]
pub struct KeysArgs {
    /// Only keys that match this pattern
    #[arg(long = "match", value_name = "PATTERN")]
    pub matching: Option<String>,
    /// Read each key back and compare it
    #[arg(long)]
    pub verify: bool,
    /// The most that is copied a second: a number of keys, or of bytes as in 500KB, 20MB, 1GB
    #[arg(long, value_name = "KEYS|BYTES", value_parser = rate)]
    pub rate: Option<Rate>,
}

impl KeysArgs {
    /// The same for the operation.
    pub fn options(&self) -> TransferOptions {
        TransferOptions {
            matching: self.matching.as_ref().map(|pattern| pattern.clone().into_bytes()),
            verify: self.verify,
            rate: self.rate,
            ..TransferOptions::default()
        }
    }
}

/// Which keys are copied, and how.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Transfer")]
pub struct TransferArgs {
    /// Overwrite keys that the target has with another value
    #[arg(long)]
    pub replace: bool,
    /// Which keys, and how fast.
    #[command(flatten)]
    pub keys: KeysArgs,
    /// Connections to each source
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub connections: u16,
    /// Who we are at the source.
    #[command(flatten)]
    pub source: SourceArgs,
    /// How to go about it.
    #[command(flatten)]
    pub work: WorkArgs,
}

impl TransferArgs {
    /// The same for the operation, which leaves the keys at the source.
    pub fn options(&self) -> TransferOptions {
        TransferOptions {
            replace: self.replace,
            connections: usize::from(self.connections),
            ..self.keys.options()
        }
    }
}
