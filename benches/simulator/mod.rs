//! A cluster of many nodes in one process: each listens on a port of its own and answers what administrators ask, with
//! texts as long as those of real servers, a while later. Some can be told to misbehave.
//!
//! It holds no keys: it is there to measure what looking at a large cluster, moving its slots and forming it cost. What one
//! node is told all others know at once.

mod session;
mod state;

use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_ops::Endpoint;
use redistrib_resp::{Decoder, ReplyEncoder};

use session::Session;
use state::State;

/// One thread a node and one a connection: they need little.
const STACK: usize = 128 << 10;
/// Between the pieces of a reply that trickles.
const TRICKLE: Duration = Duration::from_millis(100);
/// How long a node that lacks descriptors waits until it accepts connections again.
const SHORTAGE: Duration = Duration::from_millis(100);
/// How much of a reply goes over a slow network before it is the turn of others.
const PIECE: usize = 16 << 10;

/// What a node does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Promises more bytes than it sends, and keeps the connection open.
    Hang,
    /// Sends a byte now and then.
    Trickle,
    /// Sees another owner of the first slot than the others do.
    Disagree,
    /// Says that it is the node at the next place.
    Lie,
}

/// What is to be simulated.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// How many masters; they share the slots evenly, 16,384 at most.
    pub masters: usize,
    /// How many replicas each has.
    pub replicas: usize,
    /// How long each answer takes: the round trip.
    pub delay: Duration,
    /// How many bytes a second all nodes together can send; any number by default.
    pub bandwidth: Option<u32>,
    /// Whether the nodes are alone and empty as yet.
    pub unformed: bool,
    /// Nodes by their place, masters first, that do something wrong.
    pub faults: Vec<(usize, Fault)>,
}

/// How often nodes have been sent what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands of any sort, but for those that give slots away.
    pub commands: u64,
    /// `CLUSTER NODES` among them.
    pub views: u64,
    /// `CLUSTER SETSLOT … NODE`.
    pub commits: u64,
}

/// A running simulation. Its threads end with the process.
///
/// ```
/// use redistrib_benches::simulator::{Options, Simulator};
/// use redistrib_ops::{Cluster, Settings};
/// use std::time::Duration;
///
/// let delay = Duration::from_millis(1);
/// let simulator = Simulator::start(Options { masters: 3, replicas: 1, delay, ..Options::default() })?;
/// let cluster = Cluster::discover(simulator.seed(), &Settings::default())?;
/// assert_eq!(cluster.members().len(), 6);
/// assert_eq!(simulator.counts().views, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    endpoints: Vec<Endpoint>,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    state: RwLock<State>,
    /// Who listens on which channel.
    ears: Mutex<Vec<(String, TcpStream)>>,
    commands: AtomicU64,
    views: AtomicU64,
    commits: AtomicU64,
    /// Until when the network is busy, where it is slow.
    busy: Mutex<Instant>,
}

impl Simulator {
    /// Has all nodes listen.
    ///
    /// # Errors
    /// Where the system has no more ports, descriptors or threads.
    pub fn start(options: Options) -> io::Result<Self> {
        let count = options.masters * (options.replicas + 1);
        let listen = |_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let listeners = (0..count).map(listen).collect::<io::Result<Vec<_>>>()?;
        let port = |listener: &TcpListener| Ok(listener.local_addr()?.port());
        let ports = listeners.iter().map(port).collect::<io::Result<Vec<_>>>()?;
        let shared = Arc::new(Shared {
            state: RwLock::new(State::new(&options, &ports)),
            options,
            ears: Mutex::default(),
            commands: AtomicU64::new(0),
            views: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            busy: Mutex::new(Instant::now()),
        });
        for (place, listener) in listeners.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            thread::Builder::new().stack_size(STACK).spawn(move || {
                loop {
                    let Ok((stream, _)) = listener.accept() else {
                        // Without a descriptor for it, the next waits.
                        thread::sleep(SHORTAGE);
                        continue;
                    };
                    let shared = Arc::clone(&shared);
                    let serve = move || drop(shared.serve(place, &stream));
                    // Without a thread the connection closes.
                    let _ = thread::Builder::new().stack_size(STACK).spawn(serve);
                }
            })?;
        }
        let endpoints = ports.into_iter().map(|port| Endpoint::tcp("127.0.0.1", port)).collect();
        Ok(Self { shared, endpoints })
    }

    /// The first node.
    pub fn seed(&self) -> &Endpoint {
        &self.endpoints[0]
    }

    /// All nodes, masters first.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The id of the node at this place.
    pub fn id(&self, place: usize) -> String {
        state::id(place).to_string()
    }

    /// How often all nodes together have been sent what so far.
    pub fn counts(&self) -> Counts {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        let Shared { commands, views, commits, .. } = &*self.shared;
        Counts { commands: of(commands), views: of(views), commits: of(commits) }
    }
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            commands: self.commands - earlier.commands,
            views: self.views - earlier.views,
            commits: self.commits - earlier.commits,
        }
    }
}

impl Shared {
    fn serve(&self, place: usize, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut decoder = Decoder::new();
        let mut session = Session::new(self, place, stream);
        while decoder.read_from(&mut &*stream)? > 0 {
            let mut replies = ReplyEncoder::new();
            while let Some(command) = decoder.next_reply()? {
                replies = session.take(&command, replies);
            }
            thread::sleep(self.options.delay);
            self.send(place, stream, &replies.into_bytes())?;
        }
        Ok(())
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn ears(&self) -> MutexGuard<'_, Vec<(String, TcpStream)>> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, place: usize) -> Option<Fault> {
        self.options.faults.iter().find(|(at, _)| *at == place).map(|(_, fault)| *fault)
    }

    fn send(&self, place: usize, mut stream: &TcpStream, wire: &[u8]) -> io::Result<()> {
        match self.fault(place) {
            Some(Fault::Hang) => stream.write_all(&wire[..wire.len() / 2]),
            Some(Fault::Trickle) => wire.chunks(1).try_for_each(|byte| {
                thread::sleep(TRICKLE);
                stream.write_all(byte)
            }),
            _ => match self.options.bandwidth {
                None => stream.write_all(wire),
                Some(bandwidth) => wire.chunks(PIECE).try_for_each(|piece| {
                    thread::sleep(self.turn(piece.len(), bandwidth));
                    stream.write_all(piece)
                }),
            },
        }
    }

    /// How long it takes until the network has taken so many bytes more.
    fn turn(&self, bytes: usize, bandwidth: u32) -> Duration {
        let mut busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        *busy = (*busy).max(now) + Duration::from_secs_f64(bytes as f64 / f64::from(bandwidth));
        *busy - now
    }
}
