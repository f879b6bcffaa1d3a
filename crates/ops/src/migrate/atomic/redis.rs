//! Redis 8.4: `CLUSTER MIGRATION IMPORT` on the target.
//!
//! Source: the page of CLUSTER MIGRATION on redis.io.

use redistrib_cluster_model::SlotSet;
use redistrib_resp::{Command, Reply};

use super::super::link::Link;
use super::{Job, Progress, add_ranges, field};
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
        let command = Command::new("CLUSTER").arg("MIGRATION").arg("IMPORT");
        let command = add_ranges(command, slots);
        let reply = self.call(&command)?;
        let id = reply.view().as_str().filter(|id| !id.is_empty());
        let id = id.ok_or_else(|| self.target.unexpected(&command, "no task id"))?;
        self.id = id.to_owned();
        Ok(())
    }

    fn look(&mut self) -> Result<Progress> {
        let command =
            Command::new("CLUSTER").arg("MIGRATION").arg("STATUS").arg("ID").arg(&self.id);
        let reply = self.call(&command)?;
        let Some(task) = reply.view().elements().find(|task| field(*task, "id") == self.id) else {
            return Ok(Progress::Failed("the target has forgotten the job".into()));
        };
        let error = field(task, "last_error");
        Ok(match field(task, "state") {
            "completed" => Progress::Done,
            "canceled" | "cancelled" => {
                Progress::Failed(if error.is_empty() { "canceled" } else { error }.to_owned())
            }
            // The target goes on trying, so this is not the end.
            "failed" => Progress::Running(Some(error.to_owned())),
            _ => Progress::Running(None),
        })
    }

    fn cancel(&mut self) -> Result<()> {
        let command =
            Command::new("CLUSTER").arg("MIGRATION").arg("CANCEL").arg("ID").arg(&self.id);
        self.target.pipeline(&[command]).map(drop)
    }

    fn bytes(&mut self) -> Option<u64> {
        None
    }
}
