//! Migration by the servers themselves: all slots of a pair change hands at once, or none does.
//!
//! The tool starts a job, watches it, and cancels it if it is to stop or gets no further: nothing is ever left open. A
//! tool that dies leaves a job that the servers bring to its end, or try again and again; the next run looks for those.

mod count;
mod questions;
mod redis;
mod running;
mod valkey;

use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{JobWatch, NodeId, Phase, SlotJob, SlotSet, counted};
use redistrib_resp::{Command, Reply, View};

use count::JobTally;
pub(crate) use questions::JobQuestions;
pub(crate) use running::finish_running_at;
pub(crate) use running::{any_running, known_jobs};
pub use running::{finish_running, jobs};

use super::link::Link;
use super::options::Atomic;
use super::ready::when_ready;
use super::shared::Shared;
use crate::commands::replies::info_in;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cancel, Connection, Event, Method, MoveError, Pair, Stop};

/// Between two looks at a job: a small part of the time that it has taken already.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(100);
const PART_OF_WAIT: u32 = 50;

/// How one kind of server does it.
trait Job: std::fmt::Debug {
    /// Starts; a refusal has changed nothing.
    fn start(&mut self, slots: &SlotSet) -> Result<()>;
    /// Asks how far the job is; nothing where the server knows it no more.
    fn look(&mut self) -> Result<Option<SlotJob>>;
    /// Asks for its end. It may be through already.
    fn cancel(&mut self) -> Result<()>;
    /// How many bytes the server has sent or received for such jobs since its start, if it reports that.
    fn bytes(&mut self) -> Option<u64>;
}

/// A field of a node's `INFO stats`.
fn stat(node: &mut Link<'_>, field: &str) -> Option<u64> {
    let replies = node.pipeline(&[crate::commands::info_of("stats")]).ok()?;
    info_in(replies.first()?).number(field)
}

/// How a pair is to be moved: asked of both nodes, since both take part. Servers move slots as fast as they can, so where a
/// rate is asked for, it is MIGRATE.
///
/// # Errors
/// [`Error::Move`] where atomic migration was demanded and a node has none, or a rate with it, or keys in a
/// numbered database.
pub(super) fn choose(shared: &Shared<'_>, pair: Pair) -> Result<Method> {
    let demanded = shared.options.atomic.is_demanded();
    if shared.options.rate.is_some() && demanded {
        return Err(MoveError::NoRate.into());
    }
    if is_ruled_out(shared) {
        return Ok(Method::Migrate);
    }
    let (mut source, mut target, _) = shared.connect(pair)?;
    let at_source = shared.ways.of(pair.from, || ways_of(shared, &mut source))?;
    let at_target = shared.ways.of(pair.to, || ways_of(shared, &mut target))?;
    let ways = WAYS.iter().zip(at_source.into_iter().zip(at_target));
    let method = ways.into_iter().find(|(_, (one, two))| *one && *two).map(|((_, way), _)| *way);
    if let Some(method) = method {
        return match numbered_database(shared, &mut source)? {
            Some(database) => by_migrate(shared, numbered_database_refused(&source, database)),
            None => {
                shared.idle.keep(pair.from, source);
                shared.idle.keep(pair.to, target);
                Ok(method)
            }
        };
    }
    if !demanded {
        shared.idle.keep(pair.from, source);
        shared.idle.keep(pair.to, target);
        return Ok(Method::Migrate);
    }
    let (from, to) = (source.endpoint().clone(), target.endpoint().clone());
    Err(MoveError::NotAtomic { from, to }.into())
}

/// MIGRATE for servers that could move slots atomically and had better not, if the caller leaves it to us.
fn by_migrate(shared: &Shared<'_>, why_not: Error) -> Result<Method> {
    match shared.options.atomic {
        Atomic::Always => return Err(why_not),
        Atomic::WhereSafe => shared.context.warn(format!("{why_not}; going on with MIGRATE")),
        Atomic::Auto | Atomic::Never => {}
    }
    Ok(Method::Migrate)
}

fn is_ruled_out(shared: &Shared<'_>) -> bool {
    shared.options.atomic == Atomic::Never || shared.options.rate.is_some()
}

/// Whether a source may move slots atomically, as far as it is up to itself and the caller.
pub(super) fn may_be_used(
    shared: &Shared<'_>,
    id: NodeId,
    source: &mut Connection,
) -> Result<bool> {
    if is_ruled_out(shared) {
        return Ok(false);
    }
    let ways = shared.ways.of(id, || ways_of(shared, source))?;
    Ok(ways.contains(&true))
}

/// Whether no job of the servers' own can be at either node of a pair in this migration. Both have been asked.
pub(super) fn is_out_of_question(shared: &Shared<'_>, pair: Pair) -> bool {
    let has_none = |node| shared.ways.get(node).is_some_and(|ways| ways == [false; 2]);
    is_ruled_out(shared) || has_none(pair.from) && has_none(pair.to)
}

/// The commands that move slots atomically, and what moves by each.
const WAYS: [(&str, Method); 2] = [
    ("cluster|migrateslots", Method::MigrateSlots),
    ("cluster|migration", Method::MigrationImport),
];

/// Which of them a server knows. It answers null in the place of one that it does not.
fn ways_of(shared: &Shared<'_>, node: &mut Connection) -> Result<[bool; 2]> {
    let question = crate::commands::about_commands(WAYS.map(|(name, _)| name));
    let replies = ask_when_ready(shared, node, question)?;
    let about = replies.iter().flat_map(|reply| reply.view().elements());
    let mut known = about.map(|about| !about.is_empty());
    Ok(WAYS.map(|_| known.next().unwrap_or(false)))
}

/// A server that is not ready would seem to know nothing.
fn ask_when_ready(
    shared: &Shared<'_>,
    node: &mut Connection,
    question: Command,
) -> Result<Vec<Reply>> {
    let question = [question];
    when_ready(shared.options.settle, shared.context.cancel, || node.pipeline(&question))
}

/// A database other than the first that holds keys. Seen on Valkey 9.1.2 without an append-only file: what clients write
/// to the first database while such a source exports slots is applied to the last database at the target, so that
/// acknowledged writes are lost.
fn numbered_database(shared: &Shared<'_>, source: &mut Connection) -> Result<Option<u32>> {
    let question = crate::commands::info_of("keyspace");
    let reply = ask_when_ready(shared, source, question.clone())?.into_iter().next();
    let reply = reply.ok_or_else(|| source.unexpected(&question, "no reply"))?;
    // What a source may not say is not that it has none.
    let keyspace = info_in(&source.accept(&question, reply)?);
    Ok(keyspace.databases().into_keys().find(|database| *database > 0))
}

fn numbered_database_refused(source: &Connection, database: u32) -> Error {
    MoveError::NumberedDatabase { node: source.endpoint().clone(), database }.into()
}

/// What came of an atomic migration.
#[derive(Debug)]
pub(super) enum JobOutcome {
    /// The slots have moved.
    Moved,
    /// The caller asked to stop; the slots are where they were.
    Stopped,
    /// The servers could not; the slots are where they were, as far as the job shows.
    Impossible(Error),
}

/// Moves the slots in one job, and counts the keys that have arrived.
///
/// # Errors
/// When it is not known how the job ended; [`Error::KeysLost`].
pub(super) fn run<'a>(
    shared: &'a Shared<'a>,
    pair: Pair,
    slots: &SlotSet,
    method: Method,
) -> Result<JobOutcome> {
    let (source, target, _) = shared.connect(pair)?;
    // Whoever is to stop still has to take the job back: the connections are deaf to that request.
    let uncancelled = Cancel::new();
    let link = |node| Link::new(node, &uncancelled).with_settle(shared.options.settle);
    let (mut source, mut target) = (link(source), link(target));
    let tally = JobTally::begin(pair, slots, &mut source, &mut target)?;
    let outcome = {
        let mut job: Box<dyn Job + '_> = match method {
            Method::MigrationImport => Box::new(redis::Import::new(&mut target)),
            _ => Box::new(valkey::Export::new(&mut source, pair.to)),
        };
        match start(shared, slots, job.as_mut()) {
            Ok(()) => watch(shared, pair, job.as_mut())?,
            Err(error @ Error::Refused { .. }) => JobOutcome::Impossible(error),
            Err(error) => return Err(error),
        }
    };
    if let JobOutcome::Moved = outcome {
        shared.add_slots(slots.len());
        shared.context.tell(Event::SlotsMoved { pair, slots: slots.clone() });
        let keys = tally.close(&mut source, &mut target)?;
        shared.add_moved(keys, 0);
        let (bytes, hold_up) = (0, Duration::ZERO);
        shared.context.tell(Event::KeysMoved { pair, keys, bytes, hold_up });
    }
    Ok(outcome)
}

/// Starts the job, once the servers have cleared away what the last one left of these slots.
fn start(shared: &Shared<'_>, slots: &SlotSet, job: &mut dyn Job) -> Result<()> {
    let mut outcome = Ok(());
    let waited = until_settled(shared.options.settle, shared.context.cancel, || {
        outcome = job.start(slots);
        Ok(outcome.as_ref().err().filter(|error| is_passing(error)).map(ToString::to_string))
    });
    match waited {
        Err(error @ Error::Cancelled(_)) => Err(error),
        _ => outcome,
    }
}

/// Whether a server is not ready, or refuses because of a job that it is at or clears away after. The words are Redis's and
/// Valkey's.
pub(super) fn is_passing(refusal: &Error) -> bool {
    let known = ["trim", "in progress", "active atomic slot migration", "already being imported"];
    let is_of_job = |text: &str| known.iter().any(|words| text.contains(words));
    refusal.is_passing() || refusal.refusal().is_some_and(is_of_job)
}

/// Looks at the job until it has ended.
fn watch(shared: &Shared<'_>, pair: Pair, job: &mut dyn Job) -> Result<JobOutcome> {
    let started = Instant::now();
    let mut watch = JobWatch::new(shared.options.timeout);
    let mut sent = Meter::new(job);
    let mut asked = Instant::now();
    loop {
        let seen = match job.look() {
            Err(error) if error.is_passing() => {
                if shared.context.cancel.requested() != Stop::No {
                    return take_back(shared, pair, job, JobOutcome::Stopped);
                }
                if asked.elapsed() >= shared.options.timeout {
                    return take_back(shared, pair, job, JobOutcome::Impossible(error));
                }
                thread::sleep(LAST_LOOK);
                continue;
            }
            seen => seen?,
        };
        asked = Instant::now();
        let Some(seen) = seen else {
            return Ok(JobOutcome::Impossible(failure(pair, "the server has forgotten the job")));
        };
        if !seen.is_open() {
            return Ok(ended(pair, &seen));
        }
        let news = watch.look(&seen, sent.bytes, started.elapsed());
        if let Some(text) = &news.failure {
            let Pair { from, to } = pair;
            let text = format!(
                "the atomic migration from {from} to {to} failed and is tried again: {text}"
            );
            shared.context.warn(text);
        }
        if shared.context.cancel.requested() != Stop::No {
            return take_back(shared, pair, job, JobOutcome::Stopped);
        }
        if news.is_hopeless {
            let error = stalled(pair, &seen, shared.options.timeout);
            return take_back(shared, pair, job, JobOutcome::Impossible(error));
        }
        sent.tell(shared, pair, job);
        thread::sleep((started.elapsed() / PART_OF_WAIT).clamp(FIRST_LOOK, LAST_LOOK));
    }
}

fn ended(pair: Pair, job: &SlotJob) -> JobOutcome {
    match job.phase {
        Phase::Done => JobOutcome::Moved,
        _ if job.error.is_empty() => JobOutcome::Impossible(failure(pair, &job.state)),
        _ => JobOutcome::Impossible(failure(pair, &job.error)),
    }
}

/// Cancels the job and asks until the server says that it has ended. It may be through all the same.
fn take_back(
    shared: &Shared<'_>,
    pair: Pair,
    job: &mut dyn Job,
    outcome: JobOutcome,
) -> Result<JobOutcome> {
    let mut last = None;
    until_settled(shared.options.settle, &Cancel::new(), || {
        last = match job.cancel().and_then(|()| job.look()) {
            Err(error) if error.is_passing() => {
                let Pair { from, to } = pair;
                let what = "is not cancelled, and the servers may go on with it";
                return Ok(Some(format!(
                    "the atomic migration from {from} to {to} {what}: {error}"
                )));
            }
            seen => seen?,
        };
        let open = last.as_ref().filter(|job| job.is_open());
        Ok(open.map(|job| {
            format!("the atomic migration {} was cancelled and is still {}", job.id, job.state)
        }))
    })?;
    match last {
        Some(job) if job.phase == Phase::Done => Ok(ended(pair, &job)),
        _ => Ok(outcome),
    }
}

fn stalled(pair: Pair, job: &SlotJob, patience: Duration) -> Error {
    let Pair { from, to } = pair;
    let mut what = format!("state {}", job.state);
    if job.retries > 0 {
        what += &format!(", tried {} again", counted(job.retries, "time"));
    }
    if !job.error.is_empty() {
        what += &format!(": {}", job.error);
    }
    MoveError::Stalled { from, to, patience, what }.into()
}

fn failure(pair: Pair, what: &str) -> Error {
    let Pair { from, to } = pair;
    MoveError::Atomic { from, to, what: what.to_owned() }.into()
}

/// Reports how many bytes went over since the last look.
struct Meter {
    bytes: Option<u64>,
    at: Instant,
}

impl Meter {
    const EVERY: Duration = Duration::from_millis(200);

    fn new(job: &mut dyn Job) -> Self {
        Self { bytes: job.bytes(), at: Instant::now() }
    }

    fn tell(&mut self, shared: &Shared<'_>, pair: Pair, job: &mut dyn Job) {
        if self.at.elapsed() < Self::EVERY {
            return;
        }
        self.at = Instant::now();
        let now = job.bytes();
        let bytes = now.zip(self.bytes).map_or(0, |(now, last)| now.saturating_sub(last));
        self.bytes = now.or(self.bytes);
        if bytes > 0 {
            shared.add_moved(0, bytes);
            let (keys, hold_up) = (0, Duration::ZERO);
            shared.context.tell(Event::KeysMoved { pair, keys, bytes, hold_up });
        }
    }
}

/// Waits until both nodes have cleared away what a job left of these slots, so that they can be opened.
///
/// # Errors
/// [`Error::NotSettled`] with the server's words.
pub(super) fn await_clearance(shared: &Shared<'_>, pair: Pair, slots: &SlotSet) -> Result<()> {
    let Some(first) = slots.first() else { return Ok(()) };
    let (mut source, mut target, _) = shared.connect(pair)?;
    // Closing a slot that is closed changes nothing; servers refuse it as long as they would refuse to open it.
    let probe = super::commands::stable(first);
    until_settled(shared.options.settle, shared.context.cancel, || {
        for node in [&mut source, &mut target] {
            match node.call(&probe) {
                Err(error) if is_passing(&error) => {
                    running::clear_failed_at(node)?;
                    return Ok(Some(error.to_string()));
                }
                Ok(_) | Err(Error::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    })
}

/// A job out of a list of them.
fn read_job(about: View<'_>) -> Option<SlotJob> {
    SlotJob::read(|name| {
        let value = about.get(name.as_bytes())?;
        let number = || value.as_int().map(|number| number.to_string());
        value.as_str().map(str::to_owned).or_else(number)
    })
}
