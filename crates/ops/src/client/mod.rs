//! A client of a cluster: a command goes where its key is, by what the nodes themselves say.
//!
//! [`Client`] sends one command after another, as a prompt does, and goes where MOVED and ASK send it.
//! [`insert`] takes very many commands without waiting for each; [`CommandKeys`] says which of a command's
//! words are keys.

mod batch;
mod insert;
mod keys;
mod pass;
mod redirect;
mod requests;
mod router;
pub mod words;

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_resp::{Command, Kind, Reply};

use crate::conn::describe;
use crate::error::{Error, Result};
use crate::{Cancel, Connection, Credentials, Endpoint, Settings, Stop};

pub use insert::{InsertTally, Insertion, insert};
pub use keys::CommandKeys;
pub use pass::{await_last_reply, pass_on};
pub use redirect::Redirect;
use redirect::{Continuation, verdict};
pub use requests::{RequestError, Requests};

/// How long a wait is before the request to stop is looked at again.
const LOOK_UP: Duration = Duration::from_millis(50);

/// How far a client goes for one command before it returns the node's reply.
///
/// ```
/// use redistrib_ops::client::Patience;
/// assert_eq!(Patience::default().redirects, 16);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How many times to go where a node points. Two nodes that point at each other end here.
    pub redirects: u32,
    /// How long in all to wait and try again after TRYAGAIN, CLUSTERDOWN, MASTERDOWN and LOADING.
    pub wait: Duration,
}

impl Default for Patience {
    /// 16 redirects, one second.
    fn default() -> Self {
        Self { redirects: 16, wait: Duration::from_secs(1) }
    }
}

/// Who is notified of what happens between a command and its reply.
pub trait Watcher {
    /// The command goes elsewhere.
    fn redirected(&mut self, _redirect: &Redirect) {}
    /// Out-of-band data came (RESP3).
    fn pushed(&mut self, _push: &Reply) {}
}

/// Takes no notice.
impl Watcher for () {}

/// Connections to the nodes of a cluster, of which one is the current.
///
/// ```no_run
/// use redistrib_ops::client::Client;
/// use redistrib_ops::{Cancel, Settings};
/// use redistrib_resp::Command;
///
/// let mut client = Client::new(&"127.0.0.1:7000".parse()?, &Settings::default(), Cancel::new());
/// let reply = client.follow(&Command::new("GET").arg("foo"), &mut ())?;
/// println!("{} has {:?}", client.endpoint(), reply.view().as_bytes());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    patience: Patience,
    reply_timeout: Option<Duration>,
    cancel: Cancel,
    setup: Vec<Command>,
    at: Endpoint,
    links: HashMap<Endpoint, Connection>,
}

impl Client {
    /// A client that begins at `endpoint`. Nothing is connected yet. Once `cancel` is pressed, waits end.
    pub fn new(endpoint: &Endpoint, settings: &Settings, cancel: Cancel) -> Self {
        Self {
            settings: settings.clone(),
            patience: Patience::default(),
            reply_timeout: None,
            cancel,
            setup: Vec::new(),
            at: endpoint.clone(),
            links: HashMap::new(),
        }
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(self, patience: Patience) -> Self {
        Self { patience, ..self }
    }

    /// The same client that waits this long for replies instead of [`Settings::timeout`], which still holds
    /// for connecting: a command may block as long as its arguments say.
    #[must_use]
    pub fn with_reply_timeout(self, timeout: Duration) -> Self {
        Self { reply_timeout: Some(timeout), ..self }
    }

    /// Commands for every connection made from now on, after AUTH: HELLO, SELECT and the like. The current
    /// node is taken to have been sent them already; connections to other nodes are given up.
    pub fn set_up_with(&mut self, setup: Vec<Command>) {
        if self.setup != setup {
            self.setup = setup;
            self.keep_current();
        }
    }

    /// Authenticates connections made from now on as this user; as for [`Client::set_up_with`].
    pub fn set_credentials(&mut self, credentials: Option<Credentials>) {
        self.settings.credentials = credentials;
        self.keep_current();
    }

    fn keep_current(&mut self) {
        self.links.retain(|endpoint, _| *endpoint == self.at);
    }

    /// How connections are made.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The node that the next command goes to first.
    pub fn endpoint(&self) -> &Endpoint {
        &self.at
    }

    /// Makes another node the current one.
    pub fn go_to(&mut self, endpoint: &Endpoint) {
        self.at = endpoint.clone();
    }

    /// Whether there is a connection to the current node that the server has not closed.
    pub fn is_connected(&mut self) -> bool {
        self.links.get_mut(&self.at).is_some_and(Connection::is_alive)
    }

    /// Whether there is a connection to the current node that the server has closed.
    pub fn is_closed(&mut self) -> bool {
        self.links.get_mut(&self.at).is_some_and(|link| !link.is_alive())
    }

    /// The connection to the current node, made now if there is none or the server has closed it.
    ///
    /// # Errors
    /// Those of [`Connection::open`], and of [`Connection::call`] for the commands of
    /// [`Client::set_up_with`].
    pub fn connection(&mut self) -> Result<&mut Connection> {
        let usable = self.links.get_mut(&self.at).is_some_and(Connection::is_alive);
        if !usable {
            self.links.remove(&self.at);
            let mut link = Connection::open(&self.at, &self.settings)?;
            link.set_timeout(self.reply_timeout.unwrap_or(self.settings.timeout));
            link.send(&self.setup)?;
            self.links.insert(self.at.clone(), link);
            if let Err(error) = self.receive_setup() {
                self.links.remove(&self.at);
                return Err(error);
            }
        }
        let (at, command) = (self.at.clone(), Some("connecting".to_owned()));
        self.links.get_mut(&self.at).ok_or(Error::Closed { node: at, command })
    }

    /// Waits for the replies to the first commands of a new connection, as long as for those of commands.
    fn receive_setup(&mut self) -> Result<()> {
        let setup = self.setup.clone();
        let replies = setup.iter().map(|command| self.receive(command, &mut ()));
        let replies: Vec<Reply> = replies.collect::<Result<_>>()?;
        let node = self.at.clone();
        let mut answered = setup.iter().zip(replies);
        answered
            .find_map(|(command, reply)| crate::conn::refusal(&node, command, reply.view()))
            .map_or(Ok(()), Err)
    }

    /// Waits at most `wait` for what the current node sends without being asked; never connects.
    ///
    /// # Errors
    /// Those of [`Connection::poll`].
    pub fn poll(&mut self, wait: Duration) -> Result<Option<Reply>> {
        match self.links.get_mut(&self.at) {
            Some(link) => link.poll(wait),
            None => Err(self.hung_up()),
        }
    }

    /// The error of a connection that ended before it was asked anything more: [`Error::Closed`] without a command.
    pub fn hung_up(&self) -> Error {
        Error::Closed { node: self.at.clone(), command: None }
    }

    /// Closes the connection to the current node.
    pub fn disconnect(&mut self) {
        self.links.remove(&self.at);
    }

    /// Sends a command to the current node and waits for its reply, whatever that says.
    ///
    /// A command is never sent twice: once it is on its way and the connection breaks, nobody knows
    /// whether it was executed.
    ///
    /// # Errors
    /// Those of [`Client::connection`] and [`Connection::request`]; [`Error::Cancelled`].
    pub fn request(&mut self, command: &Command, watcher: &mut dyn Watcher) -> Result<Reply> {
        self.connection()?.send(std::slice::from_ref(command))?;
        self.receive(command, watcher)
    }

    /// As [`Client::request`], with ASKING before it.
    fn request_asking(&mut self, command: &Command, watcher: &mut dyn Watcher) -> Result<Reply> {
        let asking = crate::commands::asking();
        self.connection()?.send(&[asking.clone(), command.clone()])?;
        self.receive(&asking, watcher)?;
        self.receive(command, watcher)
    }

    /// As [`Client::request`], but on the connection that is there: for commands that count on what was sent over it
    /// before, as those between MULTI and EXEC do.
    ///
    /// # Errors
    /// [`Client::hung_up`] where there is none, or the server has closed it before; those of [`Client::request`].
    pub fn request_connected(
        &mut self,
        command: &Command,
        watcher: &mut dyn Watcher,
    ) -> Result<Reply> {
        let hung_up = self.hung_up();
        let link = self.links.get_mut(&self.at).and_then(|link| link.is_alive().then_some(link));
        link.ok_or(hung_up)?.send(std::slice::from_ref(command))?;
        self.receive(command, watcher)
    }

    /// As [`Client::request`], but goes where the nodes point, and waits where they ask for a moment's
    /// patience. Where it ends is the current node from then on.
    ///
    /// # Errors
    /// Those of [`Client::request`]. A node's refusal is a reply, even if patience has run out.
    pub fn follow(&mut self, command: &Command, watcher: &mut dyn Watcher) -> Result<Reply> {
        let mut redirects = 0;
        let mut asking = false;
        let mut pauses = Pauses::new(self.patience.wait);
        loop {
            let reply = match asking {
                true => self.request_asking(command, watcher)?,
                false => self.request(command, watcher)?,
            };
            match verdict(&reply, &self.at) {
                Continuation::Done => return Ok(reply),
                Continuation::Elsewhere(redirect) if redirects < self.patience.redirects => {
                    redirects += 1;
                    asking = redirect.ask;
                    self.at = redirect.to.clone();
                    watcher.redirected(&redirect);
                }
                Continuation::Later if self.cancel.requested() == Stop::No && pauses.pause() => {}
                Continuation::Elsewhere(_) | Continuation::Later => return Ok(reply),
            }
        }
    }

    /// Waits for the reply to a command sent on the current connection. Pushes go to the watcher, unless
    /// the command is one whose confirmations are pushes.
    ///
    /// # Errors
    /// Those of [`Connection::receive`]; [`Error::Cancelled`], after which the connection is closed, since
    /// the reply may yet come.
    pub fn receive(&mut self, command: &Command, watcher: &mut dyn Watcher) -> Result<Reply> {
        let cancel = self.cancel.clone();
        let (node, what) = (self.at.clone(), describe(command));
        let Some(link) = self.links.get_mut(&self.at) else {
            return Err(Error::Closed { node, command: Some(what) });
        };
        let since = Instant::now();
        loop {
            match link.receive_within(command, LOOK_UP)? {
                Some(push) if push.kind() == Kind::Push && !is_answered_by_push(command) => {
                    watcher.pushed(&push);
                }
                Some(reply) => return Ok(reply),
                None if cancel.requested() != Stop::No => {
                    self.links.remove(&self.at);
                    return Err(Error::Cancelled(format!("{node} was still at {what}")));
                }
                None if since.elapsed() > link.timeout() => {
                    let after = link.timeout();
                    self.links.remove(&self.at);
                    return Err(Error::Timeout { node, command: what, after });
                }
                None => {}
            }
        }
    }
}

/// Whether RESP3 answers a command with pushes.
fn is_answered_by_push(command: &Command) -> bool {
    let name = command.name().to_ascii_lowercase();
    name.ends_with(b"subscribe")
}

/// Waits that grow from 10 ms to 200 ms, until a sum is reached.
#[derive(Debug)]
struct Pauses {
    until: Instant,
    next: Duration,
}

impl Pauses {
    fn new(total: Duration) -> Self {
        Self { until: Instant::now() + total, next: Duration::from_millis(10) }
    }

    /// Sleeps, unless time is up; returns whether to try again.
    fn pause(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        thread::sleep(self.next.min(left));
        self.next = (self.next * 2).min(Duration::from_millis(200));
        true
    }
}
