//! Keeps a migration to a number of keys or bytes a second.

use std::sync::{Mutex, PoisonError};

use super::options::Rate;
use super::pace::SharedRate;
use crate::{Cancel, Stop};

/// Shared by all pairs of a migration. How large keys are is known only once some have gone: the next are taken to be
/// as large as those were.
#[derive(Debug)]
pub(super) struct Limiter {
    rate: Option<Rate>,
    pace: SharedRate,
    gone: Mutex<Gone>,
}

#[derive(Debug, Default)]
struct Gone {
    keys: u64,
    bytes: u64,
}

impl Limiter {
    pub(super) fn new(rate: Option<Rate>) -> Self {
        Self { rate, pace: SharedRate::new(rate), gone: Mutex::default() }
    }

    /// Takes in how large keys are, for rates in bytes.
    pub(super) fn observe(&self, keys: u64, bytes: u64) {
        if self.rate.is_some() && bytes > 0 {
            let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
            gone.keys = gone.keys.saturating_add(keys);
            gone.bytes = gone.bytes.saturating_add(bytes);
        }
    }

    /// Whether the next keys may go without waiting.
    pub(super) fn is_due(&self) -> bool {
        self.pace.is_due()
    }

    /// Waits until that many keys may go.
    pub(super) fn wait(&self, keys: usize, cancel: &Cancel) {
        let keys = keys as u64;
        self.pace.pass(keys, self.bytes_of(keys), || cancel.requested() == Stop::Now);
    }

    fn bytes_of(&self, keys: u64) -> u64 {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        (keys as f64 * gone.bytes as f64 / gone.keys.max(1) as f64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_keys_are_taken_to_be_as_large_as_the_last() {
        let limiter = Limiter::new(Some(Rate::Bytes(1000)));
        assert_eq!(limiter.bytes_of(10), 0);
        limiter.observe(10, 1000);
        assert_eq!(limiter.bytes_of(25), 2500);
        limiter.wait(10, &Cancel::new());
        assert!(!limiter.is_due() && Limiter::new(None).is_due());
    }
}
