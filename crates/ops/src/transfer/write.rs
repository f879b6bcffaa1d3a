//! Writing keys to the targets: RESTORE, many keys at a time, wherever each key's place is at the moment.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_resp::{Command, Reply};

use super::ends::Ends;
use super::fetch::KeyEntry;
use super::node::{Attempt, Existing, TargetNode};
use super::places::Places;
use super::redirect::{Hint, error_text, read_hint};
use super::report::SkipReason;
use super::server::Server;
use crate::client::Redirect;
use crate::error::{Error, Result};
use crate::{CopyError, Endpoint};

/// How long a key is tried that is sent from node to node or put off.
const PATIENCE: Duration = Duration::from_secs(30);
/// The pause before a key that was put off is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// After how many redirections in a row there is a pause too.
const HOPS_IN_A_ROW: u32 = 3;

/// What became of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum KeyOutcome {
    Written,
    /// The target has a key of this name.
    Busy,
    Failed(SkipReason),
}

/// Writes to all targets, over one connection to each that is needed.
#[derive(Debug)]
pub(super) struct Writer<'a> {
    places: Places<'a>,
    source: usize,
    from_version: String,
    /// By how much the source's clock is ahead of ours.
    source_clock: i64,
    nodes: Vec<TargetNode>,
    restore: Command,
}

/// The tries that are to be made next.
#[derive(Debug, Default)]
struct NextTries {
    attempts: Vec<Attempt>,
    /// What a server said that is not ready for some of them: to be waited for.
    unready: Option<Error>,
}

/// Where a command on one key goes next.
enum NextWay {
    To {
        node: usize,
        asking: bool,
    },
    /// There, once the server is ready.
    Later {
        node: usize,
    },
    Ends(KeyOutcome),
}

impl<'a> Writer<'a> {
    pub(super) fn new(ends: &Ends, source: usize, source_clock: i64, places: Places<'a>) -> Self {
        let from_version = ends.sources.get(source).map(|end| end.facts.version.clone());
        Self {
            places,
            source,
            from_version: from_version.unwrap_or_default(),
            source_clock,
            nodes: ends.targets.iter().map(|end| TargetNode::new(end, ends, source)).collect(),
            restore: Command::new("RESTORE"),
        }
    }

    /// Writes all entries and returns what became of each, in their order. Gives up waiting when `stop` says so.
    ///
    /// # Errors
    /// Those of connections, after which nothing is known of any of the entries; [`Error::Refused`] where a
    /// server refuses all writes, or does not become ready for them in time.
    pub(super) fn write(
        &mut self,
        entries: &[KeyEntry],
        existing: Existing,
        stop: impl Fn() -> bool,
    ) -> Result<Vec<KeyOutcome>> {
        let mut outcomes = vec![KeyOutcome::Failed(SkipReason::NoOwner); entries.len()];
        let mut next = self.first_attempts(entries);
        let until = Instant::now() + PATIENCE;
        let mut rounds = 0;
        while !next.attempts.is_empty() && (rounds == 0 || !stop()) {
            if Instant::now() > until {
                // Each further key would have to wait as long.
                return next.unready.map_or(Ok(outcomes), Err);
            }
            if next.unready.is_some() || rounds > HOPS_IN_A_ROW {
                thread::sleep(PAUSE);
            }
            rounds += 1;
            self.send(entries, &next.attempts, existing)?;
            next = self.receive(entries, &mut outcomes)?;
        }
        Ok(outcomes)
    }

    fn first_attempts(&self, entries: &[KeyEntry]) -> NextTries {
        let attempt = |(entry, content): (usize, &KeyEntry)| {
            let node = self.places.of(self.source, &content.key)?;
            Some(Attempt { entry, node, asking: false })
        };
        NextTries {
            attempts: entries.iter().enumerate().filter_map(attempt).collect(),
            unready: None,
        }
    }

    /// Sends each node its share.
    fn send(
        &mut self,
        entries: &[KeyEntry],
        attempts: &[Attempt],
        existing: Existing,
    ) -> Result<()> {
        self.nodes.iter_mut().for_each(TargetNode::clear);
        for attempt in attempts {
            let node = &mut self.nodes[attempt.node];
            node.push(*attempt, &entries[attempt.entry], existing, self.source_clock)?;
        }
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        for node in self.nodes.iter_mut().filter(|node| !node.out.is_empty()) {
            let out = std::mem::take(&mut node.out);
            let link = node.link(self.source_clock)?;
            link.connection.send_raw(out.as_bytes())?;
            node.out = out;
        }
        Ok(())
    }

    /// Receives a reply for everything that was sent.
    fn receive(&mut self, entries: &[KeyEntry], outcomes: &mut [KeyOutcome]) -> Result<NextTries> {
        let mut next = NextTries::default();
        for number in 0..self.nodes.len() {
            for attempt in std::mem::take(&mut self.nodes[number].sent) {
                let reply = self.receive_one(number, attempt.asking)?;
                if reply.view().is_ok() {
                    outcomes[attempt.entry] = KeyOutcome::Written;
                    continue;
                }
                let (node, asking) = match self.way(number, &entries[attempt.entry].key, &reply)? {
                    NextWay::Ends(outcome) => {
                        outcomes[attempt.entry] = outcome;
                        continue;
                    }
                    NextWay::To { node, asking } => (node, asking),
                    NextWay::Later { node } => {
                        next.unready = Some(self.refusal(number, error_text(&reply)));
                        (node, false)
                    }
                };
                outcomes[attempt.entry] = KeyOutcome::Failed(self.refused(number, &reply));
                next.attempts.push(Attempt { node, asking, ..attempt });
            }
        }
        Ok(next)
    }

    fn receive_one(&mut self, number: usize, asking: bool) -> Result<Reply> {
        let link = self.nodes[number].link(self.source_clock)?;
        if asking {
            link.connection.receive(&self.restore)?;
        }
        link.connection.receive(&self.restore)
    }

    /// What follows from an error reply that the node with this number has given.
    fn way(&mut self, number: usize, key: &[u8], reply: &Reply) -> Result<NextWay> {
        let node = &self.nodes[number];
        let text = error_text(reply);
        Ok(match read_hint(&text, &node.server.endpoint) {
            Hint::Elsewhere(Redirect { slot, to, ask }) => {
                let node = self.number_of(to);
                if !ask {
                    self.places.learn(slot, node);
                }
                NextWay::To { node, asking: ask }
            }
            Hint::Later => {
                NextWay::Later { node: self.places.of(self.source, key).unwrap_or(number) }
            }
            Hint::Busy => NextWay::Ends(KeyOutcome::Busy),
            Hint::Payload => NextWay::Ends(KeyOutcome::Failed(SkipReason::Payload {
                from: self.from_version.clone(),
                target: node.name.to_string(),
                to: node.version().to_owned(),
                reply: text,
            })),
            Hint::Hopeless => return Err(self.refusal(number, text)),
            Hint::Refused => NextWay::Ends(KeyOutcome::Failed(self.refused(number, reply))),
        })
    }

    fn refusal(&self, number: usize, reply: String) -> Error {
        let node = self.nodes[number].server.endpoint.clone();
        Error::Refused { node, command: "RESTORE".into(), reply }
    }

    fn refused(&self, number: usize, reply: &Reply) -> SkipReason {
        let target = self.nodes[number].name.to_string();
        SkipReason::Refused { target, reply: error_text(reply) }
    }

    /// The number of the target at an address that a redirection has named.
    fn number_of(&mut self, endpoint: Endpoint) -> usize {
        let known = self.nodes.iter().position(|node| node.server.endpoint == endpoint);
        known.unwrap_or_else(|| {
            let server = Server { endpoint, ..self.nodes[0].server.clone() };
            self.nodes.push(TargetNode::unknown(server));
            self.nodes.len() - 1
        })
    }

    /// The target that has a key, as far as is known.
    pub(super) fn target_of(&self, key: &[u8]) -> Arc<str> {
        let node = self.places.of(self.source, key).and_then(|number| self.nodes.get(number));
        node.map(|node| Arc::clone(&node.name)).unwrap_or_default()
    }

    /// Asks for the values of keys that have been written and for how long they live, many at a time; `see`
    /// gets the number of each entry with the replies to DUMP and PTTL.
    ///
    /// # Errors
    /// Those of connections, and those of `see`.
    pub(super) fn read_back(
        &mut self,
        entries: &[KeyEntry],
        which: &[usize],
        mut see: impl FnMut(usize, &Reply, &Reply),
    ) -> Result<()> {
        self.nodes.iter_mut().for_each(TargetNode::clear);
        for &entry in which {
            let key = &entries[entry].key;
            let Some(number) = self.places.of(self.source, key) else { continue };
            let node = &mut self.nodes[number];
            node.out.command(&[b"DUMP", key]);
            node.out.command(&[b"PTTL", key]);
            node.sent.push(Attempt { entry, node: number, asking: false });
        }
        self.flush()?;
        for number in 0..self.nodes.len() {
            for attempt in std::mem::take(&mut self.nodes[number].sent) {
                let dump = self.receive_one(number, false)?;
                let ttl = self.receive_one(number, false)?;
                see(attempt.entry, &dump, &ttl);
            }
        }
        Ok(())
    }

    /// How many milliseconds a key that expires at a time by the source's clock has yet to live, by the
    /// clock of its target.
    pub(super) fn left(&mut self, key: &[u8], time: i64) -> Result<i64> {
        let number = self.places.of(self.source, key).unwrap_or(0);
        Ok(self.nodes[number].link(self.source_clock)?.left(time))
    }

    /// Sends a command on one key to where the key is, and follows it.
    ///
    /// # Errors
    /// Those of connections; [`Error::Copy`] for a slot without an owner.
    pub(super) fn ask(&mut self, key: &[u8], command: &Command) -> Result<Reply> {
        let place = self.places.of(self.source, key);
        let mut number =
            place.ok_or_else(|| CopyError::NoOwner(format!("\"{}\"", key.escape_ascii())))?;
        let (until, mut asking) = (Instant::now() + PATIENCE, false);
        loop {
            let link = self.nodes[number].link(self.source_clock)?;
            if asking {
                link.connection.call(&crate::commands::asking())?;
            }
            let reply = link.connection.request(command)?;
            if reply.view().as_error().is_none() || Instant::now() > until {
                return Ok(reply);
            }
            match self.way(number, key, &reply)? {
                NextWay::Ends(_) => return Ok(reply),
                NextWay::To { node, asking: ask } => (number, asking) = (node, ask),
                NextWay::Later { node } => {
                    (number, asking) = (node, false);
                    thread::sleep(PAUSE);
                }
            }
        }
    }
}
