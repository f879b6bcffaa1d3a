//! Valkey 9: `CLUSTER MIGRATESLOTS` on the source.
//!
//! Sources: the pages of CLUSTER MIGRATESLOTS, GETSLOTMIGRATIONS and CANCELSLOTMIGRATIONS on valkey.io, and
//! cluster_migrateslots.c of Valkey.

use std::collections::BTreeSet;

use redistrib_cluster_model::{NodeId, SlotJob, SlotSet};

use super::super::link::Link;
use super::{Job, read_job, stat};
use crate::commands;
use crate::error::{Error, Result};

/// An export of slots by their owner.
#[derive(Debug)]
pub(super) struct Export<'l, 'a> {
    source: &'l mut Link<'a>,
    to: NodeId,
    /// The jobs that the source knew before ours.
    before: BTreeSet<String>,
}

impl<'l, 'a> Export<'l, 'a> {
    pub(super) fn new(source: &'l mut Link<'a>, to: NodeId) -> Self {
        Self { source, to, before: BTreeSet::new() }
    }

    fn jobs(&mut self) -> Result<Vec<SlotJob>> {
        let replies = self.source.call_all(&[commands::exports()])?;
        let jobs = replies.iter().flat_map(|reply| reply.view().elements());
        Ok(jobs.filter_map(read_job).collect())
    }
}

impl Job for Export<'_, '_> {
    fn start(&mut self, slots: &SlotSet) -> Result<()> {
        self.before = self.jobs()?.into_iter().map(|job| job.id).collect();
        self.source.call_all(&[commands::export_slots(slots, self.to)]).map(drop)
    }

    fn look(&mut self) -> Result<Option<SlotJob>> {
        let mut jobs = self.jobs()?.into_iter();
        Ok(jobs.find(|job| job.to == self.to && !self.before.contains(&job.id)))
    }

    fn cancel(&mut self) -> Result<()> {
        // It ends all exports of this source. A migration has one at a time from a source, and waits for those of others
        // before it begins.
        let command = commands::cancel_exports();
        let replies = self.source.pipeline(std::slice::from_ref(&command))?;
        let mut refusals =
            replies.iter().filter_map(|reply| self.source.refusal(&command, reply.view()));
        let is_over = |error: &Error| {
            error.refusal().is_some_and(|text| text.contains("No migrations ongoing"))
        };
        refusals.find(|error| !is_over(error)).map_or(Ok(()), Err)
    }

    fn bytes(&mut self) -> Option<u64> {
        stat(self.source, "total_net_cluster_slot_export_bytes")
    }
}
