//! Keeps a migration to a number of keys or bytes a second.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::options::Rate;
use crate::{Cancel, Stop};

/// The longest sleep before looking whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// Shared by all pairs of a migration.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Rate>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When the next burst may go.
    next: Instant,
    keys: u64,
    bytes: u64,
}

impl Limiter {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, state: Mutex::new(State { next: Instant::now(), keys: 0, bytes: 0 }) }
    }

    /// Takes in how large keys are, for rates in bytes.
    pub(super) fn observe(&self, keys: u64, bytes: u64) {
        if self.rate.is_some() && bytes > 0 {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.keys = state.keys.saturating_add(keys);
            state.bytes = state.bytes.saturating_add(bytes);
        }
    }

    /// Whether the next keys may go without waiting.
    pub(super) fn is_due(&self) -> bool {
        let next = || self.state.lock().unwrap_or_else(PoisonError::into_inner).next;
        self.rate.is_none() || next() <= Instant::now()
    }

    /// Waits until that many keys may go.
    pub(super) fn wait(&self, keys: usize, cancel: &Cancel) {
        let Some(rate) = self.rate else { return };
        let until = self.book(rate, keys);
        while cancel.wish() != Stop::Now {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(NAP));
        }
    }

    /// Books the time that the keys take; they may go when what was booked before is over.
    fn book(&self, rate: Rate, keys: usize) -> Instant {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let cost = match rate {
            Rate::Keys(most) => keys as f64 / most.max(1) as f64,
            Rate::Bytes(most) => {
                let a_key = state.bytes as f64 / state.keys.max(1) as f64;
                keys as f64 * a_key / most.max(1) as f64
            }
        };
        let from = state.next.max(Instant::now());
        state.next = from + Duration::from_secs_f64(cost.min(3600.0));
        from
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_beyond_the_rate_are_booked_for_later() {
        let limiter = Limiter::new(Some(Rate::Keys(100)));
        let first = limiter.book(Rate::Keys(100), 50);
        let second = limiter.book(Rate::Keys(100), 50);
        assert!(second - first >= Duration::from_millis(500));
        assert!(!limiter.is_due() && Limiter::new(None).is_due());
        limiter.observe(10, 1000);
        let third = limiter.book(Rate::Bytes(1000), 10);
        assert!(limiter.book(Rate::Bytes(1000), 1) - third >= Duration::from_secs(1));
    }
}
