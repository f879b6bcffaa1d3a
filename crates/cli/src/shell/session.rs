//! A session: a current node, what it has been told, and commands one after the other.

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::client::{Client, Redirect, Watcher};
use redistrib_ops::resp::{Command, Kind, Reply};
use redistrib_ops::{Cancel, Error, Stop};

use super::failure::explain;
use super::format::{LineEnds, ReplyForm, write_harmless};
use super::options::{Options, Peer, Protocol};
use super::printer::Printer;
use super::replica;
use super::state::{SessionChange, SessionState};
use crate::escape::Escaped;

/// Replies may take as long as the command says: BLPOP waits for ever. A year stands for it.
const AS_LONG_AS_IT_TAKES: Duration = Duration::from_secs(365 * 86_400);
/// How often one looks up from waiting for messages.
const LOOK_UP: Duration = Duration::from_millis(50);
/// Slower replies are shown with the time they took.
const WORTH_TELLING: Duration = Duration::from_millis(500);

/// Who reads what a session prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputReader {
    /// A person at the prompt, who is shown redirections and how long slow replies took, too.
    Person,
    /// Whoever runs one command, or a file of them.
    Program,
}

/// One session with a server or a cluster.
#[derive(Debug)]
pub(super) struct ShellSession {
    pub(super) client: Client,
    pub(super) state: SessionState,
    pub(super) printer: Printer,
    pub(super) cancel: Cancel,
    follow: bool,
    peer: Peer,
    reader: OutputReader,
    /// Whether commands may come while subscribed; else a subscription lasts until it is ended.
    pub(super) takes_commands_subscribed: bool,
    /// Whether commands are lines from a file or pipe.
    pub(super) takes_lines: bool,
    /// Whether an error reply ends the session: it is reported on standard error then.
    errors_end: bool,
}

impl ShellSession {
    /// A session that is not connected yet.
    pub(super) fn new(options: &Options, reader: OutputReader) -> Self {
        let cancel = Cancel::new();
        let state = SessionState {
            database: options.database,
            protocol: options.protocol.map(|protocol| match protocol {
                Protocol::Two => 2,
                Protocol::Three => 3,
            }),
            name: options.name.clone(),
            ..SessionState::default()
        };
        let client = Client::new(&options.endpoint, &options.settings, cancel.clone())
            .with_reply_timeout(AS_LONG_AS_IT_TAKES);
        let printer = Printer::new(&options.output);
        let errors_end = options.exit_on_error && reader == OutputReader::Program;
        Self {
            client,
            state,
            printer,
            cancel,
            follow: options.cluster,
            peer: options.peer,
            reader,
            takes_commands_subscribed: false,
            takes_lines: false,
            errors_end,
        }
    }

    /// Connects, if the connection is not there. What the server refuses of AUTH, HELLO and SELECT is
    /// said, and done without, as redis-cli does: the command will fail if it matters.
    ///
    /// # Errors
    /// No connection.
    pub(super) fn connect(&mut self) -> Result<(), Error> {
        if self.client.is_connected() {
            return Ok(());
        }
        self.disconnected();
        loop {
            self.client.set_up_with(self.state.setup());
            let Err(error) = self.client.connection() else { return Ok(()) };
            let Error::Refused { command, reply, .. } = &error else { return Err(error) };
            let refused = match command.split(' ').next() {
                Some("AUTH") if self.client.settings().credentials.is_some() => {
                    self.client.set_credentials(None);
                    "AUTH"
                }
                Some("HELLO") if self.state.protocol.is_some() => {
                    self.state.protocol = None;
                    "HELLO"
                }
                Some("SELECT") if self.state.database != 0 => {
                    self.state.database = 0;
                    command.as_str()
                }
                Some("CLIENT") if self.state.name.is_some() => {
                    self.state.name = None;
                    "CLIENT SETNAME"
                }
                _ => return Err(error),
            };
            let _ = writeln!(io::stderr(), "{refused} failed: {}", Escaped(reply));
        }
    }

    /// Takes note that the connection is gone, and says so where commands to come count on it.
    pub(super) fn disconnected(&mut self) {
        if let Some(lost) = self.state.disconnected() {
            let _ = writeln!(io::stderr(), "{}", lost.text());
        }
    }

    /// Sends a command and waits for its reply, following the cluster where that was asked for. Inside a
    /// transaction, and while keys are watched, nothing is followed and no new connection made: the command would be
    /// executed outside of it.
    ///
    /// # Errors
    /// No connection, or none any more.
    pub(super) fn ask(&mut self, words: &[Vec<u8>]) -> Result<Reply, Error> {
        let command = Command::from_args(words);
        let bound = self.state.is_bound();
        if !bound {
            self.tell_hang_up()?;
            self.connect()?;
        }
        let mut reporter = NoticePrinter::new(&self.printer, &self.state, self.reader);
        let reply = match (bound, self.follow) {
            (true, _) => self.client.request_connected(&command, &mut reporter),
            (false, true) => self.client.follow(&command, &mut reporter),
            (false, false) => self.client.request(&command, &mut reporter),
        };
        let ends = command.name().eq_ignore_ascii_case(b"exec")
            || command.name().eq_ignore_ascii_case(b"discard");
        if reply.is_err() && ends {
            // Nothing more can be lost: the complaint says what is known of it.
            self.state.end_transaction();
        }
        let reply = reply?;
        if let SessionChange::Identity(credentials) = self.state.note(words, &reply) {
            self.client.set_credentials(credentials);
        }
        self.client.set_up_with(self.state.setup());
        Ok(reply)
    }

    /// Whether the server has hung up, and nobody was shown that: there is no prompt for lines from a pipe.
    pub(super) fn is_hung_up(&mut self) -> bool {
        self.takes_lines && self.client.is_closed()
    }

    /// As in the peers, the first command after that fails instead of being executed on another connection.
    fn tell_hang_up(&mut self) -> Result<(), Error> {
        if !self.is_hung_up() {
            return Ok(());
        }
        self.client.disconnect();
        Err(self.client.hung_up())
    }

    /// Sends a command and prints its reply; returns whether that was no error.
    ///
    /// # Errors
    /// As for [`ShellSession::ask`], and those of writing.
    pub(super) fn execute(&mut self, words: &[Vec<u8>]) -> Result<bool> {
        let begun = Instant::now();
        if let Some(lost) = self.state.refuse(words) {
            writeln!(io::stderr(), "{}", lost.refusal())?;
            return Ok(false);
        }
        if is_synchronisation(words) {
            self.connect()?;
            self.printer.line("Entering replica output mode...  (press Ctrl-C to quit)")?;
            return replica::follow(self, &Command::from_args(words), self.peer);
        }
        if self.takes_commands_subscribed
            && !self.state.in_transaction
            && (self.state.is_subscribed() || confirmations(words).is_some())
        {
            return self.execute_amid_messages(words);
        }
        // Inside a transaction they are queued.
        let streams = streams(words) && !self.state.in_transaction;
        let reply = self.ask(words)?;
        let fine = reply.view().as_error().is_none();
        if streams && fine {
            self.print_stream(words, &reply)?;
            return Ok(true);
        }
        match reply.view().as_error() {
            Some(text) if self.errors_end => {
                let mut out = io::stderr().lock();
                write_harmless(text, LineEnds::One, &mut out)?;
                out.write_all(b"\n")?;
                return Ok(false);
            }
            _ => self.printer.reply(words, reply.view())?,
        }
        if fine && !self.state.in_transaction {
            self.print_further_goodbyes(words)?;
        }
        let took = begun.elapsed();
        if self.reader == OutputReader::Person
            && took >= WORTH_TELLING
            && self.printer.form() == ReplyForm::Terminal
        {
            self.printer.aside(&format!("({:.2}s)", took.as_secs_f64()))?;
        }
        Ok(fine)
    }

    /// Sends a command and prints its replies and the messages that come before them; returns whether none was an
    /// error. A subscription made by it lasts.
    fn execute_amid_messages(&mut self, words: &[Vec<u8>]) -> Result<bool> {
        let command = Command::from_args(words);
        let name = command.name().to_ascii_lowercase();
        let confirmations = confirmations(words);
        let mut left = confirmations.unwrap_or(1);
        let mut reply = self.ask(words)?;
        loop {
            self.printer.reply(words, reply.view())?;
            let fine = reply.view().as_error().is_none();
            left -= usize::from(match self.state.message_sort(reply.view()) {
                Some(sort) => confirmations.is_some() && sort == name,
                None => reply.kind() != Kind::Push,
            });
            if left == 0 || !fine {
                return Ok(fine);
            }
            let mut reporter = NoticePrinter::new(&self.printer, &self.state, self.reader);
            reply = self.client.receive(&command, &mut reporter)?;
            self.state.note(words, &reply);
        }
    }

    /// Prints the messages that come until `done`.
    ///
    /// # Errors
    /// Those of the connection and of writing.
    pub(super) fn print_messages(&mut self, mut done: impl FnMut() -> bool) -> Result<()> {
        self.printer.show_waiting()?;
        while self.state.is_subscribed() && !done() {
            if let Some(message) = self.client.poll(LOOK_UP)? {
                self.state.note_message(message.view());
                self.printer.hide_waiting()?;
                self.printer.reply(&[], message.view())?;
                self.printer.show_waiting()?;
            }
        }
        self.printer.hide_waiting()?;
        Ok(())
    }

    /// Hands each message that comes to `show`, as text, until `done`.
    ///
    /// # Errors
    /// Those of the connection.
    pub(super) fn watch_messages(
        &mut self,
        done: &AtomicBool,
        mut show: impl FnMut(String),
    ) -> Result<(), Error> {
        while !done.load(Ordering::Acquire) {
            if let Some(message) = self.client.poll(LOOK_UP)? {
                self.state.note_message(message.view());
                show(self.printer.text(message.view()));
            }
        }
        Ok(())
    }

    /// The server answers UNSUBSCRIBE once for each channel: what was not read would be taken for the next
    /// command's reply.
    fn print_further_goodbyes(&mut self, words: &[Vec<u8>]) -> Result<()> {
        let Some((name, channels)) = words.split_first() else { return Ok(()) };
        if !name.to_ascii_lowercase().ends_with(b"unsubscribe") {
            return Ok(());
        }
        let command = Command::from_args(words);
        for _ in channels.iter().skip(1) {
            let mut reporter = NoticePrinter::new(&self.printer, &self.state, self.reader);
            let reply = self.client.receive(&command, &mut reporter)?;
            self.printer.reply(words, reply.view())?;
        }
        Ok(())
    }

    /// Prints what comes without being asked for, until the user or the server ends it.
    fn print_stream(&mut self, words: &[Vec<u8>], first: &Reply) -> Result<()> {
        let monitor = words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"monitor"));
        if self.printer.form() == ReplyForm::Terminal && !monitor {
            self.printer.line("Reading messages... (press Ctrl-C to quit)")?;
        }
        self.printer.reply(words, first.view())?;
        let mut open = monitor || self.state.is_subscribed();
        while open && self.cancel.requested() == Stop::No {
            let Some(message) = self.client.poll(LOOK_UP)? else { continue };
            self.printer.reply(words, message.view())?;
            open = monitor || !is_last_goodbye(&message);
        }
        // Messages under way would be taken for replies: only a new connection is free of them.
        self.client.disconnect();
        Ok(())
    }

    /// Prints an error of the connection in words for the user.
    pub(super) fn complain(&self, error: &anyhow::Error) {
        let text = match error.downcast_ref::<Error>() {
            Some(error) => explain(error, self.peer),
            None => Escaped(format!("{error:#}")).to_string(),
        };
        let _ = writeln!(io::stderr(), "{text}");
    }
}

/// Shows the user what happens before the reply.
struct NoticePrinter<'a> {
    printer: &'a Printer,
    /// Whether pushes are shown as the messages are that they come among.
    subscribed: bool,
    reader: OutputReader,
}

impl<'a> NoticePrinter<'a> {
    fn new(printer: &'a Printer, state: &SessionState, reader: OutputReader) -> Self {
        Self { printer, subscribed: state.is_subscribed(), reader }
    }
}

impl Watcher for NoticePrinter<'_> {
    fn redirected(&mut self, redirect: &Redirect) {
        if self.reader == OutputReader::Person {
            let text =
                format!("-> Redirected to slot [{}] located at {}", redirect.slot, redirect.to);
            let _ = self.printer.aside(&Escaped(text).to_string());
        }
    }

    fn pushed(&mut self, push: &Reply) {
        let _ = match self.subscribed {
            true => self.printer.reply(&[], push.view()),
            false => self.printer.push(push.view()),
        };
    }
}

/// How often the server confirms a command that subscribes or ends a subscription: once for each channel. Further
/// confirmations, of UNSUBSCRIBE without a channel, come as messages do.
fn confirmations(words: &[Vec<u8>]) -> Option<usize> {
    let (name, channels) = words.split_first()?;
    name.to_ascii_lowercase().ends_with(b"subscribe").then(|| channels.len().max(1))
}

/// Whether a command is followed by messages until it is undone.
fn streams(words: &[Vec<u8>]) -> bool {
    let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    matches!(name.as_slice(), b"subscribe" | b"psubscribe" | b"ssubscribe" | b"monitor")
}

/// Whether a command makes the connection a replica's.
fn is_synchronisation(words: &[Vec<u8>]) -> bool {
    let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
    matches!(name.as_slice(), b"sync" | b"psync")
}

/// Whether a message says that no subscription is left.
fn is_last_goodbye(message: &Reply) -> bool {
    let view = message.view();
    if !matches!(view.kind(), Kind::Array | Kind::Push) {
        return false;
    }
    let mut elements = view.elements();
    let goodbye = elements
        .next()
        .and_then(|sort| sort.as_bytes())
        .is_some_and(|sort| matches!(sort, b"unsubscribe" | b"punsubscribe" | b"sunsubscribe"));
    goodbye && elements.nth(1).and_then(|count| count.as_int()) == Some(0)
}
