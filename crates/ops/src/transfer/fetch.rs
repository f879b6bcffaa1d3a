//! Reading keys from a source: DUMP and time of expiry, many keys at a time, in bounded memory.

use std::collections::VecDeque;

use bytes::Bytes;
use redistrib_resp::{Command, Pipeline, Reply};

use super::ends::ServerEnd;
use super::server::{clock_offset, has_expiring_keys, read_time};
use crate::Connection;
use crate::commands;
use crate::commands::replies::{info_in, text_of};
use crate::error::Result;

/// The keys asked for at a time: at first, and at most.
const FIRST_BURST: usize = 32;
const MOST_KEYS: usize = 512;
/// By how much a burst may outgrow the one before.
const GROWTH: usize = 4;

/// A key on its way.
#[derive(Clone, Debug)]
pub(super) struct KeyEntry {
    pub(super) key: Bytes,
    /// What DUMP says.
    pub(super) payload: Bytes,
    /// When it expires, in milliseconds since 1970 by the source's clock.
    pub(super) expires: Option<i64>,
}

/// What became of the keys asked for.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    pub(super) entries: Vec<KeyEntry>,
    pub(super) vanished: u64,
    /// Keys that the server could not give out, with its reply.
    pub(super) unreadable: Vec<(Bytes, String)>,
}

/// What DUMP said of one key.
#[derive(Debug)]
enum Dump {
    Payload(Bytes),
    Vanished,
    Unreadable(String),
    /// There was no more room in the window.
    NoRoom,
}

/// What PTTL or PEXPIRETIME said of one key.
#[derive(Clone, Debug)]
enum Expiry {
    Never,
    /// In milliseconds since 1970.
    At(i64),
    Vanished,
    Unreadable(String),
}

/// Reads from one source over one connection.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    /// By how much the source's clock is ahead of ours.
    pub(super) clock: i64,
    db: u32,
    tells_expiry_time: bool,
    /// Whether some key of the database may expire. While none does, nobody asks for each.
    expiring: bool,
    /// Whether the keys read are to be watched until [`Reader::remove`].
    watch: bool,
    window: usize,
    /// How many keys to ask for next.
    burst: usize,
    out: Pipeline,
    dump: Command,
}

impl Reader {
    pub(super) fn open(end: &ServerEnd, window: usize, watch: bool) -> Result<Self> {
        let mut connection = end.server.connect()?;
        let clock = clock_offset(&mut connection)?;
        Ok(Self {
            connection,
            clock,
            db: end.server.db,
            tells_expiry_time: end.facts.tells_expiry_time(),
            expiring: end.facts.expiring,
            watch,
            window,
            burst: FIRST_BURST,
            out: Pipeline::new(),
            dump: Command::new("DUMP"),
        })
    }

    /// Reads some of `keys`, at most `most` and at least one, and takes them off the queue.
    ///
    /// The values come first and the times of expiry after them, so that a key that expires in between
    /// is seen to be gone, and not kept for ever. Where no key of the database expires, neither before
    /// nor after the values were read, there is nothing to ask.
    pub(super) fn fetch(&mut self, keys: &mut VecDeque<Bytes>, most: usize) -> Result<Fetched> {
        let count = self.burst.min(most).max(1).min(keys.len());
        let asked: Vec<Bytes> = keys.drain(..count).collect();
        self.ask(&asked)?;
        if self.watch {
            self.accept_one(&Command::new("WATCH"))?;
        }
        let surely = self.expiring;
        let mut perhaps = !surely && self.receive_expiring()?;
        let dumps = self.receive_dumps(&asked)?;
        perhaps |= !surely && self.receive_expiring()?;
        if perhaps {
            self.expiring = true;
            self.out.clear();
            self.push_expiry(&asked);
            self.connection.send_raw(self.out.as_bytes())?;
        }
        let expiry = if self.expiring { self.receive_expiry(&asked)? } else { Vec::new() };
        Ok(sort_out(asked, dumps, expiry, keys))
    }

    fn ask(&mut self, keys: &[Bytes]) -> Result<()> {
        self.out.clear();
        if self.watch {
            self.out.push(&Command::new("WATCH").args_from(keys));
        }
        if !self.expiring {
            self.out.command(&[b"INFO", b"keyspace"]);
        }
        for key in keys {
            self.out.command(&[b"DUMP", key]);
        }
        if self.expiring {
            self.push_expiry(keys);
        } else {
            self.out.command(&[b"INFO", b"keyspace"]);
        }
        self.connection.send_raw(self.out.as_bytes())
    }

    fn push_expiry(&mut self, keys: &[Bytes]) {
        let name: &[u8] = if self.tells_expiry_time { b"PEXPIRETIME" } else { b"PTTL" };
        self.out.command(&[b"TIME"]);
        for key in keys {
            self.out.command(&[name, key]);
        }
    }

    fn accept_one(&mut self, command: &Command) -> Result<Reply> {
        let reply = self.connection.receive(command)?;
        self.connection.accept(command, reply)
    }

    fn receive_expiring(&mut self) -> Result<bool> {
        let reply = self.accept_one(&commands::info_of("keyspace"))?;
        Ok(text_of(&reply).is_none_or(|_| has_expiring_keys(&info_in(&reply), self.db)))
    }

    /// The values, as many as the window holds, and in any case the first. Sets the size of the next
    /// burst by what the largest of them would leave room for.
    fn receive_dumps(&mut self, keys: &[Bytes]) -> Result<Vec<Dump>> {
        let (mut held, mut largest) = (0, 1);
        let mut dumps = Vec::with_capacity(keys.len());
        for _ in keys {
            let reply = self.connection.receive(&self.dump)?;
            let view = reply.view();
            dumps.push(if let Some(payload) = view.as_bytes() {
                largest = largest.max(payload.len());
                if held == 0 || held + payload.len() <= self.window {
                    held += payload.len();
                    Dump::Payload(reply.bytes_of(view))
                } else {
                    Dump::NoRoom
                }
            } else if let Some(error) = view.as_error() {
                Dump::Unreadable(String::from_utf8_lossy(error).into_owned())
            } else {
                Dump::Vanished
            });
        }
        let fitting = self.window / largest;
        self.burst = fitting.min(self.burst * GROWTH).clamp(1, MOST_KEYS);
        Ok(dumps)
    }

    /// When each key expires by the source's clock.
    fn receive_expiry(&mut self, keys: &[Bytes]) -> Result<Vec<Expiry>> {
        let command = Command::new("TIME");
        let time = self.accept_one(&command)?;
        let now = read_time(&time.view())
            .ok_or_else(|| self.connection.unexpected(&command, "no time"))?;
        let from = if self.tells_expiry_time { 0 } else { now };
        let receive = |_| {
            let reply = self.connection.receive(&self.dump)?;
            Ok(read_expiry(&reply, from))
        };
        keys.iter().map(receive).collect()
    }

    /// Removes keys of the last [`Reader::fetch`], all or none: none if any key of it has been changed since.
    /// Returns whether they were removed.
    pub(super) fn remove<'a>(&mut self, keys: impl Iterator<Item = &'a Bytes>) -> Result<bool> {
        let delete = Command::new("DEL").args_from(keys);
        if delete.args().nth(1).is_none() {
            return self.connection.call(&Command::new("UNWATCH")).map(|_| true);
        }
        let commands = commands::transaction([delete]);
        let replies = self.connection.call_all(&commands)?;
        Ok(replies.last().is_some_and(|reply| !reply.view().is_null()))
    }
}

/// Reads the answer to PTTL or PEXPIRETIME, which counts from `from`.
fn read_expiry(reply: &Reply, from: i64) -> Expiry {
    match reply.view().as_int() {
        Some(-1) => Expiry::Never,
        Some(-2) => Expiry::Vanished,
        Some(time) => Expiry::At(from.saturating_add(time)),
        None => {
            let error = reply.view().as_error().unwrap_or(b"no number for its time of expiry");
            Expiry::Unreadable(String::from_utf8_lossy(error).into_owned())
        }
    }
}

/// Brings together what was said of each key. Those without room go back to the head of the queue.
fn sort_out(
    asked: Vec<Bytes>,
    dumps: Vec<Dump>,
    expiry: Vec<Expiry>,
    queue: &mut VecDeque<Bytes>,
) -> Fetched {
    let mut fetched = Fetched::default();
    let mut again = Vec::new();
    let expiry = expiry.into_iter().chain(std::iter::repeat(Expiry::Never));
    for ((key, dump), expires) in asked.into_iter().zip(dumps).zip(expiry) {
        let expires = match (&dump, expires) {
            (_, Expiry::Never) => None,
            (_, Expiry::At(time)) => Some(time),
            (Dump::Payload(_), Expiry::Unreadable(reply)) => {
                fetched.unreadable.push((key, reply));
                continue;
            }
            (Dump::Payload(_), Expiry::Vanished) => {
                fetched.vanished += 1;
                continue;
            }
            _ => None,
        };
        match dump {
            Dump::Payload(payload) => fetched.entries.push(KeyEntry { key, payload, expires }),
            Dump::Vanished => fetched.vanished += 1,
            Dump::Unreadable(reply) => fetched.unreadable.push((key, reply)),
            Dump::NoRoom => again.push(key),
        }
    }
    for key in again.into_iter().rev() {
        queue.push_front(key);
    }
    fetched
}
