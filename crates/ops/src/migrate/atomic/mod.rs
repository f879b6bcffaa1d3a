//! Migration by the servers themselves: all slots of a pair change hands at once, or none does.
//!
//! The tool starts a job, watches it, and cancels it if it is to stop: nothing is ever left open. A tool that dies
//! leaves a job that the servers bring to its end.

mod redis;
mod running;
mod valkey;

use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::SlotSet;
use redistrib_resp::{Command, View};

pub use running::finish_running;

use super::commands;
use super::link::Link;
use super::options::Atomic;
use super::shared::Shared;
use crate::error::{Error, Result};
use crate::inspect::{info_field, text_of};
use crate::{Cancel, Event, Method, Pair, Stop};

/// Between two looks at a job: a small part of the time that it has taken already.
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(100);
const PART_OF_WAIT: u32 = 50;

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Progress {
    /// It goes on; if the server tries again after a failure, that is told.
    Running(Option<String>),
    /// The slots have their new owner.
    Done,
    /// It has ended, and the slots have their old owner; in the server's words.
    Failed(String),
}

/// How one kind of server does it.
trait Job: std::fmt::Debug {
    /// Starts; a refusal has changed nothing.
    fn start(&mut self, slots: &SlotSet) -> Result<()>;
    /// Asks how far the job is.
    fn look(&mut self) -> Result<Progress>;
    /// Asks for its end. It may be through already.
    fn cancel(&mut self) -> Result<()>;
    /// How many bytes the server has sent or received for such jobs in all its life, if it tells.
    fn bytes(&mut self) -> Option<u64>;
}

/// A field of a node's `INFO stats`.
fn stat(node: &mut Link<'_>, field: &str) -> Option<u64> {
    let info = Command::new("INFO").arg("stats");
    let replies = node.pipeline(std::slice::from_ref(&info)).ok()?;
    info_field(text_of(replies.first()?)?, field)?.parse().ok()
}

/// How a pair is to be moved: asked of both nodes, since both take part.
///
/// # Errors
/// [`Error::Precondition`] where atomic migration was demanded and a node has none.
pub(super) fn choose(shared: &Shared<'_>, pair: Pair) -> Result<Method> {
    if shared.options.atomic == Atomic::Never {
        return Ok(Method::Migrate);
    }
    let ways = [
        ("cluster|migrateslots", Method::MigrateSlots),
        ("cluster|migration", Method::MigrationImport),
    ];
    let (mut source, mut target, _) = shared.connect(pair)?;
    for (name, method) in ways {
        let question = Command::new("COMMAND").arg("INFO").arg(name);
        let knows = |node: &mut crate::Connection| {
            let reply = node.request(&question)?;
            // A server that does not know a command answers null in its place.
            let known = reply.view().elements().next().is_some_and(|about| !about.is_empty());
            Ok::<bool, Error>(known)
        };
        if knows(&mut source)? && knows(&mut target)? {
            return Ok(method);
        }
    }
    if shared.options.atomic == Atomic::Auto {
        return Ok(Method::Migrate);
    }
    let (from, to) = (source.endpoint(), target.endpoint());
    Err(Error::Precondition(format!(
        "{from} and {to} do not both know atomic slot migration (Valkey 9 or Redis 8.4 on both sides): \
         leave --atomic at auto"
    )))
}

/// What came of an atomic migration.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The slots have moved.
    Moved,
    /// The caller wished to stop; the slots are where they were.
    Stopped,
    /// The servers could not; the slots are where they were.
    Impossible(Error),
}

/// Moves the slots in one job.
///
/// # Errors
/// When it is not known how the job ended.
pub(super) fn run<'a>(
    shared: &'a Shared<'a>,
    pair: Pair,
    slots: &SlotSet,
    method: Method,
) -> Result<Outcome> {
    let (source, target, _) = shared.connect(pair)?;
    // Whoever is to stop still has to take the job back: the connections are deaf to that wish.
    let deaf = Cancel::new();
    let (source, mut target) = (Link::new(source, &deaf), Link::new(target, &deaf));
    let outcome = {
        let mut job: Box<dyn Job + '_> = match method {
            Method::MigrationImport => Box::new(redis::Import::new(&mut target)),
            _ => Box::new(valkey::Export::new(source, pair.to)),
        };
        if let Err(error) = job.start(slots) {
            return match error {
                Error::Refused { .. } => Ok(Outcome::Impossible(error)),
                other => Err(other),
            };
        }
        watch(shared, pair, job.as_mut())?
    };
    if let Outcome::Moved = outcome {
        let keys = count_keys(&mut target, slots)?;
        shared.add_slots(slots.len());
        shared.add_moved(keys, 0);
        let (bytes, hold_up) = (0, Duration::ZERO);
        shared.context.tell(Event::KeysMoved { pair, keys, bytes, hold_up });
        shared.context.tell(Event::SlotsMoved { pair, slots: slots.clone() });
    }
    Ok(outcome)
}

/// Why a job was asked to end.
enum TakenBack {
    /// The caller wished to stop.
    Wish,
    /// It has failed for too long, in the server's words.
    Hopeless(String),
}

/// Looks at the job until it has ended. One that is taken back may be through all the same: how it ended, the
/// servers say.
fn watch(shared: &Shared<'_>, pair: Pair, job: &mut dyn Job) -> Result<Outcome> {
    let started = Instant::now();
    let mut taken_back: Option<TakenBack> = None;
    let mut failing_since: Option<Instant> = None;
    let mut sent = Meter::new(job);
    loop {
        let mut failing = None;
        match job.look()? {
            Progress::Done => return Ok(Outcome::Moved),
            Progress::Failed(what) => {
                return Ok(match taken_back {
                    None => Outcome::Impossible(failure(pair, &what)),
                    Some(TakenBack::Wish) => Outcome::Stopped,
                    Some(TakenBack::Hopeless(what)) => Outcome::Impossible(failure(pair, &what)),
                });
            }
            Progress::Running(None) => failing_since = None,
            Progress::Running(Some(what)) => {
                let since = *failing_since.get_or_insert_with(Instant::now);
                failing = (since.elapsed() > shared.options.settle).then_some(what);
            }
        }
        if taken_back.is_none() {
            let wish = shared.context.cancel.wish() != Stop::No;
            taken_back = match failing {
                _ if wish => Some(TakenBack::Wish),
                failing => failing.map(TakenBack::Hopeless),
            };
            if taken_back.is_some() {
                job.cancel()?;
                continue;
            }
        }
        sent.tell(shared, pair, job);
        thread::sleep((started.elapsed() / PART_OF_WAIT).clamp(FIRST_LOOK, LAST_LOOK));
    }
}

fn failure(pair: Pair, what: &str) -> Error {
    let Pair { from, to } = pair;
    Error::Precondition(format!(
        "the atomic migration from {from} to {to} failed: {what}; no slot has moved"
    ))
}

/// Tells how many bytes went over since the last look.
struct Meter {
    last: Option<u64>,
    at: Instant,
}

impl Meter {
    const EVERY: Duration = Duration::from_millis(200);

    fn new(job: &mut dyn Job) -> Self {
        Self { last: job.bytes(), at: Instant::now() }
    }

    fn tell(&mut self, shared: &Shared<'_>, pair: Pair, job: &mut dyn Job) {
        if self.at.elapsed() < Self::EVERY {
            return;
        }
        self.at = Instant::now();
        let now = job.bytes();
        let bytes = now.zip(self.last).map_or(0, |(now, last)| now.saturating_sub(last));
        self.last = now;
        if bytes > 0 {
            shared.add_moved(0, bytes);
            let (keys, hold_up) = (0, Duration::ZERO);
            shared.context.tell(Event::KeysMoved { pair, keys, bytes, hold_up });
        }
    }
}

/// How many keys the new owner has in the slots.
fn count_keys(target: &mut Link<'_>, slots: &SlotSet) -> Result<u64> {
    let counts = target.call_all(&slots.iter().map(commands::count_keys).collect::<Vec<_>>())?;
    let counts = counts.iter().filter_map(|count| count.view().as_int());
    Ok(counts.map(|count| u64::try_from(count).unwrap_or(0)).sum())
}

/// Ranges as both commands take them: first and last slot of each.
fn add_ranges(command: Command, slots: &SlotSet) -> Command {
    slots
        .ranges()
        .fold(command, |command, range| command.arg(range.first().get()).arg(range.last().get()))
}

/// A field of a job's description.
fn field<'a>(about: View<'a>, name: &str) -> &'a str {
    about.get(name.as_bytes()).and_then(|value| value.as_str()).unwrap_or_default()
}
