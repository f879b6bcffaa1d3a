//! The threads that carry bytes between one client and one server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use super::wire::Messages;
use super::{Harm, Shared};

/// One connection of a client, and ours to the server for it.
#[derive(Debug)]
pub(super) struct Pair {
    client: TcpStream,
    server: TcpStream,
    /// Replies are no longer passed on.
    muted: AtomicBool,
    shared: Arc<Shared>,
}

/// Joins the two until either side closes.
pub(super) fn join(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (to_server, to_client) = (server.try_clone()?, client.try_clone()?);
    let pair = Arc::new(Pair {
        client,
        server,
        muted: AtomicBool::new(false),
        shared: Arc::clone(shared),
    });
    remember(&pair);
    // The client's connect has succeeded at once; over a long line it would have taken a round trip.
    let connected = Instant::now() + 2 * shared.one_way;
    let up = Outlet::new(to_server, shared.one_way, connected);
    let down = Outlet::new(to_client, shared.one_way, connected);
    let other = Arc::clone(&pair);
    thread::spawn(move || {
        carry_commands(&pair, up);
    });
    thread::spawn(move || {
        carry_replies(&other, down);
    });
    Ok(())
}

/// Keeps a handle for the day the line closes.
fn remember(pair: &Arc<Pair>) {
    let mut open = pair.shared.open();
    open.retain(|pair| pair.strong_count() > 0);
    open.push(Arc::downgrade(pair));
}

/// Where bytes leave, after their time on the line.
struct Outlet {
    stream: TcpStream,
    delay: Duration,
    /// When the connection would have been made.
    connected: Instant,
    /// Present where there is a delay: a thread waits and writes, so that reading continues meanwhile.
    later: Option<Sender<(Instant, Vec<u8>)>>,
}

impl Outlet {
    fn new(stream: TcpStream, delay: Duration, connected: Instant) -> Self {
        let later = (!delay.is_zero()).then(|| {
            let (sender, parcels) = mpsc::channel();
            if let Ok(stream) = stream.try_clone() {
                thread::spawn(move || deliver(stream, &parcels));
            }
            sender
        });
        Self { stream, delay, connected, later }
    }

    /// Sends bytes on their way; false when nobody takes them any more.
    fn send(&mut self, bytes: Vec<u8>) -> bool {
        match &self.later {
            None => self.stream.write_all(&bytes).is_ok(),
            Some(later) => {
                later.send((Instant::now().max(self.connected) + self.delay, bytes)).is_ok()
            }
        }
    }

    /// Says that no more will come, behind all that is still on its way.
    fn finish(self) {
        if self.later.is_none() {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }
}

/// Writes each parcel when its time has come. At the end nothing more follows, and the peer is told.
fn deliver(mut stream: TcpStream, parcels: &Receiver<(Instant, Vec<u8>)>) {
    for (due, bytes) in parcels {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        if stream.write_all(&bytes).is_err() {
            return;
        }
    }
    let _ = stream.shutdown(Shutdown::Write);
}

fn carry_commands(pair: &Pair, mut up: Outlet) {
    let mut messages = Messages::default();
    let mut client = &pair.client;
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = client.read(&mut chunk) {
        let mut batch = Vec::with_capacity(read);
        for mut message in messages.take(&chunk[..read]) {
            pair.shared.ports.inward(&mut message.bytes);
            match pair.shared.judge(&message.words) {
                None => batch.extend(message.bytes),
                Some(harm) => return pair.strike(harm, up, batch, message.bytes),
            }
        }
        if !batch.is_empty() && !up.send(batch) {
            break;
        }
    }
    up.finish();
}

impl Pair {
    /// Closes both sides, whatever is under way.
    pub(super) fn close(&self) {
        let _ = self.client.shutdown(Shutdown::Both);
        let _ = self.server.shutdown(Shutdown::Both);
    }

    /// Harms the connection at `command`; `before` is what came in the same breath before it.
    fn strike(&self, harm: Harm, mut up: Outlet, before: Vec<u8>, command: Vec<u8>) {
        match harm {
            Harm::Cut => {
                up.send(before);
                self.muted.store(true, Ordering::SeqCst);
                up.finish();
            }
            Harm::LoseReply => {
                self.muted.store(true, Ordering::SeqCst);
                up.send([before, command].concat());
                up.finish();
            }
            Harm::Stall => {
                self.muted.store(true, Ordering::SeqCst);
                up.send([before, command].concat());
                // Until the client gives up, whatever else it says is taken and forgotten.
                let _ = io::copy(&mut &self.client, &mut io::sink());
                up.finish();
            }
        }
    }
}

/// Carries replies until the server closes: it does so when it has executed all that it was sent, so a
/// muted connection is closed to the client no earlier.
fn carry_replies(pair: &Pair, mut down: Outlet) {
    let mut messages = Messages::default();
    let mut server = &pair.server;
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = server.read(&mut chunk) {
        let mut batch = Vec::with_capacity(read);
        for mut message in messages.take(&chunk[..read]) {
            pair.shared.ports.outward(&mut message.bytes);
            batch.extend(message.bytes);
        }
        if pair.muted.load(Ordering::SeqCst) || batch.is_empty() {
            continue;
        }
        if !down.send(batch) {
            break;
        }
    }
    down.finish();
    let _ = pair.server.shutdown(Shutdown::Both);
    if pair.muted.load(Ordering::SeqCst) || pair.shared.one_way.is_zero() {
        let _ = pair.client.shutdown(Shutdown::Both);
    }
}
