//! Valkey 9: `CLUSTER MIGRATESLOTS` on the source.
//!
//! Sources: the pages of CLUSTER MIGRATESLOTS, GETSLOTMIGRATIONS and CANCELSLOTMIGRATIONS on valkey.io.

use std::collections::BTreeSet;

use redistrib_cluster_model::{NodeId, SlotSet};
use redistrib_resp::{Command, Reply};

use super::super::link::Link;
use super::{Job, Progress, add_ranges, field, stat};
use crate::error::Result;

/// An export of slots by their owner.
#[derive(Debug)]
pub(super) struct Export<'a> {
    source: Link<'a>,
    to: NodeId,
    /// The jobs that the source knew before ours.
    before: BTreeSet<String>,
}

impl<'a> Export<'a> {
    pub(super) fn new(source: Link<'a>, to: NodeId) -> Self {
        Self { source, to, before: BTreeSet::new() }
    }

    fn jobs(&mut self) -> Result<Reply> {
        let list = Command::new("CLUSTER").arg("GETSLOTMIGRATIONS");
        let replies = self.source.call_all(std::slice::from_ref(&list))?;
        let reply = replies.into_iter().next();
        reply.ok_or_else(|| self.source.unexpected(&list, "no reply"))
    }
}

impl Job for Export<'_> {
    fn start(&mut self, slots: &SlotSet) -> Result<()> {
        let known = self.jobs()?;
        self.before = known.view().elements().map(|job| field(job, "name").to_owned()).collect();
        let command = Command::new("CLUSTER").arg("MIGRATESLOTS").arg("SLOTSRANGE");
        let command = add_ranges(command, slots).arg("NODE").arg(self.to.to_string());
        self.source.call_all(&[command]).map(drop)
    }

    fn look(&mut self) -> Result<Progress> {
        let to = self.to.to_string();
        let jobs = self.jobs()?;
        let ours = jobs.view().elements().find(|job| {
            field(*job, "operation") == "EXPORT"
                && field(*job, "target_node") == to
                && !self.before.contains(field(*job, "name"))
        });
        let Some(job) = ours else {
            return Ok(Progress::Failed("the source has forgotten the job".into()));
        };
        let message = field(job, "message");
        Ok(match field(job, "state") {
            "success" => Progress::Done,
            state @ ("failed" | "cancelled") if message.is_empty() => {
                Progress::Failed(state.to_owned())
            }
            "failed" | "cancelled" => Progress::Failed(message.to_owned()),
            _ => Progress::Running(None),
        })
    }

    fn cancel(&mut self) -> Result<()> {
        // It ends all exports of this source: there is no way to name one. A migration has one at a time from a
        // source, and waits for those of others before it begins. An error says that there is nothing to
        // cancel any more.
        self.source.pipeline(&[Command::new("CLUSTER").arg("CANCELSLOTMIGRATIONS")]).map(drop)
    }

    fn bytes(&mut self) -> Option<u64> {
        stat(&mut self.source, "total_net_cluster_slot_export_bytes")
    }
}
