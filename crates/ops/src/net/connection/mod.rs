//! One server at the other end of a stream: commands go out, replies come back, nothing waits for ever.

mod bounds;
mod describe;
mod dump;
mod secret;
mod settings;
mod stream;
#[cfg_attr(not(feature = "tls"), path = "no_tls.rs")]
mod tls;
#[cfg(feature = "tls")]
mod trust;

use std::io;
use std::net::Shutdown;
use std::time::{Duration, Instant};

use redistrib_resp::{Command, Decoder, Pipeline, Reply, View};

use crate::error::{Error, NO_COMMAND, Result};
use crate::wait::until_settled;
use crate::{Cancel, Endpoint};

pub(crate) use describe::describe;
pub use describe::without_secrets;
pub use dump::{Payload, Synchronisation};
pub use secret::{Credentials, Secret};
pub use settings::Settings;
use stream::{Deadline, Stream};
#[cfg(feature = "tls")]
pub use tls::TlsOptions;
pub use tls::TlsSettings;

/// The most bytes of one reply that are held: a value is 512 MiB at most, and a server that answers without end
/// must not fill the memory.
const MOST_HELD: usize = 1 << 30;

/// From so many bytes on a reply is large: its room is given back with it.
const LARGE_REPLY: usize = 32 << 10;

/// A connection to one server, authenticated and ready for commands.
///
/// After a timeout or a broken stream the connection is of no more use, since an answer that comes late
/// would be taken for the next command's: every later call fails with [`Error::Closed`].
///
/// ```no_run
/// use redistrib_ops::{Connection, Settings};
/// use redistrib_resp::Command;
/// let mut node = Connection::open(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let reply = node.call(&Command::new("GET").arg("foo"))?;
/// println!("{:?}", reply.view().as_bytes());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    endpoint: Endpoint,
    stream: Stream,
    decoder: Decoder,
    out: Pipeline,
    settings: Settings,
    timeout: Duration,
    broken: bool,
    /// Whether a reply has come over it.
    heard: bool,
}

impl Connection {
    /// Connects and authenticates.
    ///
    /// # Errors
    /// [`Error::Resolve`], [`Error::Connect`], [`Error::Tls`], and those of [`Connection::call`] for AUTH.
    pub fn open(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Self::resting(endpoint, settings);
        connection.wake(settings)?;
        Ok(connection)
    }

    /// A connection that is made when it is first used.
    pub(crate) fn resting(endpoint: &Endpoint, settings: &Settings) -> Self {
        Self {
            endpoint: endpoint.clone(),
            stream: Stream::Resting,
            decoder: Decoder::new(),
            out: Pipeline::new(),
            settings: settings.clone(),
            timeout: settings.timeout,
            broken: false,
            heard: false,
        }
    }

    /// Whether it has to be made before it can be used.
    pub(crate) fn is_resting(&self) -> bool {
        matches!(self.stream, Stream::Resting)
    }

    /// Connects and authenticates, where it rests, with the time limits of these settings.
    pub(crate) fn wake(&mut self, hurried: &Settings) -> Result<()> {
        if !self.is_resting() {
            return Ok(());
        }
        self.stream = Stream::open(&self.endpoint, hurried)?;
        let Some(Credentials { user, password }) = &hurried.credentials else { return Ok(()) };
        let auth = user.iter().fold(Command::new("AUTH"), Command::arg).arg(password.reveal());
        let timeout = std::mem::replace(&mut self.timeout, hurried.timeout);
        let greeted = self.call(&auth);
        self.timeout = timeout;
        if greeted.is_err() {
            self.stream = Stream::Resting;
        }
        greeted.map(drop)
    }

    /// Gives the descriptor back until the connection is used again, and what the server keeps of it is gone. No answer may be
    /// awaited.
    pub(crate) fn rest(&mut self) {
        if !self.broken {
            self.stream.shutdown(Shutdown::Both);
            self.stream = Stream::Resting;
            self.give_room_back();
        }
    }

    /// Gives back the room of what was sent and received: a thousand connections that each keep some would fill the memory.
    pub(crate) fn give_room_back(&mut self) {
        self.decoder.shrink();
        self.out = Pipeline::new();
    }

    /// Another connection to the same server, made in the same way.
    ///
    /// # Errors
    /// Those of [`Connection::open`].
    pub fn another(&self) -> Result<Self> {
        Self::open(&self.endpoint, &self.settings)
    }

    /// The server's address.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How long each answer is waited for from now on.
    pub fn set_timeout(&mut self, timeout: Duration) {
        self.timeout = timeout;
    }

    /// How long each answer is waited for.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the connection is of no more use.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Sends one command and waits for its reply; an error reply becomes an error.
    ///
    /// # Errors
    /// [`Error::Refused`] with the server's error text; [`Error::Timeout`], [`Error::Io`], [`Error::Closed`] or
    /// [`Error::Protocol`] when no reply could be had, after which the connection is of no more use.
    pub fn call(&mut self, command: &Command) -> Result<Reply> {
        let reply = self.request(command)?;
        self.accept(command, reply)
    }

    /// Sends a command again as long as the server refuses it for a reason that `may_pass` accepts, and no longer than
    /// `longest`: then the last refusal is the error.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; [`Error::Cancelled`].
    pub(crate) fn call_until_accepted(
        &mut self,
        command: &Command,
        longest: Duration,
        cancel: &Cancel,
        may_pass: impl Fn(&Error) -> bool,
    ) -> Result<()> {
        let mut refused = None;
        let waited = until_settled(longest, cancel, || {
            refused = match self.call(command) {
                Err(error) if may_pass(&error) => Some(error),
                outcome => outcome.map(|_| None)?,
            };
            Ok(refused.as_ref().map(ToString::to_string))
        });
        refused.map_or(waited, Err)
    }

    /// Sends one command and waits for its reply, which may be an error reply.
    ///
    /// # Errors
    /// Those of [`Connection::call`] but for [`Error::Refused`].
    pub fn request(&mut self, command: &Command) -> Result<Reply> {
        self.send(std::slice::from_ref(command))?;
        self.receive(command)
    }

    /// Sends all commands at once and waits for all replies, error replies included.
    ///
    /// # Errors
    /// Those of [`Connection::request`].
    pub fn pipeline(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        self.send(commands)?;
        commands.iter().map(|command| self.receive(command)).collect()
    }

    /// Sends all commands at once; every reply is waited for, then the first error reply becomes an error.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub fn call_all(&mut self, commands: &[Command]) -> Result<Vec<Reply>> {
        let replies = self.pipeline(commands)?;
        commands.iter().zip(replies).map(|(command, reply)| self.accept(command, reply)).collect()
    }

    /// [`Connection::call_all`] for many commands, of whose replies none is kept.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub(crate) fn tell_all<'a>(
        &mut self,
        commands: impl Iterator<Item = &'a Command> + Clone,
    ) -> Result<()> {
        self.send(commands.clone())?;
        let mut outcome = Ok(());
        for command in commands {
            let reply = self.receive(command)?;
            outcome = outcome.and(self.accept(command, reply).map(drop));
        }
        outcome
    }

    /// Sends commands without waiting. Each needs one [`Connection::receive`], in the same order.
    ///
    /// # Errors
    /// [`Error::Timeout`], [`Error::Io`] or [`Error::Closed`].
    pub fn send<'a>(&mut self, commands: impl IntoIterator<Item = &'a Command>) -> Result<()> {
        let mut commands = commands.into_iter();
        let Some(first) = commands.next() else { return Ok(()) };
        self.check_usable(Some(first))?;
        if self.is_resting() {
            self.wake(&self.settings.clone())?;
        }
        self.out.clear();
        self.out.push(first);
        commands.for_each(|command| self.out.push(command));
        let mut deadline = Deadline::after(self.timeout);
        let written = self.stream.write_all(self.out.as_bytes(), &mut deadline);
        written.map_err(|error| self.broke(Some(first), error))
    }

    /// Waits for one reply. `command` is what it answers, for the error text and for how large it may be.
    ///
    /// # Errors
    /// Those of [`Connection::request`].
    pub fn receive(&mut self, command: &Command) -> Result<Reply> {
        let asked = Some(command);
        self.check_usable(asked)?;
        let mut deadline = Deadline::after(self.timeout);
        loop {
            if let Some(reply) = self.decoded(asked)? {
                return Ok(reply);
            }
            match self.fill(&mut deadline) {
                Ok(0) => return Err(self.closed(asked)),
                Ok(_) => {}
                Err(error) => return Err(self.broke(asked, error)),
            }
        }
    }

    /// Waits at most `wait` for a reply that no command asked for (a push, a message, a monitored command).
    /// Nothing in time is `None`, and the connection stays usable.
    ///
    /// # Errors
    /// Those of [`Connection::request`], but for the timeout.
    pub fn poll(&mut self, wait: Duration) -> Result<Option<Reply>> {
        self.within(None, wait)
    }

    /// Waits at most `wait` for the reply to `command`. Nothing in time is `None`, and the connection stays
    /// usable: the reply is still to come.
    ///
    /// # Errors
    /// Those of [`Connection::request`], but for the timeout.
    pub(crate) fn receive_within(
        &mut self,
        command: &Command,
        wait: Duration,
    ) -> Result<Option<Reply>> {
        self.within(Some(command), wait)
    }

    fn within(&mut self, asked: Asked<'_>, wait: Duration) -> Result<Option<Reply>> {
        self.check_usable(asked)?;
        let until = Instant::now() + wait;
        loop {
            if let Some(reply) = self.decoded(asked)? {
                return Ok(Some(reply));
            }
            let mut deadline = Deadline::after(until.saturating_duration_since(Instant::now()));
            match self.fill(&mut deadline) {
                Ok(0) => return Err(self.closed(asked)),
                Ok(_) => {}
                Err(error) if is_timeout(&error) => return Ok(None),
                Err(error) => return Err(self.broke(asked, error)),
            }
        }
    }

    /// The reply to `command` as far as it has come: where it is not whole, waits at most `wait` for one more piece of it.
    ///
    /// # Errors
    /// Those of [`Connection::request`], but for the timeout.
    pub(crate) fn piece(&mut self, command: &Command, wait: Duration) -> Result<Piece> {
        let asked = Some(command);
        self.check_usable(asked)?;
        if let Some(reply) = self.decoded(asked)? {
            return Ok(Piece::Whole(reply));
        }
        if wait.is_zero() {
            return self.take_in(asked).map(Piece::Part);
        }
        match self.fill(&mut Deadline::after(wait)) {
            Ok(0) => Err(self.closed(asked)),
            Ok(bytes) => Ok(Piece::Part(bytes)),
            Err(error) if is_timeout(&error) => Ok(Piece::Part(0)),
            Err(error) => Err(self.broke(asked, error)),
        }
    }

    /// The next reply of the bytes that have arrived, if it is whole.
    fn decoded(&mut self, asked: Asked<'_>) -> Result<Option<Reply>> {
        self.decoder.set_limits(bounds::limits_of(asked));
        match self.decoder.next_reply() {
            Ok(Some(reply)) => {
                self.heard = true;
                // A thousand connections that each keep the room of one large reply would fill the memory.
                if reply.wire().len() >= LARGE_REPLY {
                    self.decoder.shrink();
                }
                Ok(Some(reply))
            }
            Ok(None) => Ok(None),
            Err(source) => {
                self.broken = true;
                self.stream.shutdown(Shutdown::Both);
                let may_want_tls = self.may_want_tls();
                let (node, command) = (self.endpoint.clone(), named(asked));
                if let Some(what) = bounds::excess(asked, source.kind()) {
                    return Err(Error::Unexpected { node, command, what });
                }
                Err(Error::Protocol { node, command, may_want_tls, source })
            }
        }
    }

    /// Sends no more, which has the server close the connection; [`Error::Closed`] when something is received then says that it
    /// has.
    pub(crate) fn end(&self) {
        self.stream.shutdown(Shutdown::Write);
    }

    /// The error for a reply that did not come within `after`; the connection is of no more use.
    pub(crate) fn give_up(&mut self, command: &Command, after: Duration) -> Error {
        self.broken = true;
        self.stream.shutdown(Shutdown::Both);
        Error::Timeout { node: self.endpoint.clone(), command: describe(command), after }
    }

    /// Sends bytes as they are: commands that somebody else has encoded.
    ///
    /// # Errors
    /// Those of [`Connection::send`].
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        let what = Command::new("(commands from a stream)");
        self.check_usable(Some(&what))?;
        if self.is_resting() {
            self.wake(&self.settings.clone())?;
        }
        let mut deadline = Deadline::after(self.timeout);
        let written = self.stream.write_all(bytes, &mut deadline);
        written.map_err(|error| self.broke(Some(&what), error))
    }

    /// A reply that has arrived already; never waits.
    ///
    /// # Errors
    /// Those of [`Connection::request`], but for the timeout.
    pub fn arrived(&mut self) -> Result<Option<Reply>> {
        loop {
            match self.poll(Duration::ZERO)? {
                Some(reply) => return Ok(Some(reply)),
                None if self.take_in(None)? == 0 => return Ok(None),
                None => {}
            }
        }
    }

    /// Whether the server still holds the connection, as far as can be known without asking it. Answers
    /// that nobody has received yet are kept.
    pub(crate) fn is_alive(&mut self) -> bool {
        !self.broken && self.take_in(None).is_ok()
    }

    /// Takes in what has arrived, and returns the number of bytes.
    fn take_in(&mut self, asked: Asked<'_>) -> Result<usize> {
        let taken = self
            .stream
            .set_nonblocking(true)
            .and_then(|()| self.decoder.read_from(&mut self.stream));
        let restored = self.stream.set_nonblocking(false);
        match taken.and_then(|taken| restored.map(|()| taken)) {
            Ok(0) => Err(self.closed(asked)),
            Ok(_) if self.decoder.buffered() > MOST_HELD => Err(self.broke(asked, too_large())),
            Ok(taken) => Ok(taken),
            Err(error) if is_timeout(&error) => Ok(0),
            Err(error) => Err(self.broke(asked, error)),
        }
    }

    /// Turns an error reply to `command` into an error.
    ///
    /// # Errors
    /// [`Error::Refused`].
    pub fn accept(&self, command: &Command, reply: Reply) -> Result<Reply> {
        self.refusal(command, reply.view()).map_or(Ok(reply), Err)
    }

    /// The error that a reply to `command` is, or a part of it, if it is one.
    pub(crate) fn refusal(&self, command: &Command, reply: View<'_>) -> Option<Error> {
        refusal(&self.endpoint, command, reply)
    }

    /// The error for a reply that is not of the documented form.
    pub fn unexpected(&self, command: &Command, what: impl Into<String>) -> Error {
        Error::Unexpected {
            node: self.endpoint.clone(),
            command: describe(command),
            what: what.into(),
        }
    }

    fn fill(&mut self, deadline: &mut Deadline) -> io::Result<usize> {
        loop {
            self.stream.arm(deadline)?;
            match self.decoder.read_from(&mut self.stream) {
                Ok(_) if self.decoder.buffered() > MOST_HELD => {
                    return Err(too_large());
                }
                Ok(read) => {
                    deadline.extend(read);
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn check_usable(&self, asked: Asked<'_>) -> Result<()> {
        if self.broken { Err(self.unusable(asked)) } else { Ok(()) }
    }

    /// Whether the server may not understand us since it expects TLS: it has not said a word that we understand.
    fn may_want_tls(&self) -> bool {
        !self.heard && self.settings.tls.is_none()
    }

    fn closed(&mut self, asked: Asked<'_>) -> Error {
        self.broken = true;
        self.unusable(asked)
    }

    fn unusable(&self, asked: Asked<'_>) -> Error {
        Error::Closed { node: self.endpoint.clone(), command: asked.map(describe) }
    }

    fn broke(&mut self, asked: Asked<'_>, source: io::Error) -> Error {
        self.broken = true;
        self.stream.shutdown(Shutdown::Both);
        let (node, command) = (self.endpoint.clone(), named(asked));
        if is_timeout(&source) {
            Error::Timeout { node, command, after: self.timeout }
        } else {
            let may_want_tls = self.may_want_tls() && self.decoder.buffered() == 0;
            Error::Io { node, command, may_want_tls, source }
        }
    }
}

/// The command that what is received answers, for error texts and for how large that may be; none where no command asked for it.
type Asked<'a> = Option<&'a Command>;

fn named(asked: Asked<'_>) -> String {
    asked.map_or_else(|| NO_COMMAND.to_owned(), describe)
}

/// A reply on its way.
#[derive(Debug)]
pub(crate) enum Piece {
    /// All of it.
    Whole(Reply),
    /// So many more bytes of it, which may be none.
    Part(usize),
}

fn too_large() -> io::Error {
    io::Error::other("the reply is larger than 1 GiB")
}

/// The error that a node's reply to `command` is, if it is one.
pub(crate) fn refusal(node: &Endpoint, command: &Command, reply: View<'_>) -> Option<Error> {
    let reply = String::from_utf8_lossy(reply.as_error()?).into_owned();
    Some(Error::Refused { node: node.clone(), command: describe(command), reply })
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}
