//! Keeps the lock's connections in use, since servers close those that are idle (their `timeout`, in whole seconds).
//!
//! All are sent to before any answer is looked at, and no answer is waited for: a server that hangs holds up neither the
//! others nor whoever wants to let go. Keeping begins with the first connection, as taking those of a large cluster may last.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::{Connection, limits};

/// How often it is looked which connections are to be used: servers count whole seconds.
const LOOK: Duration = Duration::from_millis(800);
/// How often those are used whose servers close none: what stands in between may forget them.
const AT_LEAST: Duration = Duration::from_secs(60);
/// How long servers are waited for when the lock is let go.
const LET_GO: Duration = Duration::from_millis(250);

/// Holds connections until it is dropped, and keeps them in use as long as there is a thread for that.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    held: Arc<Mutex<Vec<KeptConnection>>>,
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

    /// Keeps this one, too. `patience` is how long its server leaves a connection idle; 0 is for ever.
    pub(super) fn add(&self, mut connection: Connection, patience: Duration) {
        connection.give_room_back();
        let every = if patience.is_zero() { AT_LEAST } else { (patience / 2).min(AT_LEAST) };
        lock(&self.held).push(KeptConnection {
            connection,
            every,
            used: Instant::now(),
            asked: None,
        });
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

fn lock(held: &Mutex<Vec<KeptConnection>>) -> MutexGuard<'_, Vec<KeptConnection>> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection, how often it is used, when it was, and since when it has not answered.
#[derive(Debug)]
struct KeptConnection {
    connection: Connection,
    every: Duration,
    used: Instant,
    asked: Option<Instant>,
}

fn keep_in_use(held: &Mutex<Vec<KeptConnection>>, ended: &Receiver<()>) {
    while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
        // A node that has died is held by nobody; it is missed soon enough by those who need it.
        lock(held).retain_mut(|it| it.use_once().is_some());
    }
}

impl KeptConnection {
    /// Takes in an answer that has come, and asks again if none is owed. Nothing where the server has been silent for
    /// too long, or is gone.
    fn use_once(&mut self) -> Option<()> {
        if self.asked.is_none() && self.used.elapsed() < self.every {
            return Some(());
        }
        while self.connection.arrived().ok()?.is_some() {
            self.asked = None;
        }
        self.connection.give_room_back();
        match self.asked {
            Some(at) => (at.elapsed() <= self.connection.timeout()).then_some(()),
            None if self.used.elapsed() < self.every => Some(()),
            None => {
                self.used = Instant::now();
                self.asked = Some(self.used);
                self.connection.send(&[crate::commands::ping()]).ok()
            }
        }
    }
}

/// Ends the connections, and with them the names, and gives the servers a moment to have closed them: whoever takes the
/// lock next may be this very process.
fn let_go(mut held: Vec<KeptConnection>) {
    held.iter().for_each(|it| it.connection.end());
    let started = Instant::now();
    for KeptConnection { connection, .. } in &mut held {
        // What is owed comes first; the server's end is an error.
        let left = || LET_GO.saturating_sub(started.elapsed());
        while matches!(connection.poll(left()), Ok(Some(_))) {}
    }
}
