//! How slots are to be moved.

use std::time::Duration;

/// What the caller may choose about a migration.
///
/// ```
/// use redistrib_ops::migrate::MigrateOptions;
/// use std::time::Duration;
/// let gentle = MigrateOptions { max_pause: Some(Duration::from_millis(2)), ..Default::default() };
/// assert!(!gentle.replace);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct MigrateOptions {
    /// The longest that one MIGRATE may wait for the network or the target before the source gives it up:
    /// MIGRATE's own timeout. Keys get at most half a second at first, since the source serves nobody
    /// meanwhile; one of 16 MiB or more gets a time that fits its size, and one that failed more at each try. Where the servers move slots by themselves: how long they may
    /// get no further before the job is cancelled. Default 60 s.
    pub timeout: Duration,
    /// The most keys in one MIGRATE; 0 is no bound but the pause budget. Default 0.
    pub keys_per_migrate: usize,
    /// Overwrites keys that the target already has.
    pub replace: bool,
    /// How long the servers may be held up at a time; `None` is no bound. Default 5 ms.
    pub max_pause: Option<Duration>,
    /// The most that is moved a second, all pairs together.
    pub rate: Option<Rate>,
    /// Whether the servers' own atomic migration is used.
    pub atomic: Atomic,
    /// How long to wait for the target to be ready at the start, and for all nodes to agree at the
    /// end. Default 30 s.
    pub settle: Duration,
}

impl Default for MigrateOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(60),
            keys_per_migrate: 0,
            replace: false,
            max_pause: Some(Duration::from_millis(5)),
            rate: None,
            atomic: Atomic::Auto,
            settle: Duration::from_secs(30),
        }
    }
}

/// A bound on what is moved a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rate {
    /// Keys a second.
    Keys(u64),
    /// Bytes a second, by what the keys take in the source's memory.
    Bytes(u64),
}

/// Whether the servers' own atomic migration is used (`CLUSTER MIGRATESLOTS` of Valkey 9, `CLUSTER MIGRATION
/// IMPORT` of Redis 8.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Atomic {
    /// Where both nodes of a pair can.
    #[default]
    Auto,
    /// An error where a pair cannot.
    Always,
    /// The same, but MIGRATE and a warning where servers that can would lose what clients write meanwhile.
    WhereSafe,
    /// MIGRATE everywhere.
    Never,
}

impl Atomic {
    /// Whether a pair of servers that cannot is an error.
    pub(crate) fn is_demanded(self) -> bool {
        matches!(self, Self::Always | Self::WhereSafe)
    }
}
