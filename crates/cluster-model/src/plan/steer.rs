//! How many keys to move at once, so that nobody waits longer than is allowed.
//!
//! While a MIGRATE runs, its source serves nobody else, and while the keys are restored, nor does its
//! target; MIGRATEs that arrive in one read run one after the other without a break. What clients wait
//! is therefore the time that all keys in flight take together. How long a key takes depends on its
//! size, the machines and the network between them, so it is measured rather than known: each burst
//! is timed, and the size of the next follows from it.

use std::time::Duration;

/// What a [`Steering`] keeps to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long a server may be held up by one burst; none for no bound.
    pub max_pause: Option<Duration>,
    /// How many keys one MIGRATE may name, at least 1.
    pub keys_per_migrate: usize,
    /// How many MIGRATEs may be in flight at once, at least 1.
    pub migrates_in_flight: usize,
}

/// What to send next: `migrates` commands of at most `keys` keys each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Burst {
    /// How many keys one MIGRATE names at most, at least 1.
    pub keys: usize,
    /// How many MIGRATEs are sent without waiting for the first to be answered, at least 1.
    pub migrates: usize,
}

/// What a measured burst says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It held the servers up no longer than is allowed.
    Within,
    /// It held them up too long; the next will be smaller.
    TooLong,
    /// It held them up too long though it was of one key: nothing can be sent that is smaller.
    OneKeyTooLong,
}

/// Steers the number of keys in flight by how long the servers were held up.
///
/// - The first burst is of [`Steering::FIRST`] keys.
/// - Until a burst first comes near the bound the number doubles, then it grows by an eighth each time,
///   as long as a burst took less than half of what is allowed and was as large as it could be.
/// - After a burst that took too long it shrinks in proportion, to three quarters of what would have
///   just been allowed, and in any case by a quarter.
/// - It is never less than one key, nor more than the limits say.
///
/// ```
/// use std::time::Duration;
/// use redistrib_cluster_model::plan::steer::{Limits, Steering, Verdict};
///
/// let max_pause = Some(Duration::from_millis(5));
/// let mut steering =
///     Steering::new(Limits { max_pause, keys_per_migrate: 100, migrates_in_flight: 4 });
/// assert_eq!(steering.burst().keys, Steering::FIRST);
/// assert_eq!(steering.observe(Steering::FIRST, Duration::from_micros(200)), Verdict::Within);
/// assert_eq!(steering.burst().keys, 2 * Steering::FIRST);
/// assert_eq!(steering.observe(16, Duration::from_millis(20)), Verdict::TooLong);
/// assert_eq!(steering.burst().keys, 3);
/// ```
#[derive(Clone, Debug)]
pub struct Steering {
    limits: Limits,
    /// Keys in flight, from 1 to the product of the limits.
    window: usize,
    /// Whether no burst has come near the bound yet.
    doubling: bool,
}

impl Steering {
    /// How many keys the first burst has, unless the limits allow fewer: few enough to take little
    /// of the usual bound even if each is of tens of kilobytes.
    pub const FIRST: usize = 8;

    /// Steering within these limits; limits of 0 are taken for 1.
    pub fn new(limits: Limits) -> Steering {
        let limits = Limits {
            keys_per_migrate: limits.keys_per_migrate.max(1),
            migrates_in_flight: limits.migrates_in_flight.max(1),
            ..limits
        };
        let all = limits.keys_per_migrate.saturating_mul(limits.migrates_in_flight);
        let window = if limits.max_pause.is_some() { all.min(Self::FIRST) } else { all };
        Steering { limits, window, doubling: true }
    }

    /// What to send next. It never has more keys than may be in flight: what does not fill a whole
    /// MIGRATE is left for the next burst.
    pub fn burst(&self) -> Burst {
        let keys = self.window.min(self.limits.keys_per_migrate);
        Burst { keys, migrates: (self.window / keys).min(self.limits.migrates_in_flight) }
    }

    /// Learns from a burst of so many keys that held the servers up for so long: from when it was
    /// sent until its last answer, less the round trip of an idle connection if that is known.
    pub fn observe(&mut self, keys: usize, held: Duration) -> Verdict {
        let Some(max) = self.limits.max_pause else { return Verdict::Within };
        let (max, held) = (max.as_micros().max(1), held.as_micros());
        if held > max {
            self.doubling = false;
            self.shrink(keys, max, held);
            return if keys <= 1 { Verdict::OneKeyTooLong } else { Verdict::TooLong };
        }
        let burst = self.burst();
        if held * 2 > max {
            self.doubling = false;
        } else if keys >= burst.keys * burst.migrates {
            // A smaller burst than was allowed says nothing about a larger one.
            self.grow();
        }
        Verdict::Within
    }

    fn grow(&mut self) {
        let more = if self.doubling { self.window } else { self.window / 8 + 1 };
        let most = self.limits.keys_per_migrate.saturating_mul(self.limits.migrates_in_flight);
        self.window = self.window.saturating_add(more).min(most);
    }

    fn shrink(&mut self, keys: usize, max: u128, held: u128) {
        let allowed = keys.max(1) as u128 * max * 3 / (held * 4);
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
        self.window = allowed.min(self.window - self.window / 4).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steering(max_pause: u64, keys_per_migrate: usize, migrates_in_flight: usize) -> Steering {
        let max_pause = (max_pause > 0).then(|| Duration::from_micros(max_pause));
        Steering::new(Limits { max_pause, keys_per_migrate, migrates_in_flight })
    }

    /// Sends bursts to servers that take so long for a MIGRATE and each key; what the last took.
    fn run(steering: &mut Steering, bursts: usize, migrate: u64, key: u64) -> Duration {
        let mut held = Duration::ZERO;
        for _ in 0..bursts {
            let Burst { keys, migrates } = steering.burst();
            let micros = (migrate + keys as u64 * key) * migrates as u64;
            held = Duration::from_micros(micros);
            steering.observe(keys * migrates, held);
        }
        held
    }

    #[test]
    fn without_a_bound_all_is_sent_at_once() {
        let mut steering = steering(0, 100, 8);
        assert_eq!(steering.observe(800, Duration::from_secs(9)), Verdict::Within);
        assert_eq!(steering.burst(), Burst { keys: 100, migrates: 8 });
    }

    #[test]
    fn small_keys_soon_use_the_allowance() {
        let mut steering = steering(5000, 100, 16);
        let held = run(&mut steering, 30, 150, 10);
        assert!((1500..=5000).contains(&held.as_micros()), "{held:?}");
    }

    #[test]
    fn large_keys_that_come_all_at_once_are_met_at_once() {
        let mut steering = steering(5000, 100, 16);
        run(&mut steering, 30, 150, 10);
        run(&mut steering, 1, 150, 1000);
        let held = run(&mut steering, 1, 150, 1000);
        assert!(held.as_micros() <= 5000, "{held:?}");
    }

    #[test]
    fn a_key_that_alone_is_too_much_is_told() {
        let mut steering = steering(1000, 10, 1);
        let second = Duration::from_secs(1);
        assert_eq!(steering.observe(8, second), Verdict::TooLong);
        assert_eq!(steering.burst(), Burst { keys: 1, migrates: 1 });
        assert_eq!(steering.observe(1, second), Verdict::OneKeyTooLong);
        assert_eq!(steering.burst(), Burst { keys: 1, migrates: 1 });
    }

    #[test]
    fn a_burst_that_was_not_full_does_not_make_the_next_larger() {
        let mut steering = steering(5000, 100, 4);
        steering.observe(3, Duration::from_micros(10));
        assert_eq!(steering.burst().keys, Steering::FIRST);
    }

    proptest! {
        #[test]
        fn bursts_stay_within_the_limits(
            max in 0u64..10_000,
            keys in 0usize..200,
            in_flight in 0usize..20,
            held in prop::collection::vec(any::<u64>(), 0..50),
        ) {
            let mut steering = steering(max, keys, in_flight);
            for held in held {
                let burst = steering.burst();
                prop_assert!((1..=keys.max(1)).contains(&burst.keys));
                prop_assert!((1..=in_flight.max(1)).contains(&burst.migrates));
                steering.observe(burst.keys * burst.migrates, Duration::from_micros(held));
            }
        }

        /// Whatever a key costs: once that has been learnt, no burst takes too long, as long as one
        /// key alone does not.
        #[test]
        fn the_bound_is_kept(key in 1u64..2000, migrate in 0u64..1000) {
            let mut steering = steering(5000, 500, 8);
            run(&mut steering, 100, migrate, key);
            let over = (0..100)
                .filter(|_| run(&mut steering, 1, migrate, key).as_micros() > 5000)
                .count();
            prop_assert_eq!(over, 0);
        }
    }
}
