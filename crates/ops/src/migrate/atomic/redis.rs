//! Redis 8.4: `CLUSTER MIGRATION IMPORT` on the target.
//!
//! Sources: the page of CLUSTER MIGRATION on redis.io, and cluster_asm.c of Redis.

use redistrib_cluster_model::{SlotJob, SlotSet};
use redistrib_resp::{Command, Reply};

use super::super::link::Link;
use super::{Job, read_job, stat};
use crate::commands;
use crate::error::Result;

/// An import of slots by their owner to be.
#[derive(Debug)]
pub(super) struct Import<'l, 'a> {
    target: &'l mut Link<'a>,
    /// The server's name for the job.
    id: String,
}

impl<'l, 'a> Import<'l, 'a> {
    pub(super) fn new(target: &'l mut Link<'a>) -> Self {
        Self { target, id: String::new() }
    }

    fn call(&mut self, command: &Command) -> Result<Reply> {
        let replies = self.target.call_all(std::slice::from_ref(command))?;
        let reply = replies.into_iter().next();
        reply.ok_or_else(|| self.target.unexpected(command, "no reply"))
    }
}

impl Job for Import<'_, '_> {
    fn start(&mut self, slots: &SlotSet) -> Result<()> {
        let command = commands::import_slots(slots);
        let reply = self.call(&command)?;
        let id = reply.view().as_str().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| self.target.unexpected(&command, "no task id"))?;
        self.id = id.to_owned();
        Ok(())
    }

    fn look(&mut self) -> Result<Option<SlotJob>> {
        let reply = self.call(&commands::import_status(&self.id))?;
        let job = reply.view().elements().filter_map(read_job).find(|job| job.id == self.id);
        Ok(job)
    }

    fn cancel(&mut self) -> Result<()> {
        self.target.pipeline(&[commands::cancel_import(&self.id)]).map(drop)
    }

    /// What the target has received as if from a master: it follows none, so that is from imports alone.
    fn bytes(&mut self) -> Option<u64> {
        stat(self.target, "total_net_repl_input_bytes")
    }
}
