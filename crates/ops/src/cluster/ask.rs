//! Many nodes asked at once, in windows: what all of them answer together would fill the memory and the network, and a
//! process may have only so many connections. All that are silent are so side by side: together they take one time limit.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redistrib_resp::{Command, Reply};

use super::Member;
use super::parallel::in_parallel;
use crate::conn::Piece;
use crate::error::{Error, Result};
use crate::limits;
use crate::{Connection, Settings};

/// How long the answers of a window are waited for at a stretch before it is looked what has come from all of it.
const SLICE: Duration = Duration::from_millis(50);
/// The longest that a window is waited for while there are others to ask; who is late is waited for at the end.
const WINDOW_PATIENCE: Duration = Duration::from_secs(1);
/// How long a node may take that is asked only after others have used up the time of all.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// The least speed, in bytes a second, of a network that is busy: what others answer meanwhile is no node's silence.
const LEAST_SPEED: u64 = 1 << 20;

/// How many connections of a cluster may stay open: the lock and the moves of slots need theirs, too.
fn most_open() -> usize {
    limits::open_files() / 3
}

/// Commands for some members of a cluster.
pub(super) struct Asking<'a> {
    members: &'a mut [Member],
    settings: &'a Settings,
    /// How many are asked at a time.
    window: usize,
    /// Whether connections are given back with the answer.
    rest: bool,
    started: Instant,
    /// For how much of the time nobody's silence is to blame.
    busy: Duration,
    patience: ConnectBudget,
}

/// The place of a member, and what it is sent.
type Question = (usize, Arc<[Command]>);

/// A member that has been asked, with what it has answered so far.
struct AskedMember {
    at: usize,
    commands: Arc<[Command]>,
    replies: Vec<Reply>,
}

impl<'a> Asking<'a> {
    pub(super) fn new(members: &'a mut [Member], settings: &'a Settings, most: usize) -> Self {
        let rest = members.len() > most_open();
        Self {
            window: if rest { most.min(limits::free_files() / 2) } else { most },
            rest,
            members,
            settings,
            started: Instant::now(),
            busy: Duration::ZERO,
            patience: ConnectBudget::default(),
        }
    }

    /// Sends each member its commands, if there are any for it, and keeps of its replies what `read` makes of them. The
    /// result stands in the members' order; `None` for those left out.
    pub(super) fn ask<T>(
        mut self,
        commands: impl Fn(&Member) -> Option<Arc<[Command]>>,
        mut read: impl FnMut(&Connection, Vec<Reply>) -> Result<T>,
    ) -> Vec<Option<Result<T>>> {
        let mut answers: Vec<_> = self.members.iter().map(|_| None).collect();
        let mut hear = |connection: &mut Connection, it: AskedMember| {
            connection.give_room_back();
            answers[it.at] = Some(read(connection, it.replies));
        };
        let members = self.members.iter().enumerate();
        let questions: Vec<Question> =
            members.filter_map(|(at, member)| Some((at, commands(member)?))).collect();
        let windows: Vec<_> = questions.chunks(self.window.max(1)).collect();
        let (mut late, mut failed) = (Vec::new(), Vec::new());
        if !self.rest {
            self.wake(&questions, &mut failed);
        }
        let part = self.settings.timeout / u32::try_from(windows.len()).unwrap_or(u32::MAX).max(1);
        for (number, questions) in windows.iter().enumerate() {
            let (began, busy) = (Instant::now(), self.busy);
            let asked = self.send(questions, &mut failed);
            let patience = part.min(WINDOW_PATIENCE);
            // Where connections are few, those of a window are needed for the next.
            let is_last = self.rest || number + 1 == windows.len();
            let unheard = self.collect(asked, &mut hear, &mut failed, |asking| {
                let least = LEAST_PATIENCE.min(asking.settings.timeout);
                match is_last {
                    true => asking.left().max(least.saturating_sub(began.elapsed())),
                    false => (patience + asking.busy - busy).saturating_sub(began.elapsed()),
                }
            });
            if unheard.is_empty() {
                self.busy = busy + began.elapsed();
            }
            match self.rest {
                true => failed.extend(unheard.into_iter().map(|it| (it.at, self.give_up(&it)))),
                false => late.extend(unheard),
            }
        }
        let silent = self.collect(late, &mut hear, &mut failed, |asking| asking.left());
        failed.extend(silent.into_iter().map(|it| (it.at, self.give_up(&it))));
        for (at, error) in failed {
            answers[at] = Some(Err(error));
        }
        answers
    }

    /// Connects to those of a window that rest, and sends to all of it. Who cannot be sent to has failed.
    fn send(
        &mut self,
        questions: &[Question],
        failed: &mut Vec<(usize, Error)>,
    ) -> Vec<AskedMember> {
        self.wake(questions, failed);
        let failed_to_wake: HashSet<usize> = failed.iter().map(|(at, _)| *at).collect();
        let mut asked = Vec::with_capacity(questions.len());
        for (at, commands) in questions {
            let (at, commands) = (*at, Arc::clone(commands));
            if failed_to_wake.contains(&at) {
                continue;
            }
            let sent = self.members[at].connection().and_then(|it| it.send(&*commands));
            match sent {
                Ok(()) => asked.push(AskedMember { at, commands, replies: Vec::new() }),
                Err(error) => failed.push((at, error)),
            }
        }
        asked
    }

    /// Connects side by side. That takes time which is no node's silence: a window is asked when all have been tried.
    fn wake(&mut self, questions: &[Question], failed: &mut Vec<(usize, Error)>) {
        let began = Instant::now();
        let is_asked = |at| questions.binary_search_by_key(&at, |(place, _)| *place).is_ok();
        let has_failed: HashSet<usize> = failed.iter().map(|(at, _)| *at).collect();
        let mut asleep = Vec::new();
        for (at, member) in self.members.iter_mut().enumerate() {
            let connection = member.connection().ok().filter(|it| it.is_resting());
            let is_meant = is_asked(at) && !has_failed.contains(&at);
            if let Some(connection) = connection.filter(|_| is_meant) {
                asleep.push((at, Mutex::new(connection)));
            }
        }
        if asleep.is_empty() {
            return;
        }
        let woken = in_parallel(&asleep, |(_, connection)| {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            self.patience.spend(self.settings, |hurried| connection.wake(hurried))
        });
        let woken = asleep.iter().map(|(at, _)| *at).zip(woken);
        failed.extend(woken.filter_map(|(at, woken)| Some((at, woken.err()?))));
        self.busy += began.elapsed();
    }

    /// Hears all that have been asked, until no time is `left`. Returns who has not answered by then.
    fn collect(
        &mut self,
        mut asked: Vec<AskedMember>,
        hear: &mut impl FnMut(&mut Connection, AskedMember),
        failed: &mut Vec<(usize, Error)>,
        left: impl Fn(&Self) -> Duration,
    ) -> Vec<AskedMember> {
        while !asked.is_empty() {
            let left = left(self);
            let until = Instant::now() + left.min(SLICE);
            let mut unheard = Vec::new();
            for mut it in asked {
                match (self.advance(&mut it, until), self.members[it.at].connection()) {
                    (Ok(true), Ok(connection)) => {
                        hear(connection, it);
                        if self.rest {
                            connection.rest();
                        }
                    }
                    (Ok(false), Ok(_)) => unheard.push(it),
                    (Err(error), _) | (_, Err(error)) => failed.push((it.at, error)),
                }
            }
            asked = unheard;
            if left.is_zero() {
                break;
            }
        }
        asked
    }

    /// Takes in what has come from a member, and waits for more until then. Returns whether it has answered everything.
    fn advance(&mut self, it: &mut AskedMember, until: Instant) -> Result<bool> {
        let connection = self.members[it.at].connection()?;
        while let Some(command) = it.commands.get(it.replies.len()) {
            let wait = until.saturating_duration_since(Instant::now());
            match connection.piece(command, wait)? {
                Piece::Whole(reply) => it.replies.push(reply),
                Piece::Part(bytes) => {
                    let took = Duration::from_nanos(bytes as u64 * 1_000_000_000 / LEAST_SPEED);
                    self.busy = (self.busy + took).min(self.started.elapsed()).max(self.busy);
                    if wait.is_zero() {
                        return Ok(false);
                    }
                }
            }
        }
        Ok(true)
    }

    /// What is left of the time for all.
    fn left(&self) -> Duration {
        (self.settings.timeout + self.busy).saturating_sub(self.started.elapsed())
    }

    fn give_up(&mut self, it: &AskedMember) -> Error {
        let waited = self.settings.timeout;
        match (self.members[it.at].connection(), it.commands.get(it.replies.len())) {
            (Ok(connection), Some(command)) => connection.give_up(command, waited),
            (Err(error), _) => error,
            (Ok(connection), None) => connection.unexpected(&Command::new(""), "nothing was asked"),
        }
    }
}

/// What nodes to which no connection can be made leave of the time for those that are tried after them: a thousand are not
/// to take a thousand times as long as one.
#[derive(Debug, Default)]
struct ConnectBudget {
    used: Mutex<Duration>,
}

impl ConnectBudget {
    /// Has something done with what is left of the time limits, and notes how long it took in vain.
    fn spend<T>(
        &self,
        settings: &Settings,
        attempt: impl FnOnce(&Settings) -> Result<T>,
    ) -> Result<T> {
        let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |limit: Duration| limit.saturating_sub(used).max(LEAST_PATIENCE.min(limit));
        let hurried = Settings {
            connect_timeout: of(settings.connect_timeout),
            timeout: of(settings.timeout),
            ..settings.clone()
        };
        let began = Instant::now();
        let outcome = attempt(&hurried);
        if outcome.as_ref().is_err_and(Error::is_unreachable) {
            let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
            *used = began.elapsed().max(*used);
        }
        outcome
    }
}
