//! Measures how long servers are held up: a PING at a fixed rate, from a thread of its own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::{Connection, Endpoint, Settings, limits};

/// The time from one PING to the next.
const INTERVAL: Duration = Duration::from_millis(1);
/// How often it is looked for answers.
const LOOK: Duration = Duration::from_micros(100);

/// A thread that sends PING to one server, a thousand times a second.
#[derive(Debug)]
pub struct Probe {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Vec<PingSample>>>,
}

/// One PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingSample {
    /// When it was sent, from the probe's origin on.
    pub at: Duration,
    /// How long it waited for its answer.
    pub held: Duration,
}

impl Probe {
    /// Connects and starts; samples are timed from `origin` on.
    ///
    /// # Errors
    /// Those of [`Connection::open`]; [`Error::Threads`].
    pub fn start(endpoint: &Endpoint, settings: &Settings, origin: Instant) -> Result<Self> {
        let connection = Connection::open(endpoint, settings)?;
        let stop = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stop);
        let thread = limits::spawn(move || measure(connection, &flag, origin))
            .map_err(|source| Error::Threads { source })?;
        Ok(Self { stop, thread })
    }

    /// Stops and gives what was measured.
    ///
    /// # Errors
    /// Those of [`Connection::call`] where a PING failed; the probe has ended at that point.
    pub fn finish(self) -> Result<Vec<PingSample>> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Sends each PING when it is due, whether or not those before it have been answered: a long pause counts for every
/// client that comes in it, and none has to wait for another.
fn measure(
    mut connection: Connection,
    stop: &AtomicBool,
    origin: Instant,
) -> Result<Vec<PingSample>> {
    let ping = crate::commands::ping();
    let mut samples = Vec::new();
    let mut unanswered: VecDeque<Instant> = VecDeque::new();
    let mut due = Instant::now();
    loop {
        while connection.arrived()?.is_some() {
            let Some(sent) = unanswered.pop_front() else { break };
            let at = sent.saturating_duration_since(origin);
            samples.push(PingSample { at, held: sent.elapsed() });
        }
        let is_ending = stop.load(Ordering::SeqCst);
        if is_ending && unanswered.is_empty() {
            return Ok(samples);
        }
        let now = Instant::now();
        if unanswered.front().is_some_and(|sent| now - *sent > connection.timeout()) {
            return Err(connection.give_up(&ping, connection.timeout()));
        }
        if due <= now && !is_ending {
            connection.send(std::slice::from_ref(&ping))?;
            unanswered.push_back(now);
            // Where this thread woke late, the clients that it missed are not made up for.
            due = (due + INTERVAL).max(now);
        }
        let rest = due.saturating_duration_since(Instant::now());
        let wait = if is_ending { LOOK } else { rest };
        thread::sleep(if unanswered.is_empty() { wait } else { wait.min(LOOK) });
    }
}

/// How long clients were held up, of all samples of one or more probes. Serialized in microseconds.
///
/// ```
/// use redistrib_ops::bench::HoldUp;
/// use std::time::Duration;
/// let samples: Vec<_> = (1..=1000).map(Duration::from_micros).collect();
/// let hold_up = HoldUp::of(samples);
/// assert_eq!(hold_up.p50, Duration::from_micros(500));
/// assert_eq!(hold_up.p999, Duration::from_micros(999));
/// assert_eq!(hold_up.max, Duration::from_micros(1000));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct HoldUp {
    /// How many samples there are.
    pub samples: usize,
    /// Half of them waited no longer.
    #[serde(rename = "p50_us", serialize_with = "crate::observer::as_micros")]
    pub p50: Duration,
    /// 99 % of them waited no longer.
    #[serde(rename = "p99_us", serialize_with = "crate::observer::as_micros")]
    pub p99: Duration,
    /// 99.9 % of them waited no longer.
    #[serde(rename = "p999_us", serialize_with = "crate::observer::as_micros")]
    pub p999: Duration,
    /// The longest wait.
    #[serde(rename = "max_us", serialize_with = "crate::observer::as_micros")]
    pub max: Duration,
}

impl HoldUp {
    /// The percentiles of these waits (the nearest rank). Without any, all are zero.
    pub fn of(mut held: Vec<Duration>) -> Self {
        held.sort_unstable();
        let rank = |thousandths: usize| {
            let rank = (held.len() * thousandths).div_ceil(1000);
            held.get(rank.saturating_sub(1)).copied().unwrap_or_default()
        };
        let (p50, p99, p999, max) = (rank(500), rank(990), rank(999), rank(1000));
        Self { samples: held.len(), p50, p99, p999, max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_samples_have_percentiles_too() {
        assert_eq!(HoldUp::of(Vec::new()), HoldUp::default());
        let one = HoldUp::of(vec![Duration::from_micros(7)]);
        assert_eq!((one.p50, one.max, one.samples), (one.p999, one.p99, 1));
        let two = HoldUp::of(vec![Duration::from_micros(9), Duration::from_micros(1)]);
        assert_eq!((two.p50.as_micros(), two.p99.as_micros()), (1, 9));
    }
}
