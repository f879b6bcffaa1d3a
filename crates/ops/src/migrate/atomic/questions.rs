//! Which lists of its jobs a server can be asked for.

use redistrib_cluster_model::SlotJob;
use redistrib_resp::{Command, Reply};

use super::read_job;
use crate::error::Result;
use crate::{Connection, commands};

/// The questions for jobs that a server understands: one that it does not would count among its errors, each time.
#[derive(Clone, Debug)]
pub(crate) struct JobQuestions(Vec<Command>);

impl JobQuestions {
    /// Asks the server which it knows.
    ///
    /// # Errors
    /// Those of [`Connection::request`].
    pub(crate) fn that_are_understood(connection: &mut Connection) -> Result<Self> {
        let candidates = [
            ("cluster|migration", commands::imports()),
            ("cluster|getslotmigrations", commands::exports()),
        ];
        let about: Vec<Command> =
            candidates.iter().map(|(name, _)| commands::about_command(*name)).collect();
        let replies = connection.pipeline(&about)?;
        // A server that does not know a command answers null in its place.
        let knows = |reply: &Reply| reply.view().elements().next().is_some_and(|it| !it.is_empty());
        let known = replies.iter().map(knows);
        let understood = candidates.into_iter().zip(known).filter(|(_, known)| *known);
        Ok(Self(understood.map(|((_, command), _)| command).collect()))
    }

    /// The commands.
    pub(crate) fn questions(&self) -> impl Iterator<Item = Command> + '_ {
        self.0.iter().cloned()
    }

    /// The jobs that the replies report, also those that have ended.
    pub(crate) fn read(&self, replies: &[Reply]) -> Vec<SlotJob> {
        let replies = replies.iter().take(self.0.len());
        replies.flat_map(|reply| reply.view().elements()).filter_map(read_job).collect()
    }
}
