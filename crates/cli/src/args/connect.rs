//! Who we are and how we connect: the options that every verb with a server has.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use redistrib_ops::Secret;

use super::values::{millis, secret};

/// The environment variable with the password, as for redis-cli.
pub const PASSWORD_VARIABLE: &str = "REDISCLI_AUTH";
/// The same as valkey-cli has it; it counts where the other is not set.
pub const VALKEY_PASSWORD_VARIABLE: &str = "VALKEYCLI_AUTH";
/// The environment variable with the password of the server that data comes from.
pub const FROM_PASSWORD_VARIABLE: &str = "REDIS_TRIB_FROM_AUTH";

/// Credentials, TLS and patience.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// Password; safer from the environment variable REDISCLI_AUTH or by --askpass
    #[arg(short = 'a', long = "pass", visible_alias = "password", value_name = "PASSWORD", value_parser = secret)]
    pub pass: Option<Secret>,
    /// ACL user to authenticate as
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
    /// Ask for the password, or read it from a pipe; -a and REDISCLI_AUTH do not count then
    #[arg(long)]
    pub askpass: bool,
    /// Do not warn of a password on the command line
    #[arg(long)]
    pub no_auth_warning: bool,
    /// Connect with TLS
    #[arg(long)]
    pub tls: bool,
    /// File of certificate authorities to trust (PEM)
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub cacert: Option<PathBuf>,
    /// Folder of files of certificate authorities to trust
    #[arg(long, value_name = "DIR", requires = "tls")]
    pub cacertdir: Option<PathBuf>,
    /// Own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "key", requires = "tls")]
    pub cert: Option<PathBuf>,
    /// Private key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "cert", requires = "tls")]
    pub key: Option<PathBuf>,
    /// Server name to ask for; the certificate must be for it
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub sni: Option<String>,
    /// Take a certificate for the host's name alone; nodes are reached by the names they announce then
    #[arg(long, requires = "tls", conflicts_with_all = ["insecure", "sni"])]
    pub verify_name: bool,
    /// Take any certificate
    #[arg(long, requires = "tls")]
    pub insecure: bool,
    /// How long a node may take to accept a connection, in milliseconds
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "5000")]
    pub connect_timeout: Duration,
    /// How long a node may take to answer, in milliseconds
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "15000")]
    pub answer_timeout: Duration,
}
