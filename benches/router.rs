//! A small cluster client: it follows redirections and counts them.

use std::collections::HashMap;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::Slot;
use redistrib_ops::{Connection, Endpoint, Error, Settings};
use redistrib_resp::{Command, Reply};

/// How long a command is tried for.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same where a node may be down for as long as a run of the tool takes that gives up over it, and then comes back.
const OUTAGE: Duration = Duration::from_secs(90);

/// How often a client was sent on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Redirections {
    /// To the slot's new owner.
    pub moved: u64,
    /// To the node that the slot is moving to.
    pub ask: u64,
    /// Nowhere yet: the keys of the command are on both nodes.
    pub try_again: u64,
}

impl std::ops::AddAssign for Redirections {
    fn add_assign(&mut self, other: Self) {
        self.moved += other.moved;
        self.ask += other.ask;
        self.try_again += other.try_again;
    }
}

/// Sends commands to the node that serves their slot.
#[derive(Debug)]
pub struct Router {
    seeds: Vec<u16>,
    /// Whether a node may be down for a while; else a connection that breaks is an error at once.
    outages: bool,
    database: u32,
    owners: HashMap<Slot, Endpoint>,
    connections: HashMap<Endpoint, Connection>,
    redirections: Redirections,
}

/// What a redirecting error asks for.
enum Redirect {
    Moved(Slot, Endpoint),
    Ask(Endpoint),
    TryAgain,
    Down,
}

impl Router {
    /// A client of the cluster whose nodes listen on these ports of 127.0.0.1. With `outages`, nodes that
    /// are down and slots without an owner are waited for.
    pub fn new(ports: &[u16], outages: bool) -> Self {
        Self {
            seeds: ports.to_vec(),
            outages,
            database: 0,
            owners: HashMap::new(),
            connections: HashMap::new(),
            redirections: Redirections::default(),
        }
    }

    /// The same in a numbered database.
    pub fn in_database(self, database: u32) -> Self {
        Self { database, ..self }
    }

    /// How often it was sent on so far.
    pub fn redirections(&self) -> Redirections {
        self.redirections
    }

    /// Sends a command that concerns `key`. The reply may be an error, but no redirection.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; the last refusal when redirections do not end within 30 seconds, or 90 where
    /// nodes may be down.
    pub fn call(&mut self, key: &[u8], command: &Command) -> Result<Reply, Error> {
        self.send(key, command, self.outages)
    }

    /// Like [`Router::call`], for a command that must not be executed twice: a connection that breaks is an error at
    /// once, outages or not.
    ///
    /// # Errors
    /// Those of [`Router::call`]. Nobody knows then whether the command was executed.
    pub fn call_once(&mut self, key: &[u8], command: &Command) -> Result<Reply, Error> {
        self.send(key, command, false)
    }

    fn send(&mut self, key: &[u8], command: &Command, repeat: bool) -> Result<Reply, Error> {
        let slot = Slot::of_key(key);
        let patience = if self.outages { OUTAGE } else { PATIENCE };
        let deadline = Instant::now() + patience;
        let mut asked: Option<Endpoint> = None;
        for attempt in 0.. {
            let asking = asked.is_some();
            let node = asked.take().unwrap_or_else(|| self.guess(slot, attempt));
            let outcome = self.once(&node, asking, command);
            let late = Instant::now() > deadline;
            match outcome {
                Ok(reply) => match redirect(&reply) {
                    None => return Ok(reply),
                    Some(_) if late => return Ok(reply),
                    Some(Redirect::Down) if !self.outages => return Ok(reply),
                    Some(redirect) => {
                        if matches!(redirect, Redirect::Down) {
                            // It may have left the cluster: others know who has the slot.
                            self.owners.remove(&slot);
                        }
                        asked = self.follow(redirect);
                    }
                },
                Err(error) if late || !repeat => {
                    self.owners.remove(&slot);
                    return Err(error);
                }
                Err(_) => {
                    self.owners.remove(&slot);
                    thread::sleep(Duration::from_millis(20));
                }
            }
        }
        unreachable!("the loop has no end but a return")
    }

    fn once(&mut self, node: &Endpoint, asking: bool, command: &Command) -> Result<Reply, Error> {
        let connection = match self.connections.get_mut(node) {
            Some(connection) => connection,
            None => {
                let mut opened = Connection::open(node, &Settings::default())?;
                if self.database > 0 {
                    opened.call(&Command::new("SELECT").arg(self.database))?;
                }
                self.connections.entry(node.clone()).or_insert(opened)
            }
        };
        let sent = if asking {
            let both = [Command::new("ASKING"), command.clone()];
            connection.pipeline(&both).map(|mut replies| replies.pop())
        } else {
            connection.request(command).map(Some)
        };
        match sent {
            Ok(Some(reply)) => Ok(reply),
            Ok(None) => Err(connection.unexpected(command, "no reply")),
            Err(error) => {
                self.connections.remove(node);
                Err(error)
            }
        }
    }

    /// Where the slot is believed to be: anywhere, as long as nothing is known.
    pub(crate) fn guess(&self, slot: Slot, attempt: usize) -> Endpoint {
        let any = || {
            let turn = (slot.index() + attempt) % self.seeds.len().max(1);
            Endpoint::tcp("127.0.0.1", self.seeds.get(turn).copied().unwrap_or_default())
        };
        self.owners.get(&slot).cloned().unwrap_or_else(any)
    }

    fn follow(&mut self, redirect: Redirect) -> Option<Endpoint> {
        match redirect {
            Redirect::Moved(slot, node) => {
                self.redirections.moved += 1;
                self.owners.insert(slot, node);
                None
            }
            Redirect::Ask(node) => {
                self.redirections.ask += 1;
                Some(node)
            }
            Redirect::TryAgain => {
                self.redirections.try_again += 1;
                thread::sleep(Duration::from_millis(1));
                None
            }
            Redirect::Down => {
                thread::sleep(Duration::from_millis(20));
                None
            }
        }
    }
}

fn redirect(reply: &Reply) -> Option<Redirect> {
    let text = std::str::from_utf8(reply.view().as_error()?).ok()?;
    let words: Vec<&str> = text.split(' ').collect();
    match words.as_slice() {
        ["MOVED", slot, node] => {
            Some(Redirect::Moved(Slot::new(slot.parse().ok()?).ok()?, node.parse().ok()?))
        }
        ["ASK", _, node] => Some(Redirect::Ask(node.parse().ok()?)),
        ["TRYAGAIN", ..] => Some(Redirect::TryAgain),
        ["CLUSTERDOWN" | "LOADING" | "MASTERDOWN", ..] => Some(Redirect::Down),
        _ => None,
    }
}
