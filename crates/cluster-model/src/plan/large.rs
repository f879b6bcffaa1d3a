//! Keys so large that one alone holds its servers up: which they are, how long their MIGRATE may take, and how long it
//! will.
//!
//! MIGRATE's timeout is for each step on the network: a part of 64 KiB that is written, and the answer to each key. The
//! target answers a key when it has rebuilt it, so what must fit is what the target takes for the largest key. A source
//! that gives up too early has held everybody up for nothing, as the key is sent again; one that waits too long holds
//! everybody up where the target hangs. So a key's size is asked before its timeout is chosen. Source of what the timeout
//! means: `migrateCommand` in cluster.c of Redis.

use std::time::Duration;

/// A key of at least so many bytes in the source's memory is moved alone, with a timeout of its own. A smaller one is
/// rebuilt within [`PATIENCE`] by machines ten times slower than those of today.
pub const LARGE: u64 = 16 << 20;
/// MIGRATE's timeout for keys that are not large.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// The timeout for a key of unknown size: less than the node timeout of most clusters, 15 s, after which they would take
/// the waiting source for failed.
const BLIND: Duration = Duration::from_secs(10);
/// How many bytes of a key a slow target rebuilds in a second.
const SLOWEST: f64 = (16 << 20) as f64;
/// How many bytes a second go from one server to another of the same machine, about.
const USUAL: f64 = 80e6;

/// Whether a server that holds so much data may have a large key. One that does not say may.
///
/// ```
/// use redistrib_cluster_model::plan::large::{LARGE, may_be_at};
/// assert!(may_be_at(None) && may_be_at(Some(LARGE)) && !may_be_at(Some(LARGE - 1)));
/// ```
pub fn may_be_at(dataset: Option<u64>) -> bool {
    dataset.is_none_or(|bytes| bytes >= LARGE)
}

/// Returns MIGRATE's timeout for a key of so many bytes that was tried so often before: one that fits, then four times
/// as much, and never more than `most`.
///
/// ```
/// use redistrib_cluster_model::plan::large::timeout;
/// use std::time::Duration;
/// let most = Duration::from_secs(60);
/// assert_eq!(timeout(Some(0), 0, most), Duration::from_millis(500));
/// assert_eq!(timeout(Some(240 << 20), 0, most), Duration::from_millis(15_500));
/// assert_eq!(timeout(None, 1, most), Duration::from_secs(40));
/// assert_eq!(timeout(Some(u64::MAX), 9, most), most);
/// ```
pub fn timeout(bytes: Option<u64>, tries: u32, most: Duration) -> Duration {
    let fitting = bytes.map_or(BLIND, |bytes| {
        Duration::try_from_secs_f64(bytes as f64 / SLOWEST).unwrap_or(most).saturating_add(PATIENCE)
    });
    fitting.saturating_mul(4u32.saturating_pow(tries)).min(most)
}

/// How fast large keys go over: a guess, until one has.
///
/// ```
/// use redistrib_cluster_model::plan::large::LargeKeyPace;
/// use std::time::Duration;
/// let mut pace = LargeKeyPace::default();
/// assert_eq!(pace.of(240_000_000), Duration::from_secs(3));
/// pace.observe(100_000_000, Duration::from_secs(10));
/// assert_eq!(pace.of(240_000_000), Duration::from_secs(24));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LargeKeyPace {
    bytes_a_second: f64,
}

impl Default for LargeKeyPace {
    fn default() -> Self {
        Self { bytes_a_second: USUAL }
    }
}

impl LargeKeyPace {
    /// How long a key of so many bytes holds the source up, about.
    pub fn of(&self, bytes: u64) -> Duration {
        Duration::try_from_secs_f64(bytes as f64 / self.bytes_a_second).unwrap_or(Duration::MAX)
    }

    /// Learns from a key that has gone over.
    pub fn observe(&mut self, bytes: u64, took: Duration) {
        self.bytes_a_second = (bytes as f64 / took.as_secs_f64().max(1e-3)).max(1.0);
    }
}
