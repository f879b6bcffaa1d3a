//! Waiting, never without an end, for a cluster to reach a state.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::{Cancel, Stop};

/// The time between two looks: short at first, then longer, so that what is quick is seen at once and
/// what is slow is not asked for all the time.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Returns what is wrong already, else what `look` finds.
pub(crate) fn or_look(
    amiss: Option<String>,
    look: impl FnOnce() -> Result<Option<String>>,
) -> Result<Option<String>> {
    amiss.map_or_else(look, |what| Ok(Some(what)))
}

/// Looks again and again until `look` finds nothing wrong; what it finds at the end becomes the error.
pub(crate) fn until_settled(
    deadline: Duration,
    cancel: &Cancel,
    mut look: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    let started = Instant::now();
    let mut pause = FIRST_PAUSE;
    while let Some(what) = look()? {
        if cancel.requested() == Stop::Now {
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
