//! Keeps the lock's connections in use, since servers close those that are idle (their `timeout`, in whole seconds).
//!
//! All are sent to before any answer is looked at, and no answer is waited for: a server that hangs holds up neither the
//! others nor whoever wants to let go. Keeping begins with the first connection, as taking those of a large cluster may last.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redistrib_resp::Command;

use crate::Connection;

/// How often the connections are used.
const KEEP_ALIVE: Duration = Duration::from_millis(800);
/// How long servers are waited for when the lock is let go.
const LET_GO: Duration = Duration::from_millis(250);

/// A thread that keeps connections until it is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    taken: Option<Sender<Connection>>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start() -> Self {
        let (taken, keeping) = mpsc::channel();
        let thread = thread::spawn(move || keep(&keeping));
        Self { taken: Some(taken), thread: Some(thread) }
    }

    /// Keeps this one, too.
    pub(super) fn add(&self, connection: Connection) {
        if let Some(taken) = &self.taken {
            // The thread listens until there is no sender.
            let _ = taken.send(connection);
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.taken.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A connection, and since when it has not answered.
struct Held {
    connection: Connection,
    asked: Option<Instant>,
}

fn keep(keeping: &Receiver<Connection>) {
    let (mut held, mut next) = (Vec::new(), Instant::now() + KEEP_ALIVE);
    loop {
        match keeping.recv_timeout(next.saturating_duration_since(Instant::now())) {
            Ok(connection) => held.push(Held { connection, asked: None }),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                next = Instant::now() + KEEP_ALIVE;
                // A node that has died is held by nobody; it is missed soon enough by those who need it.
                held.retain_mut(|it| it.use_once().is_some());
            }
        }
    }
    let_go(held);
}

impl Held {
    /// Takes in an answer that has come, and asks again if none is owed. Nothing where the server has been silent for
    /// too long, or is gone.
    fn use_once(&mut self) -> Option<()> {
        while self.connection.arrived().ok()?.is_some() {
            self.asked = None;
        }
        match self.asked {
            Some(at) => (at.elapsed() <= self.connection.timeout()).then_some(()),
            None => {
                self.asked = Some(Instant::now());
                self.connection.send(&[crate::commands::ping()]).ok()
            }
        }
    }
}

/// Takes the names off, and gives the servers a moment to have heard of it: whoever takes the lock next may be this
/// very process.
fn let_go(mut held: Vec<Held>) {
    let unname = [Command::new("CLIENT").arg("SETNAME").arg("")];
    held.retain_mut(|it| it.connection.send(&unname).is_ok());
    let started = Instant::now();
    for Held { mut connection, asked } in held {
        let owed = 1 + usize::from(asked.is_some());
        for _ in 0..owed {
            // Without an answer the connection's end says the same.
            let left = LET_GO.saturating_sub(started.elapsed());
            if left.is_zero() || connection.poll(left).is_err() {
                break;
            }
        }
    }
}
