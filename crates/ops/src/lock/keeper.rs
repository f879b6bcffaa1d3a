//! Keeps the lock's connections in use, since servers close those that are idle (their `timeout`, in whole seconds).
//!
//! All are sent to before any answer is looked at, and no answer is waited for: a server that hangs holds up neither the
//! others nor whoever wants to let go. Keeping begins with the first connection, as taking those of a large cluster may last.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use redistrib_resp::Command;

use crate::{Connection, limits};

/// How often the connections are used.
const KEEP_ALIVE: Duration = Duration::from_millis(800);
/// How long servers are waited for when the lock is let go.
const LET_GO: Duration = Duration::from_millis(250);

/// Holds connections until it is dropped, and keeps them in use as long as there is a thread for that.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    held: Arc<Mutex<Vec<Held>>>,
    /// Ends the thread when it is dropped, and the thread.
    user: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Keeper {
    /// Without a thread the connections are held all the same, and lost to servers that close idle ones.
    pub(super) fn start() -> Self {
        let held = Arc::default();
        let (end, ended) = mpsc::channel();
        let used = Arc::clone(&held);
        let thread = limits::spawn(move || keep_in_use(&used, &ended));
        Self { held, user: thread.ok().map(|thread| (end, thread)) }
    }

    /// Keeps this one, too.
    pub(super) fn add(&self, connection: Connection) {
        lock(&self.held).push(Held { connection, asked: None });
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.user.take() {
            drop(end);
            let _ = thread.join();
        }
        let_go(std::mem::take(&mut *lock(&self.held)));
    }
}

fn lock(held: &Mutex<Vec<Held>>) -> MutexGuard<'_, Vec<Held>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, and since when it has not answered.
#[derive(Debug)]
struct Held {
    connection: Connection,
    asked: Option<Instant>,
}

fn keep_in_use(held: &Mutex<Vec<Held>>, ended: &Receiver<()>) {
    while ended.recv_timeout(KEEP_ALIVE) == Err(RecvTimeoutError::Timeout) {
        // A node that has died is held by nobody; it is missed soon enough by those who need it.
        lock(held).retain_mut(|it| it.use_once().is_some());
    }
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
