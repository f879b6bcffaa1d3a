//! Very many commands into a cluster: each to its owner, many at a time, while slots may be on the move.

use std::collections::HashSet;
use std::time::Duration;

use redistrib_cluster_model::Slot;
use redistrib_resp::{Command, Pipeline, Reply};

use super::Pauses;
use super::batch::{Batch, CommandSource, PendingCommand, PendingCommands, StreamEnd};
use super::redirect::{Continuation, Redirect, verdict};
use super::requests::RequestError;
use super::router::{NodeIndex, Router};
use crate::error::{Error, Result};
use crate::{Cancel, Endpoint, Settings, Stop, StreamError};

/// How long commands that nobody takes are tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// After so many redirects in a row a command waits a little: its slot is between two nodes.
const QUICK_REDIRECTS: u32 = 3;

/// What came of a stream of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Insertion {
    /// Replies, those that are errors among them.
    pub replies: u64,
    /// Error replies.
    pub errors: u64,
    /// How often a command was sent on to another node.
    pub redirects: u64,
}

/// What came of an insertion so far, and who is notified of each error text.
pub struct InsertTally<'a> {
    pub(super) counts: Insertion,
    refused: &'a mut dyn FnMut(&[u8]),
}

impl std::fmt::Debug for InsertTally<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tally").field("counts", &self.counts).finish_non_exhaustive()
    }
}

impl<'a> InsertTally<'a> {
    /// Nothing came yet; `refused` will get each error text.
    pub fn new(refused: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { counts: Insertion::default(), refused }
    }

    /// What came so far, also of an insertion that has failed.
    pub fn counts(&self) -> Insertion {
        self.counts
    }

    pub(super) fn count(&mut self, reply: &Reply) {
        self.counts.replies += 1;
        if let Some(text) = reply.view().as_error() {
            self.counts.errors += 1;
            (self.refused)(text);
        }
    }
}

/// Sends each command to the master of its key, follows slots that move, and counts the replies. Commands on one key are executed in the order of the stream, and so those on one
/// slot while its node refuses them for the moment; only where it comes to its senses in the midst of the
/// very burst in which it first refused may a later command on a key come before an earlier one. Those
/// without a key go to `seed`. Keys are those of `database`, until a SELECT in the stream names another.
///
/// No command is sent again once it may have been executed: where a connection breaks, the insertion ends
/// with an error that says how many commands are in doubt.
///
/// # Errors
/// [`Error::Stream`] for a stream that is broken or holds what cannot be routed (transactions,
/// subscriptions), once the commands before that are answered; [`Error::Cancelled`], and those of
/// [`crate::Connection::request`].
pub fn insert(
    requests: impl Iterator<Item = Result<Command, RequestError>>,
    seed: &Endpoint,
    database: u32,
    settings: &Settings,
    cancel: &Cancel,
    tally: &mut InsertTally<'_>,
) -> Result<()> {
    let mut source = CommandSource::open(requests, seed, settings)?;
    let router = Router::open(seed, database, settings)?;
    let mut work = Inserting { router, tally, out: Pipeline::new(), refusing: HashSet::new() };
    let mut batch = source.next_batch();
    loop {
        let under_way = work.send(batch.jobs.into_iter().enumerate().collect())?;
        // The servers work while the next commands are read.
        let next = if batch.end.is_none() { source.next_batch() } else { Batch::default() };
        work.work_off(under_way, cancel)?;
        let done = work.tally.counts.replies;
        batch = match batch.end {
            None => next,
            Some(StreamEnd::Select(database)) => {
                work.select(database)?;
                source.next_batch()
            }
            Some(end) => return end.outcome(done),
        };
        if cancel.requested() != Stop::No {
            return Err(Error::Cancelled(format!("{done} commands have been answered")));
        }
    }
}

/// Commands sent, and those that could not be.
#[derive(Default)]
struct UnderWay {
    sent: Vec<(NodeIndex, PendingCommands)>,
    /// Held back, or meant for a node that cannot be reached.
    left: PendingCommands,
}

/// What a round of sending and receiving leaves.
#[derive(Default)]
struct Round {
    /// To be sent again.
    again: PendingCommands,
    /// Whether any command was answered for good, or learnt a new place.
    progress: bool,
}

/// Brings batches of commands to the nodes.
struct Inserting<'a, 'b> {
    router: Router,
    tally: &'a mut InsertTally<'b>,
    out: Pipeline,
    /// Slots whose node refused a command for the moment: no other may overtake it.
    refusing: HashSet<Slot>,
}

impl Inserting<'_, '_> {
    /// Selects a database at all nodes; what was sent before has been answered.
    fn select(&mut self, database: u32) -> Result<()> {
        self.router.select(database)?;
        self.tally.counts.replies += 1;
        Ok(())
    }

    /// Receives and sends again until each command has its answer.
    fn work_off(&mut self, mut under_way: UnderWay, cancel: &Cancel) -> Result<()> {
        let mut pauses = Pauses::new(PATIENCE);
        loop {
            let mut round = self.receive(under_way)?;
            if round.again.is_empty() {
                return Ok(());
            }
            if round.progress {
                pauses = Pauses::new(PATIENCE);
            } else if cancel.requested() != Stop::No || !pauses.pause() {
                return Err(Error::NotSettled { what: stuck(&round.again), after: PATIENCE });
            }
            round.again.sort_unstable_by_key(|(place, _)| *place);
            under_way = self.send(round.again)?;
        }
    }

    /// Sends what may be sent now, to all nodes.
    fn send(&mut self, jobs: PendingCommands) -> Result<UnderWay> {
        let (now, left) = self.due(jobs);
        let mut under_way = UnderWay { left, ..UnderWay::default() };
        for (node, jobs) in now {
            // A node that cannot be reached has executed nothing: its slots may soon be elsewhere.
            let Ok(link) = self.router.link(node) else {
                let _ = self.router.learn();
                under_way.left.extend(jobs);
                continue;
            };
            self.out.clear();
            for (_, job) in &jobs {
                if job.asked_of.is_some() {
                    self.out.command(&[b"ASKING"]);
                }
                self.out.push(&job.command);
            }
            link.send_raw(self.out.as_bytes()).map_err(|error| in_doubt(&error, jobs.len()))?;
            under_way.sent.push((node, jobs));
        }
        Ok(under_way)
    }

    /// Divides the jobs into those to be sent now, by node, and those to be held back. Behind a command with
    /// several keys nothing of its slot is sent before its answer, since it alone may be told TRYAGAIN; nor
    /// behind any command where the node refused one.
    fn due(&self, jobs: PendingCommands) -> (Vec<(NodeIndex, PendingCommands)>, PendingCommands) {
        let mut closed: HashSet<Slot> = HashSet::new();
        let mut held = Vec::new();
        let mut now: Vec<Option<(NodeIndex, PendingCommands)>> = Vec::new();
        now.resize_with(self.router.len(), || None);
        for (place, job) in jobs {
            let slot = job.route.map(|route| route.slot);
            if slot.is_some_and(|slot| closed.contains(&slot)) {
                held.push((place, job));
                continue;
            }
            let owner = slot.map_or(NodeIndex::SEED, |slot| self.router.owner(slot));
            let node = job.asked_of.unwrap_or(owner);
            if let Some(route) = job.route
                && (route.many || self.refusing.contains(&route.slot))
            {
                closed.insert(route.slot);
            }
            if let Some(entry) = now.get_mut(node.get()) {
                entry.get_or_insert_with(|| (node, Vec::new())).1.push((place, job));
            }
        }
        (now.into_iter().flatten().collect(), held)
    }

    /// Receives the answers from all nodes.
    fn receive(&mut self, under_way: UnderWay) -> Result<Round> {
        let mut round = Round { again: under_way.left, progress: false };
        for (node, jobs) in under_way.sent {
            let mut left = jobs.len();
            let endpoint = self.router.endpoint(node);
            for (place, job) in jobs {
                let reply = self.answer(node, &job).map_err(|error| in_doubt(&error, left))?;
                left -= 1;
                self.judge(place, job, &reply, &endpoint, &mut round);
            }
        }
        Ok(round)
    }

    fn answer(&mut self, node: NodeIndex, job: &PendingCommand) -> Result<Reply> {
        let link = self.router.link(node)?;
        if job.asked_of.is_some() {
            link.receive(&crate::commands::asking())?;
        }
        link.receive(&job.command)
    }

    /// Counts an answer, or puts the command among those to be sent again.
    fn judge(
        &mut self,
        place: usize,
        job: PendingCommand,
        reply: &Reply,
        from: &Endpoint,
        round: &mut Round,
    ) {
        let slot = job.route.map(|route| route.slot);
        match verdict(reply, from) {
            Continuation::Done => {
                round.progress = true;
                self.tally.count(reply);
                if let Some(slot) = slot {
                    self.refusing.remove(&slot);
                }
            }
            Continuation::Later => {
                self.refusing.extend(slot);
                round.again.push((place, job));
            }
            Continuation::Elsewhere(redirect) => {
                self.tally.counts.redirects += 1;
                round.again.push((place, self.redirected(job, &redirect, &mut round.progress)));
            }
        }
    }

    /// Takes note of where a job belongs. One that is sent about again and again is no progress.
    fn redirected(
        &mut self,
        mut job: PendingCommand,
        redirect: &Redirect,
        progress: &mut bool,
    ) -> PendingCommand {
        job.redirects += 1;
        *progress |= job.redirects <= QUICK_REDIRECTS;
        let node = self.router.find(&redirect.to);
        job.asked_of = redirect.ask.then_some(node);
        if !redirect.ask {
            self.router.set_owner(redirect.slot, node);
        }
        job
    }
}

fn in_doubt(error: &Error, commands: usize) -> Error {
    StreamError::InDoubt { why: error.to_string(), commands }.into()
}

fn stuck(waiting: &[(usize, PendingCommand)]) -> String {
    let slots: HashSet<_> =
        waiting.iter().filter_map(|(_, job)| Some(job.route?.slot.get())).collect();
    let first =
        slots.iter().min().map(|slot| format!(", slot {slot} among them")).unwrap_or_default();
    format!("{} commands find no node that takes them{first}", waiting.len())
}
