//! `reshard`, and the options of everything that moves slots.

use std::time::Duration;

use clap::Args;
use redistrib_ops::migrate::{Atomic, MigrateOptions, Rate};
use redistrib_ops::model::NodeName;

use super::common::{ChangeArgs, SeedArgs};
use super::values::{millis, node_name, one_of, rate};

/// Arguments of `reshard`. What is missing is asked for.
#[derive(Clone, Debug, Args)]
pub struct ReshardArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Masters that give slots, with commas between them, or `all`: each its id or how that begins, HOST:PORT, host or port
    #[arg(long, value_name = "NODE,…|all", value_parser = sources)]
    pub from: Option<SourceNames>,
    /// The master that takes them
    #[arg(long, value_name = "NODE", value_parser = node_name)]
    pub to: Option<NodeName>,
    /// Show each slot of the plan also where nobody is asked, as redis-cli does
    #[arg(long, hide = true)]
    pub each_slot: bool,
    /// How many slots
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=16384))]
    pub slots: Option<u16>,
    /// How the slots move.
    #[command(flatten)]
    pub migration: MigrationArgs,
    /// How to go about it.
    #[command(flatten)]
    pub change: ChangeArgs,
}

/// How slots move.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Migration")]
pub struct MigrationArgs {
    /// How long one MIGRATE may take, or an atomic migration may get no further, in milliseconds
    #[arg(long, value_name = "MS", value_parser = millis, default_value = "60000")]
    pub timeout: Duration,
    /// The most keys in one MIGRATE [default: as many as --max-pause allows]
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u32).range(1..))]
    pub pipeline: Option<u32>,
    /// Overwrite keys that the target has already
    #[arg(long)]
    pub replace: bool,
    /// How long the servers may be held up at a time, in milliseconds; 0 for no bound
    #[arg(long, value_name = "MS", default_value_t = 5)]
    pub max_pause: u32,
    /// The most that is moved a second: a number of keys, or of bytes as in 500KB, 20MB, 1GB; by MIGRATE then
    #[arg(long, value_name = "KEYS|BYTES", value_parser = rate)]
    pub rate: Option<Rate>,
    /// Whether to use the atomic migration of Valkey 9 and Redis 8.4
    #[arg(long, value_name = "WHEN", value_parser = one_of(&ATOMIC), default_value = "auto")]
    pub atomic: Atomic,
    /// As redis-cli does: stop where slots are open, instead of asking whether to mend them first
    #[arg(long, hide = true)]
    pub no_mend: bool,
    /// As valkey-cli has it: --atomic always, but MIGRATE where that loses what clients write
    #[arg(long, hide = true, conflicts_with = "atomic")]
    pub use_atomic_slot_migration: bool,
}

impl MigrationArgs {
    /// The same for the engine.
    pub fn options(&self) -> MigrateOptions {
        let pause = Duration::from_millis(u64::from(self.max_pause));
        MigrateOptions {
            timeout: self.timeout,
            keys_per_migrate: self.pipeline.map_or(0, |keys| keys as usize),
            replace: self.replace,
            max_pause: (!pause.is_zero()).then_some(pause),
            rate: self.rate,
            atomic: if self.use_atomic_slot_migration { Atomic::WhereSafe } else { self.atomic },
            ..MigrateOptions::default()
        }
    }
}

const ATOMIC: [(&str, Atomic); 3] =
    [("auto", Atomic::Auto), ("always", Atomic::Always), ("never", Atomic::Never)];

/// The masters that give slots, as they are called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceNames {
    /// All but the one that takes them.
    All,
    /// These.
    Nodes(Vec<NodeName>),
}

fn sources(text: &str) -> Result<SourceNames, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(SourceNames::All);
    }
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    match ids.map(node_name).collect::<Result<Vec<_>, _>>()? {
        ids if ids.is_empty() => Err("give at least one node, or all".into()),
        ids => Ok(SourceNames::Nodes(ids)),
    }
}
