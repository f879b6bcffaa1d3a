//! Keeping to a rate.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::options::Rate;

/// How long a pause lasts at most before the caller looks whether it should stop.
const NAP: Duration = Duration::from_millis(50);

/// A rate shared by several threads. What goes through now is paid for with the time after it, so a batch
/// of any size passes, and the next one waits.
#[derive(Debug)]
pub(crate) struct SharedRate {
    rate: Option<Rate>,
    /// When all that went through is paid for.
    paid: Mutex<Instant>,
}

impl SharedRate {
    pub(crate) fn new(rate: Option<Rate>) -> Self {
        Self { rate, paid: Mutex::new(Instant::now()) }
    }

    /// How many keys may go through together so that the pauses stay short: a tenth of a second's worth.
    pub(crate) fn most_keys(&self) -> usize {
        match self.rate {
            Some(Rate::Keys(keys)) => usize::try_from(keys / 10).unwrap_or(usize::MAX).max(1),
            _ => usize::MAX,
        }
    }

    /// Whether the next may go through without waiting.
    pub(crate) fn is_due(&self) -> bool {
        let paid = || *self.paid.lock().unwrap_or_else(PoisonError::into_inner);
        self.rate.is_none() || paid() <= Instant::now()
    }

    /// Takes note of what goes through, after waiting until what went before is paid for. Ends early when
    /// `stop` says so.
    pub(crate) fn pass(&self, keys: u64, bytes: u64, stop: impl Fn() -> bool) {
        let cost = match self.rate {
            None => return,
            Some(Rate::Keys(rate)) => per_second(keys, rate),
            Some(Rate::Bytes(rate)) => per_second(bytes, rate),
        };
        let until = {
            let mut paid = self.paid.lock().unwrap_or_else(PoisonError::into_inner);
            let from = (*paid).max(Instant::now());
            *paid = from + cost;
            from
        };
        while !stop() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(NAP));
        }
    }
}

/// The time that `amount` takes at `rate` a second, at most a day.
fn per_second(amount: u64, rate: u64) -> Duration {
    let seconds = amount as f64 / rate.max(1) as f64;
    Duration::from_secs_f64(seconds.min(86_400.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_through_is_waited_for() {
        let pace = SharedRate::new(Some(Rate::Keys(1000)));
        assert_eq!(pace.most_keys(), 100);
        let start = Instant::now();
        for _ in 0..3 {
            pace.pass(100, 0, || false);
        }
        assert!(start.elapsed() >= Duration::from_millis(190));
    }

    #[test]
    fn a_stop_ends_the_wait() {
        let pace = SharedRate::new(Some(Rate::Bytes(1)));
        pace.pass(1, 3600, || false);
        pace.pass(1, 1, || true);
    }

    #[test]
    fn no_rate_is_no_bound() {
        let pace = SharedRate::new(None);
        assert_eq!(pace.most_keys(), usize::MAX);
        pace.pass(u64::MAX, u64::MAX, || false);
    }
}
