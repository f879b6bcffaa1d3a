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
pub struct SteeringLimits {
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
/// - It aims at three quarters of the bound, by the median of what a key took in the last bursts: on a
///   busy machine single bursts wait for the processor, whatever their size.
/// - After a burst that took too long the next is half as large all the same, since the keys may really
///   be larger, and after a second in a row it shrinks in proportion; with each burst that did not
///   take too long, that bound doubles again.
/// - It grows at most twofold at a time, and only after a burst that was as large as it could be.
/// - It is never less than one key, nor more than the limits say.
///
/// ```
/// use std::time::Duration;
/// use redistrib_cluster_model::plan::steer::{SteeringLimits, Steering, Verdict};
///
/// let max_pause = Some(Duration::from_millis(5));
/// let mut steering =
///     Steering::new(SteeringLimits { max_pause, keys_per_migrate: 100, migrates_in_flight: 4 });
/// assert_eq!(steering.burst().keys, Steering::FIRST);
/// assert_eq!(steering.observe(Steering::FIRST, Duration::from_micros(200)), Verdict::Within);
/// assert_eq!(steering.burst().keys, 2 * Steering::FIRST);
/// assert_eq!(steering.observe(16, Duration::from_millis(20)), Verdict::TooLong);
/// assert_eq!(steering.burst().keys, 8);
/// assert_eq!(steering.observe(8, Duration::from_millis(10)), Verdict::TooLong);
/// assert_eq!(steering.burst().keys, 3);
/// ```
#[derive(Clone, Debug)]
pub struct Steering {
    limits: SteeringLimits,
    /// Keys in flight, from 1 to the product of the limits.
    window: usize,
    /// What a key took in the last bursts, in nanoseconds; the latest replaces the oldest.
    costs: [u128; Steering::MEMORY],
    /// How many bursts were measured.
    measured: usize,
    /// No more keys than this after bursts that took too long.
    caution: usize,
    /// How many of the last bursts took too long without a break.
    strikes: u32,
}

impl Steering {
    /// How many keys the first burst has, unless the limits allow fewer: few enough to take little
    /// of the usual bound even if each is of tens of kilobytes.
    pub const FIRST: usize = 8;

    /// How many bursts the median is of.
    const MEMORY: usize = 7;

    /// Steering within these limits; limits of 0 are taken for 1.
    pub fn new(limits: SteeringLimits) -> Steering {
        let limits = SteeringLimits {
            keys_per_migrate: limits.keys_per_migrate.max(1),
            migrates_in_flight: limits.migrates_in_flight.max(1),
            ..limits
        };
        let all = limits.keys_per_migrate.saturating_mul(limits.migrates_in_flight);
        let window = if limits.max_pause.is_some() { all.min(Self::FIRST) } else { all };
        Steering { limits, window, costs: [0; Self::MEMORY], measured: 0, caution: all, strikes: 0 }
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
        let (max, held) = (max.as_nanos().max(1), held.as_nanos());
        let keys = keys.max(1);
        self.costs[self.measured % Self::MEMORY] = held / keys as u128;
        self.measured = self.measured.saturating_add(1);
        let too_long = held > max;
        self.strikes = if too_long { self.strikes.saturating_add(1) } else { 0 };
        self.caution = match self.strikes {
            0 => self.caution.saturating_mul(2).min(self.most()),
            1 => self.window.div_ceil(2),
            _ => fitting(keys as u128 * max, held).min(self.window - self.window / 4).max(1),
        };
        self.resize(keys, max);
        match too_long {
            false => Verdict::Within,
            true if keys == 1 => Verdict::OneKeyTooLong,
            true => Verdict::TooLong,
        }
    }

    fn most(&self) -> usize {
        self.limits.keys_per_migrate.saturating_mul(self.limits.migrates_in_flight)
    }

    /// The next number of keys, after a burst of so many.
    fn resize(&mut self, keys: usize, max: u128) {
        let burst = self.burst();
        // A smaller burst than was allowed says nothing about a larger one.
        let full = keys >= burst.keys * burst.migrates;
        let most = if full { self.window.saturating_mul(2) } else { self.window };
        let wanted = fitting(max, self.median_cost());
        self.window = wanted.min(most).min(self.caution).clamp(1, self.most());
    }

    fn median_cost(&self) -> u128 {
        let mut costs = self.costs;
        let costs = &mut costs[..self.measured.min(Self::MEMORY)];
        costs.sort_unstable();
        costs.get(costs.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }
}

/// Three quarters of how often `part` fits into `whole`.
fn fitting(whole: u128, part: u128) -> usize {
    usize::try_from(whole.saturating_mul(3) / part.saturating_mul(4).max(1)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn steering(max_pause: u64, keys_per_migrate: usize, migrates_in_flight: usize) -> Steering {
        let max_pause = (max_pause > 0).then(|| Duration::from_micros(max_pause));
        Steering::new(SteeringLimits { max_pause, keys_per_migrate, migrates_in_flight })
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
    fn bursts_that_wait_for_the_processor_do_not_make_all_others_small() {
        let mut steering = steering(5000, 500, 1);
        run(&mut steering, 30, 0, 10);
        let mut keys = 0;
        for round in 0..100 {
            let burst = steering.burst();
            let waits = if round % 5 == 0 { 20_000 } else { 0 };
            let held = Duration::from_micros(burst.keys as u64 * 10 + waits);
            steering.observe(burst.keys, held);
            keys += burst.keys;
        }
        // 375 keys a burst would be the aim.
        assert!(keys / 100 > 250, "{keys}");
    }

    #[test]
    fn large_keys_that_come_all_at_once_are_met_after_two_bursts() {
        let mut steering = steering(5000, 100, 16);
        run(&mut steering, 30, 150, 10);
        run(&mut steering, 2, 150, 1000);
        let held = run(&mut steering, 1, 150, 1000);
        assert!(held.as_micros() <= 5000, "{held:?}");
    }

    #[test]
    fn a_key_that_alone_is_too_much_is_told() {
        let mut steering = steering(1000, 10, 1);
        let second = Duration::from_secs(1);
        assert_eq!(steering.observe(8, second), Verdict::TooLong);
        assert_eq!(steering.observe(4, second), Verdict::TooLong);
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
