//! Very many commands into a cluster: each to its owner, many at a time, while slots may be on the move.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use redistrib_cluster_model::Slot;
use redistrib_resp::{Command, Reply};

use super::Pauses;
use super::keys::{Keys, Route};
use super::redirect::{Redirect, Verdict, verdict};
use super::requests::RequestError;
use crate::cluster::{endpoint_of, read_topology};
use crate::error::{Error, Result};
use crate::{Cancel, Connection, Endpoint, Settings, Stop};

/// How many commands, and how many bytes of them, are under way at a time.
const MOST_COMMANDS: usize = 16_384;
const MOST_BYTES: usize = 4 << 20;
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

/// What came so far, and who is told of each error text.
pub(super) struct Tally<'a> {
    pub(super) counts: Insertion,
    refused: &'a mut dyn FnMut(&[u8]),
}

impl<'a> Tally<'a> {
    pub(super) fn new(refused: &'a mut dyn FnMut(&[u8])) -> Self {
        Self { counts: Insertion::default(), refused }
    }

    pub(super) fn count(&mut self, reply: &Reply) {
        self.counts.replies += 1;
        if let Some(text) = reply.view().as_error() {
            self.counts.errors += 1;
            (self.refused)(text);
        }
    }
}

/// Sends each command to the master of its key, follows slots that move, and counts the replies. `refused`
/// gets each error text. Commands on one key are executed in the order of the stream. Those without a
/// key go to `seed`.
///
/// No command is sent again once it may have been executed: where a connection breaks, the insertion ends
/// with an error that tells how many commands are in doubt.
///
/// # Errors
/// [`Error::Precondition`] for a stream that is broken or holds what cannot be routed (transactions,
/// subscriptions), [`Error::Cancelled`], and those of [`Connection::request`].
pub fn insert(
    requests: impl Iterator<Item = Result<Command, RequestError>>,
    seed: &Endpoint,
    settings: &Settings,
    cancel: &Cancel,
    refused: &mut dyn FnMut(&[u8]),
) -> Result<Insertion> {
    let mut router = Router::open(seed, settings)?;
    let mut tally = Tally::new(refused);
    let mut requests = requests.fuse().peekable();
    while requests.peek().is_some() {
        let jobs = router.next_jobs(&mut requests, tally.counts.replies)?;
        router.work_off(jobs, &mut tally, cancel)?;
        if cancel.wish() != Stop::No {
            return Err(Error::Cancelled(format!(
                "{} commands have been answered",
                tally.counts.replies
            )));
        }
    }
    Ok(tally.counts)
}

/// A command that waits for its reply.
struct Job {
    command: Command,
    route: Option<Route>,
    /// Where an ASK sent it.
    asked_of: Option<Endpoint>,
    redirects: u32,
}

/// Jobs, each with its place in the stream.
type Jobs = Vec<(usize, Job)>;

/// Who owns which slot, and a connection to each.
struct Router {
    seed: Endpoint,
    settings: Settings,
    keys: Keys,
    owners: HashMap<Slot, Endpoint>,
    links: HashMap<Endpoint, Connection>,
}

/// What a round of sending and receiving leaves.
#[derive(Default)]
struct Round {
    /// To be sent again, with their place in the stream.
    again: Jobs,
    /// Whether any command was answered for good, or learnt a new place.
    progress: bool,
}

impl Router {
    fn open(seed: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut link = Connection::open(seed, settings)?;
        let keys = Keys::load(&mut link)?;
        let mut router = Self {
            seed: seed.clone(),
            settings: settings.clone(),
            keys,
            owners: HashMap::new(),
            links: HashMap::from([(seed.clone(), link)]),
        };
        router.learn(&seed.clone())?;
        Ok(router)
    }

    /// Learns from a node who owns what.
    fn learn(&mut self, from: &Endpoint) -> Result<()> {
        let (_, topology) = read_topology(self.link(from)?)?;
        for node in topology.masters() {
            let endpoint = endpoint_of(node, from);
            self.owners.extend(node.slots.iter().map(|slot| (slot, endpoint.clone())));
        }
        Ok(())
    }

    fn link(&mut self, node: &Endpoint) -> Result<&mut Connection> {
        if !self.links.contains_key(node) {
            let link = Connection::open(node, &self.settings)?;
            self.links.insert(node.clone(), link);
        }
        let closed = || Error::Closed { node: node.clone(), command: "connecting".into() };
        self.links.get_mut(node).ok_or_else(closed)
    }

    /// Takes as many commands from the stream as may be under way.
    fn next_jobs(
        &mut self,
        requests: &mut impl Iterator<Item = Result<Command, RequestError>>,
        done: u64,
    ) -> Result<Vec<Job>> {
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while jobs.len() < MOST_COMMANDS && bytes < MOST_BYTES {
            let Some(request) = requests.next() else { break };
            let command = request.map_err(|error| {
                Error::Precondition(format!("{error}; {done} commands before it were answered"))
            })?;
            refuse_what_cannot_be_routed(&command)?;
            bytes += command.args().map(<[u8]>::len).sum::<usize>();
            let seed = self.seed.clone();
            let Some(link) = self.links.get_mut(&seed) else {
                return Err(Error::Closed { node: seed, command: "routing".into() });
            };
            let route = self.keys.route(&command, link)?;
            jobs.push(Job { command, route, asked_of: None, redirects: 0 });
        }
        Ok(jobs)
    }

    /// Sends the jobs until each has its answer.
    fn work_off(&mut self, jobs: Vec<Job>, tally: &mut Tally<'_>, cancel: &Cancel) -> Result<()> {
        let mut waiting: Jobs = jobs.into_iter().enumerate().collect();
        let mut pauses = Pauses::new(PATIENCE);
        while !waiting.is_empty() {
            let (now, held) = self.due(waiting);
            let mut round = self.exchange(now, tally)?;
            round.again.extend(held);
            round.again.sort_unstable_by_key(|(place, _)| *place);
            waiting = round.again;
            if round.progress {
                pauses = Pauses::new(PATIENCE);
            } else if cancel.wish() != Stop::No || !pauses.pause() {
                return Err(Error::NotSettled { what: stuck(&waiting), after: PATIENCE });
            }
        }
        Ok(())
    }

    /// Divides the jobs into those to be sent now, by node, and those to be held back. Behind a command with
    /// several keys nothing of its slot is sent before its answer, since it alone may be told TRYAGAIN.
    fn due(&self, jobs: Jobs) -> (HashMap<Endpoint, Jobs>, Jobs) {
        let mut closed: HashSet<Slot> = HashSet::new();
        let mut held = Vec::new();
        let mut now: HashMap<Endpoint, Jobs> = HashMap::new();
        for (place, job) in jobs {
            let node = match (&job.asked_of, job.route) {
                (_, Some(route)) if closed.contains(&route.slot) => {
                    held.push((place, job));
                    continue;
                }
                (Some(node), _) => node,
                (None, Some(route)) => self.owners.get(&route.slot).unwrap_or(&self.seed),
                (None, None) => &self.seed,
            };
            if let Some(route) = job.route.filter(|route| route.many) {
                closed.insert(route.slot);
            }
            now.entry(node.clone()).or_default().push((place, job));
        }
        (now, held)
    }

    /// Sends to all nodes, then receives from all.
    fn exchange(&mut self, now: HashMap<Endpoint, Jobs>, tally: &mut Tally<'_>) -> Result<Round> {
        let mut round = Round::default();
        let mut sent = Vec::new();
        for (node, jobs) in now {
            // A node that cannot be reached has executed nothing: its slots may soon be elsewhere.
            if self.link(&node).is_err() {
                self.links.remove(&node);
                let _ = self.learn(&self.seed.clone());
                round.again.extend(jobs);
                continue;
            }
            let commands: Vec<Command> =
                jobs.iter().flat_map(|(_, job)| job.on_the_wire()).collect();
            self.link(&node)?.send(&commands).map_err(|error| in_doubt(&error, jobs.len()))?;
            sent.push((node, jobs));
        }
        for (node, jobs) in sent {
            let mut left = jobs.len();
            for (place, job) in jobs {
                let reply = self.answer(&node, &job).map_err(|error| in_doubt(&error, left))?;
                left -= 1;
                match verdict(&reply, &node) {
                    Verdict::Done => {
                        round.progress = true;
                        tally.count(&reply);
                    }
                    Verdict::Later => round.again.push((place, job)),
                    Verdict::Elsewhere(redirect) => {
                        tally.counts.redirects += 1;
                        round
                            .again
                            .push((place, self.redirected(job, redirect, &mut round.progress)));
                    }
                }
            }
        }
        Ok(round)
    }

    fn answer(&mut self, node: &Endpoint, job: &Job) -> Result<Reply> {
        let link = self.link(node)?;
        if job.asked_of.is_some() {
            link.receive(&Command::new("ASKING"))?;
        }
        link.receive(&job.command)
    }

    /// Takes note of where a job belongs. One that is sent about again and again is no progress.
    fn redirected(&mut self, mut job: Job, redirect: Redirect, progress: &mut bool) -> Job {
        job.redirects += 1;
        *progress |= job.redirects <= QUICK_REDIRECTS;
        job.asked_of = redirect.ask.then(|| redirect.to.clone());
        if !redirect.ask {
            self.owners.insert(redirect.slot, redirect.to);
        }
        job
    }
}

impl Job {
    fn on_the_wire(&self) -> impl Iterator<Item = Command> {
        let asking = self.asked_of.as_ref().map(|_| Command::new("ASKING"));
        asking.into_iter().chain([self.command.clone()])
    }
}

/// Commands that change what a connection is cannot be spread over nodes.
fn refuse_what_cannot_be_routed(command: &Command) -> Result<()> {
    let name = command.name().to_ascii_uppercase();
    let second = command.args().nth(1).map(<[u8]>::to_ascii_uppercase).unwrap_or_default();
    let stateful = matches!(
        name.as_slice(),
        b"MULTI"
            | b"EXEC"
            | b"DISCARD"
            | b"WATCH"
            | b"UNWATCH"
            | b"MONITOR"
            | b"SYNC"
            | b"PSYNC"
            | b"QUIT"
            | b"HELLO"
            | b"RESET"
            | b"ASKING"
            | b"READONLY"
            | b"READWRITE"
    );
    if stateful || name.ends_with(b"SUBSCRIBE") || (name == b"CLIENT" && second == b"REPLY") {
        let name = name.escape_ascii();
        return Err(Error::Precondition(format!(
            "{name} concerns one connection and cannot be spread over a cluster: take it out of the input, \
             or send it to one node without -c"
        )));
    }
    Ok(())
}

fn in_doubt(error: &Error, commands: usize) -> Error {
    Error::Precondition(format!(
        "{error}; {commands} commands were sent to it and not answered: whether it executed them is not known"
    ))
}

fn stuck(waiting: &[(usize, Job)]) -> String {
    let slots: HashSet<_> =
        waiting.iter().filter_map(|(_, job)| Some(job.route?.slot.get())).collect();
    let first =
        slots.iter().min().map(|slot| format!(", slot {slot} among them")).unwrap_or_default();
    format!("{} commands find no node that takes them{first}", waiting.len())
}
