//! How single values are read.

use std::num::NonZeroU64;
use std::time::Duration;

use redistrib_ops::model::{NodeId, SlotSet};
use redistrib_ops::{Endpoint, Secret};

/// `HOST:PORT`.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, String> {
    text.parse().map_err(|error: redistrib_ops::Error| error.to_string())
}

/// A node id of 40 hexadecimal digits.
///
/// # Errors
/// A text that tells where ids are found.
pub fn node_id(text: &str) -> Result<NodeId, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is no node id: `redis-trib list HOST:PORT` shows the ids, 40 hexadecimal digits each")
    })
}

/// A positive number of milliseconds.
pub(super) fn millis(text: &str) -> Result<Duration, String> {
    let count: NonZeroU64 =
        text.parse().map_err(|_| "give a positive number of milliseconds".to_owned())?;
    Ok(Duration::from_millis(count.get()))
}

/// A password; never fails, and never shows in a complaint.
pub(super) fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// `5` or `4-7`, or several of them with commas.
pub(super) fn slots(text: &str) -> Result<SlotSet, String> {
    text.parse().map_err(|error: redistrib_ops::model::SlotSetError| error.to_string())
}
