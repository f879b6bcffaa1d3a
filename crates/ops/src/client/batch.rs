//! Commands from a stream, in batches that may be under way at a time.

use redistrib_resp::Command;

use super::keys::{CommandKeys, RoutedKeys};
use super::requests::RequestError;
use super::router::NodeIndex;
use crate::error::{Error, Result};
use crate::{Connection, Endpoint, Settings, StreamError};

/// How many commands, and how many bytes of them, are under way at a time.
const MOST_COMMANDS: usize = 16_384;
const MOST_BYTES: usize = 4 << 20;

/// A command that waits for its reply.
pub(super) struct PendingCommand {
    pub(super) command: Command,
    pub(super) route: Option<RoutedKeys>,
    /// Where an ASK sent it.
    pub(super) asked_of: Option<NodeIndex>,
    /// How often it was sent on.
    pub(super) redirects: u32,
}

/// Jobs, each with its place in the stream.
pub(super) type PendingCommands = Vec<(usize, PendingCommand)>;

/// Commands that come one after the other, and why no more do.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) jobs: Vec<PendingCommand>,
    pub(super) end: Option<StreamEnd>,
}

/// Why a stream ends.
pub(super) enum StreamEnd {
    /// It is at its end.
    Reached,
    /// It is broken.
    Broken(RequestError),
    /// A command cannot be sent.
    Refused(Error),
    /// The commands after it are for this database: a batch ends, the stream does not.
    Select(u32),
}

impl StreamEnd {
    /// What came of the stream, of which so many commands were answered.
    pub(super) fn outcome(self, done: u64) -> Result<()> {
        match self {
            Self::Reached | Self::Select(_) => Ok(()),
            Self::Broken(error) => {
                Err(StreamError::Broken { why: error.to_string(), answered: done }.into())
            }
            Self::Refused(error) => Err(error),
        }
    }
}

/// The stream, and what is needed to know where each of its commands belongs.
pub(super) struct CommandSource<I> {
    requests: I,
    keys: CommandKeys,
    /// Asked about keys alone, since its answers come while others are under way.
    adviser: Connection,
}

impl<I: Iterator<Item = Result<Command, RequestError>>> CommandSource<I> {
    /// Learns from a node where the keys of commands are.
    ///
    /// # Errors
    /// Those of [`CommandKeys::load`].
    pub(super) fn open(requests: I, node: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut adviser = Connection::open(node, settings)?;
        let keys = CommandKeys::load(&mut adviser)?;
        Ok(Self { requests, keys, adviser })
    }

    /// Takes as many commands from the stream as may be under way.
    pub(super) fn next_batch(&mut self) -> Batch {
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while batch.jobs.len() < MOST_COMMANDS && bytes < MOST_BYTES && batch.end.is_none() {
            match self.next_job() {
                Ok(job) => {
                    bytes += job.command.args().map(<[u8]>::len).sum::<usize>();
                    batch.jobs.push(job);
                }
                Err(end) => batch.end = Some(end),
            }
        }
        batch
    }

    fn next_job(&mut self) -> Result<PendingCommand, StreamEnd> {
        let command = self.requests.next().ok_or(StreamEnd::Reached)?.map_err(StreamEnd::Broken)?;
        if let Some(database) = selects(&command) {
            return Err(StreamEnd::Select(database));
        }
        refuse_what_cannot_be_routed(&command).map_err(StreamEnd::Refused)?;
        let route = self.keys.route(&command, &mut self.adviser).map_err(StreamEnd::Refused)?;
        Ok(PendingCommand { command, route, asked_of: None, redirects: 0 })
    }
}

/// The database that a command selects.
fn selects(command: &Command) -> Option<u32> {
    let mut words = command.args();
    let name = words.next()?;
    let number = std::str::from_utf8(words.next()?).ok()?;
    name.eq_ignore_ascii_case(b"SELECT").then(|| number.parse().ok())?
}

/// Commands that change what a connection is cannot be spread over nodes.
fn refuse_what_cannot_be_routed(command: &Command) -> Result<()> {
    const STATEFUL: [&[u8]; 14] = [
        b"MULTI",
        b"EXEC",
        b"DISCARD",
        b"WATCH",
        b"UNWATCH",
        b"MONITOR",
        b"SYNC",
        b"PSYNC",
        b"QUIT",
        b"HELLO",
        b"RESET",
        b"ASKING",
        b"READONLY",
        b"READWRITE",
    ];
    let name = command.name();
    let is_one_of = |names: &[&[u8]]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    let ending = name.get(name.len().saturating_sub(9)..).unwrap_or_default();
    let quiets = |word: &[u8]| word.eq_ignore_ascii_case(b"REPLY");
    if is_one_of(&STATEFUL)
        || ending.eq_ignore_ascii_case(b"SUBSCRIBE")
        || (is_one_of(&[b"CLIENT"]) && command.args().nth(1).is_some_and(quiets))
    {
        let name = name.to_ascii_uppercase().escape_ascii().to_string();
        return Err(StreamError::Stateful(name).into());
    }
    Ok(())
}
