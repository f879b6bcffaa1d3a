//! Servers that say that they are not ready, as while a script has one to itself, are asked again, but not for ever: slots
//! that were left open for that would stand in everybody's way.

use std::time::Duration;

use redistrib_resp::Reply;

use super::trouble::Trouble;
use crate::Cancel;
use crate::error::{Error, Result};
use crate::wait::until_settled;

/// Asks until no reply says that the server is not ready. After so long that is the answer.
pub(super) fn when_ready(
    longest: Duration,
    cancel: &Cancel,
    mut ask: impl FnMut() -> Result<Vec<Reply>>,
) -> Result<Vec<Reply>> {
    let mut replies = Vec::new();
    let waited = until_settled(longest, cancel, || {
        replies = ask()?;
        Ok(not_ready(&replies))
    });
    match waited {
        Ok(()) | Err(Error::NotSettled { .. }) => Ok(replies),
        Err(error) => Err(error),
    }
}

/// The first refusal that may pass by itself.
pub(super) fn not_ready(replies: &[Reply]) -> Option<String> {
    let mut refusals = replies.iter().filter_map(|reply| reply.view().as_error());
    let passing = refusals.find(|text| Trouble::of(text) == Trouble::Passing)?;
    Some(String::from_utf8_lossy(passing).into_owned())
}
