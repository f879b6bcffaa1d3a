//! Waiting, never without an end: for a cluster to reach a state, for the system to answer.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::{Cancel, Stop};

/// The time between two looks: short at first, then longer, so that what is quick is seen at once and
/// what is slow is not asked for all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Looks again and again until `look` finds nothing amiss; what it finds at the end becomes the error.
pub(crate) fn until_settled(
    deadline: Duration,
    cancel: &Cancel,
    mut look: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    while let Some(what) = look()? {
        if cancel.wish() == Stop::Now {
            return Err(Error::Cancelled(what));
        }
        if started.elapsed() >= deadline {
            return Err(Error::NotSettled { what, after: deadline });
        }
        thread::sleep(pause);
        pause = (pause * 5 / 4).min(LONGEST_PAUSE);
    }
    Ok(())
}

/// Asks the system for something that takes no deadline, on a thread of its own. An answer that comes too late is
/// left to end by itself.
pub(crate) fn in_time<T: Send + 'static>(
    patience: Duration,
    whom: &str,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (answer, answered) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        // Nobody may be waiting any more.
        let _ = answer.send(ask());
    })?;
    answered.recv_timeout(patience).unwrap_or_else(|_| {
        let text = format!("no answer from {whom} within {} ms", patience.as_millis());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let (release, held) = mpsc::channel::<()>();
        let hang = move || {
            let _ = held.recv();
            Ok(())
        };
        let error = in_time(Duration::from_millis(20), "the resolver", hang).unwrap_err();
        assert_eq!(error.to_string(), "no answer from the resolver within 20 ms");
        drop(release);
    }
}
