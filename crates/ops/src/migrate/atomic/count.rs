//! Whether the keys of slots that servers moved by themselves have arrived: the servers do not look.

use std::collections::BTreeSet;

use redistrib_cluster_model::{ServerInfo, SlotSet, most_removed_beside};

use super::super::counts;
use super::super::link::Link;
use super::super::tally::SlotTally;
use crate::Pair;
use crate::error::Result;

/// What the source holds before a job.
#[derive(Debug)]
pub(super) struct JobTally {
    tally: SlotTally,
    databases: BTreeSet<u32>,
    /// What the source reported about itself then.
    source: ServerInfo,
}

impl JobTally {
    /// Counts the keys of the slots in every database of the source.
    pub(super) fn begin(
        pair: Pair,
        slots: &SlotSet,
        source: &mut Link<'_>,
        target: &mut Link<'_>,
    ) -> Result<Self> {
        let mut tally = SlotTally::begin(pair, target)?;
        let earlier = counts::info(source, "all")?;
        let databases = earlier.databases().into_keys().chain([0]).collect();
        tally.before = counts::count(source, slots, &databases)?;
        Ok(Self { tally, databases, source: earlier })
    }

    /// Compares with what the target has now, and returns how many keys those are.
    ///
    /// # Errors
    /// [`crate::Error::KeysLost`].
    pub(super) fn close(&self, source: &mut Link<'_>, target: &mut Link<'_>) -> Result<u64> {
        self.tally.close(target, &self.databases, |earlier, now| {
            // A source that has died meanwhile says nothing: then anything may have gone.
            let at_source = counts::info(source, "all").unwrap_or_default();
            let at_source = most_removed_beside(&self.source, &at_source);
            most_removed_beside(earlier, now).saturating_add(at_source)
        })
    }
}
