//! A worker's connection: it waits for answers, but never deaf to the request to stop at once.

use std::time::{Duration, Instant};

use redistrib_resp::{Command, Reply, View};

use super::options::MigrateOptions;
use super::ready::{not_ready, when_ready};
use crate::commands;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cancel, Connection, Endpoint, Refusal, Stop};

/// How often a waiting worker looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(50);

/// A connection that gives up waiting when the operation is to stop at once.
#[derive(Debug)]
pub(super) struct Link<'a> {
    connection: Connection,
    cancel: &'a Cancel,
    patience: Duration,
    /// How long a server may say that it is not ready.
    settle: Duration,
    /// More connections to the same server, for [`Link::set_slots`].
    lanes: Vec<Link<'a>>,
    most_lanes: usize,
}

/// A server that takes longer than this over a SETSLOT waits for its replicas each time.
const SLOW: Duration = Duration::from_micros(150);
/// How many SETSLOTs it takes to tell.
const ENOUGH: usize = 32;
/// The most connections that share the waiting.
const MOST_LANES: usize = 32;

impl<'a> Link<'a> {
    pub(super) fn new(connection: Connection, cancel: &'a Cancel) -> Self {
        let patience = connection.timeout();
        let settle = MigrateOptions::default().settle;
        Self { connection, cancel, patience, settle, lanes: Vec::new(), most_lanes: MOST_LANES }
    }

    /// The same over another connection.
    pub(super) fn renewed(&self, connection: Connection) -> Self {
        let fresh = Self::new(connection, self.cancel).with_patience(self.patience);
        fresh.with_settle(self.settle).with_most_lanes(self.most_lanes)
    }

    /// For commands that the server may take longer over than usual.
    pub(super) fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// For servers that may say for so long that they are not ready; 30 s unless told.
    pub(super) fn with_settle(mut self, settle: Duration) -> Self {
        self.settle = settle;
        self
    }

    /// For servers that share a number of connections with others; 32 by default, at least this one.
    pub(super) fn with_most_lanes(mut self, most: usize) -> Self {
        self.most_lanes = most.clamp(1, MOST_LANES);
        self
    }

    /// The connection, when nothing is under way on it.
    pub(super) fn into_connection(self) -> Connection {
        self.connection
    }

    /// Where the node is.
    pub(super) fn endpoint(&self) -> &Endpoint {
        self.connection.endpoint()
    }

    /// Sends without waiting.
    pub(super) fn send(&mut self, commands: &[Command]) -> Result<()> {
        self.connection.send(commands)
    }

    /// Waits for one reply, which may be an error reply.
    pub(super) fn receive(&mut self, command: &Command) -> Result<Reply> {
        self.receive_patiently(command, self.patience, |_| ())
    }

    /// The same with a patience of its own. Tells now and then how long it has waited.
    pub(super) fn receive_patiently(
        &mut self,
        command: &Command,
        patience: Duration,
        mut tell: impl FnMut(Duration),
    ) -> Result<Reply> {
        let started = Instant::now();
        loop {
            if let Some(reply) = self.connection.receive_within(command, LOOK)? {
                return Ok(reply);
            }
            if self.cancel.requested() == Stop::Now {
                return Err(Error::Cancelled("asked to stop at once".into()));
            }
            if started.elapsed() > patience {
                return Err(self.connection.give_up(command, patience));
            }
            tell(started.elapsed());
        }
    }

    /// How long it waits for a reply.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Sends all at once and waits for all replies, error replies included.
    pub(super) fn pipeline(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        self.send(commands)?;
        commands.iter().map(|command| self.receive(command)).collect()
    }

    /// The same, all of it again as long as the server says to any that it is not ready.
    pub(super) fn pipeline_when_ready(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        when_ready(self.settle, self.cancel, || self.pipeline(commands))
    }

    /// Sends commands that change slots, in groups that belong together, and waits for all replies. Valkey has
    /// its replicas acknowledge each SETSLOT before the connection's next command: where that shows, several
    /// connections wait side by side. The order of the groups is then the servers' own. Groups are sent again as long as
    /// the server says that it is not ready, or that no replica has acknowledged them: it has done nothing then, and what it
    /// has done may be done twice.
    pub(super) fn set_slots(&mut self, groups: &[Vec<Command>]) -> Result<Vec<Vec<Reply>>> {
        let mut answered = self.set_slots_once(groups)?;
        let mut pending: Vec<usize> = (0..groups.len()).collect();
        let waited = until_settled(self.settle, self.cancel, || {
            pending.retain(|place| is_to_be_sent_again(&answered[*place]));
            let Some((first, others)) = pending.split_first() else { return Ok(None) };
            // One tells whether it is of use: each may take the server seconds.
            answered[*first] = self.set_slots_once(std::slice::from_ref(&groups[*first]))?.concat();
            if is_to_be_sent_again(&answered[*first]) {
                return Ok(Some(String::new()));
            }
            let again: Vec<_> = others.iter().map(|place| groups[*place].clone()).collect();
            for (place, replies) in others.iter().zip(self.set_slots_once(&again)?) {
                answered[*place] = replies;
            }
            Ok(Some(String::new()))
        });
        match waited {
            Ok(()) | Err(Error::NotSettled { .. }) => Ok(answered),
            Err(error) => Err(error),
        }
    }

    fn set_slots_once(&mut self, groups: &[Vec<Command>]) -> Result<Vec<Vec<Reply>>> {
        let started = Instant::now();
        let width = self.lanes.len() + 1;
        for (lane, some) in groups.chunks(groups.len().div_ceil(width).max(1)).enumerate() {
            self.lane(lane).send(&some.concat())?;
        }
        let mut replies = Vec::with_capacity(groups.len());
        for (place, group) in groups.iter().enumerate() {
            let link = self.lane(place / groups.len().div_ceil(width).max(1));
            replies.push(group.iter().map(|command| link.receive(command)).collect::<Result<_>>()?);
        }
        if groups.len() >= ENOUGH && started.elapsed() > SLOW * groups.len() as u32 {
            self.widen();
        }
        Ok(replies)
    }

    /// [`Link::set_slots`] for commands none of which belongs to another.
    pub(super) fn set_each(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let groups: Vec<Vec<Command>> =
            commands.iter().map(|command| vec![command.clone()]).collect();
        Ok(self.set_slots(&groups)?.concat())
    }

    /// [`Link::set_each`] that takes no refusal.
    pub(super) fn set_all(&mut self, commands: &[Command]) -> Result<()> {
        let mut answered = commands.iter().zip(self.set_each(commands)?);
        answered.try_for_each(|(command, reply)| self.accept(command, reply).map(drop))
    }

    /// Has the server execute the commands with nobody served in between, and returns its replies to them in one.
    pub(super) fn at_once(&mut self, steps: &[Command]) -> Result<Reply> {
        let script = commands::at_once(steps);
        let reply = self.pipeline_when_ready(std::slice::from_ref(&script))?.pop();
        let reply = reply.ok_or_else(|| self.unexpected(&script, "no reply"))?;
        self.accept(&script, reply)
    }

    /// Four times as many connections, up to a bound, or as many as the server lets in.
    fn widen(&mut self) {
        let wanted = (4 * (self.lanes.len() + 1)).min(self.most_lanes);
        while self.lanes.len() + 1 < wanted {
            let Ok(connection) = self.connection.another() else { return };
            let lane = Link::new(connection, self.cancel);
            self.lanes.push(lane.with_patience(self.patience).with_settle(self.settle));
        }
    }

    /// This connection, or one of those beside it.
    fn lane(&mut self, place: usize) -> &mut Self {
        match place.checked_sub(1) {
            Some(beside) if beside < self.lanes.len() => &mut self.lanes[beside],
            _ => self,
        }
    }

    /// Sends all at once and waits for all replies; then the first error reply becomes an error.
    pub(super) fn call_all(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let replies = self.pipeline(commands)?;
        self.accept_all(commands, replies)
    }

    /// The same, all of it again as long as the server says to any that it is not ready.
    pub(super) fn call_when_ready(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let replies = self.pipeline_when_ready(commands)?;
        self.accept_all(commands, replies)
    }

    fn accept_all(&self, commands: &[Command], replies: Vec<Reply>) -> Result<Vec<Reply>> {
        let accepted = commands.iter().zip(replies);
        accepted.map(|(command, reply)| self.connection.accept(command, reply)).collect()
    }

    /// The connection's words for a reply that is an error.
    pub(super) fn accept(&self, command: &Command, reply: Reply) -> Result<Reply> {
        self.connection.accept(command, reply)
    }

    /// The error that a part of a reply is, if it is one.
    pub(super) fn refusal(&self, command: &Command, reply: View<'_>) -> Option<Error> {
        self.connection.refusal(command, reply)
    }

    /// The connection's words for a reply of another form than the documented.
    pub(super) fn unexpected(&self, command: &Command, what: &str) -> Error {
        self.connection.unexpected(command, what)
    }

    /// The shorter of two round trips.
    pub(super) fn round_trip(&mut self) -> Result<Duration> {
        let ping = crate::commands::ping();
        let mut shortest = Duration::MAX;
        for _ in 0..2 {
            let started = Instant::now();
            self.pipeline(std::slice::from_ref(&ping))?;
            shortest = shortest.min(started.elapsed());
        }
        Ok(shortest)
    }
}

/// Whether a change of slots was refused for what may pass by itself.
fn is_to_be_sent_again(replies: &[Reply]) -> bool {
    let mut refusals = replies.iter().filter_map(|reply| reply.view().as_error());
    let is_late = refusals.any(|text| Refusal::of(text) == Refusal::TooFewReplicas);
    is_late || not_ready(replies).is_some()
}
