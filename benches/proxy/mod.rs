//! A line between the admin and the nodes of a local cluster, which can be long and which can break.
//!
//! Each node gets a port of the proxy's. The tool learns the nodes' addresses from `CLUSTER NODES` and would
//! walk around a plain proxy; announcing the proxy's ports instead (`cluster-announce-port`) would lead the
//! nodes' own traffic (MIGRATE, replication) through it too, and it is the admin alone who sits far away. So
//! the proxy reads the protocol: in replies it writes its own ports for those of the nodes, and in commands
//! the nodes' ports for its own. All ports have five digits, so that no length changes.

mod pump;
mod wire;

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wire::PortMap;

/// What is done to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// The command does not reach the server; both sides see the connection closed.
    Cut,
    /// The server executes the command; its reply is lost and the connection closed.
    LoseReply,
    /// The server executes the command; its reply never comes, and the connection stays open.
    Stall,
}

/// When something is done to a connection, and what.
#[derive(Clone, Debug)]
pub struct Fault {
    /// Strikes at this command, counted from 0 over all connections since [`Line::arm`].
    pub at: u64,
    /// Counts only commands that start with these words, such as `MIGRATE` or `CLUSTER SETSLOT`.
    pub only: Option<&'static str>,
    /// What happens.
    pub harm: Harm,
}

/// A proxy in front of every node. Its ports close when it is dropped.
///
/// ```no_run
/// use redistrib_benches::proxy::{Fault, Harm, Line};
/// use std::time::Duration;
/// let line = Line::to(&[14001, 14002], Duration::from_millis(2))?;
/// line.arm(Fault { at: 3, only: Some("MIGRATE"), harm: Harm::Cut });
/// // … run the tool against 127.0.0.1:(line.port_of(14001)) …
/// assert!(line.has_struck());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Line {
    shared: Arc<Shared>,
    doors: Vec<JoinHandle<()>>,
}

/// What all threads of a line know.
#[derive(Debug)]
pub(crate) struct Shared {
    ports: PortMap,
    one_way: Duration,
    closing: AtomicBool,
    commands: AtomicU64,
    trap: Mutex<Trap>,
    open: Mutex<Vec<Weak<pump::Pair>>>,
}

#[derive(Debug, Default)]
struct Trap {
    fault: Option<Fault>,
    counted: u64,
    struck: bool,
}

impl Line {
    /// Opens a port in front of each node's on 127.0.0.1. Each direction takes half of `rtt`, and so does
    /// each of the two packets that precede a connection's first bytes; how much is under way at a time is not
    /// limited.
    ///
    /// # Errors
    /// The system's, and [`io::ErrorKind::InvalidInput`] for a port without five digits.
    pub fn to(nodes: &[u16], rtt: Duration) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for node in nodes {
            listeners.push((*node, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?));
        }
        let pairs = listeners.iter().map(|(node, door)| Ok((*node, door.local_addr()?.port())));
        let shared = Arc::new(Shared {
            ports: PortMap::new(pairs.collect::<io::Result<_>>()?)?,
            one_way: rtt / 2,
            closing: AtomicBool::new(false),
            commands: AtomicU64::new(0),
            trap: Mutex::default(),
            open: Mutex::default(),
        });
        let doors = listeners.into_iter().map(|(node, door)| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || keep_door(&door, node, &shared))
        });
        Ok(Self { doors: doors.collect(), shared })
    }

    /// The port at which the admin finds the node.
    pub fn port_of(&self, node: u16) -> Option<u16> {
        self.shared.ports.outer(node)
    }

    /// How many commands have passed so far, on all connections.
    pub fn commands(&self) -> u64 {
        self.shared.commands.load(Ordering::SeqCst)
    }

    /// Sets the trap for one fault; one that was set before is gone. It strikes once.
    pub fn arm(&self, fault: Fault) {
        *self.shared.trap() = Trap { fault: Some(fault), counted: 0, struck: false };
    }

    /// Takes the trap away.
    pub fn disarm(&self) {
        *self.shared.trap() = Trap::default();
    }

    /// Whether the fault that was set has happened.
    pub fn has_struck(&self) -> bool {
        self.shared.trap().struck
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        for port in self.shared.ports.outer_ports() {
            // Wakes the thread that waits at the door; where it is gone already, nothing is to be woken.
            let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        }
        for door in self.doors.drain(..) {
            let _ = door.join();
        }
        for pair in self.shared.open().drain(..).filter_map(|pair| pair.upgrade()) {
            pair.close();
        }
    }
}

impl Shared {
    fn trap(&self) -> MutexGuard<'_, Trap> {
        self.trap.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> MutexGuard<'_, Vec<Weak<pump::Pair>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a command and returns what is to happen to it.
    fn judge(&self, words: &[u8]) -> Option<Harm> {
        self.commands.fetch_add(1, Ordering::SeqCst);
        let mut trap = self.trap();
        let fault = trap.fault.as_ref().filter(|fault| {
            fault.only.is_none_or(|only| {
                words
                    .get(..only.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(only.as_bytes()))
            })
        })?;
        let (at, harm) = (fault.at, fault.harm);
        trap.counted += 1;
        let strikes = !trap.struck && trap.counted == at + 1;
        trap.struck |= strikes;
        strikes.then_some(harm)
    }
}

/// Takes connections for one node until the line closes.
fn keep_door(door: &TcpListener, node: u16, shared: &Arc<Shared>) {
    for client in door.incoming() {
        if shared.closing.load(Ordering::SeqCst) {
            return;
        }
        // A node that is down refuses; the client sees its connection closed, as through any proxy.
        let Ok(client) = client else { continue };
        let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, node)) else { continue };
        let _ = pump::join(client, server, shared);
    }
}
