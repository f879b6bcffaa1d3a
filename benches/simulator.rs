//! A cluster of many nodes in one process: each listens on a port of its own and answers what administrators ask, with
//! texts as long as those of real servers, a while later. Some can be told to misbehave.
//!
//! It holds no keys and changes nothing: it is there to measure what looking at a large cluster costs.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use redistrib_ops::Endpoint;
use redistrib_resp::{Decoder, Reply, ReplyEncoder};

/// One thread a node and one a connection: they need little.
const STACK: usize = 128 << 10;
/// Between the pieces of a reply that trickles.
const TRICKLE: Duration = Duration::from_millis(100);

/// What a node does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Promises more bytes than it sends, and keeps the connection open.
    Hang,
    /// Sends a byte now and then.
    Trickle,
    /// Sees another owner of the first slot than the others do.
    Disagree,
}

/// What is to be simulated.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many masters; they share the slots evenly, 16,384 at most.
    pub masters: usize,
    /// How many replicas each has.
    pub replicas: usize,
    /// How long each answer takes: the round trip.
    pub delay: Duration,
    /// Nodes by their place, masters first, that do something wrong.
    pub faults: Vec<(usize, Fault)>,
}

/// A running simulation. Its threads end with the process.
///
/// ```
/// use redistrib_benches::simulator::{Options, Simulator};
/// use redistrib_ops::{Cluster, Settings};
/// use std::time::Duration;
///
/// let delay = Duration::from_millis(1);
/// let options = Options { masters: 3, replicas: 1, delay, faults: Vec::new() };
/// let simulator = Simulator::start(options)?;
/// let cluster = Cluster::discover(simulator.seed(), &Settings::default())?;
/// assert_eq!(cluster.members().len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Simulator {
    shared: Arc<Shared>,
    seed: Endpoint,
}

#[derive(Debug)]
struct Shared {
    options: Options,
    ports: Vec<u16>,
    commands: AtomicU64,
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
        let seed = Endpoint::tcp("127.0.0.1", ports.first().copied().unwrap_or_default());
        let shared = Arc::new(Shared { options, ports, commands: AtomicU64::new(0) });
        for (place, listener) in listeners.into_iter().enumerate() {
            let shared = Arc::clone(&shared);
            thread::Builder::new().stack_size(STACK).spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    let shared = Arc::clone(&shared);
                    let serve = move || drop(shared.serve(place, stream));
                    // Without a thread the connection closes.
                    let _ = thread::Builder::new().stack_size(STACK).spawn(serve);
                }
            })?;
        }
        Ok(Self { shared, seed })
    }

    /// The first node.
    pub fn seed(&self) -> &Endpoint {
        &self.seed
    }

    /// How many commands all nodes have been sent so far.
    pub fn commands(&self) -> u64 {
        self.shared.commands.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn serve(&self, place: usize, mut stream: TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        let mut decoder = Decoder::new();
        while decoder.read_from(&mut stream)? > 0 {
            let mut replies = ReplyEncoder::new();
            while let Some(command) = decoder.next_reply()? {
                self.commands.fetch_add(1, Ordering::Relaxed);
                replies = self.answer(place, &command, replies);
            }
            thread::sleep(self.options.delay);
            self.send(place, &mut stream, &replies.into_bytes())?;
        }
        Ok(())
    }

    fn fault(&self, place: usize) -> Option<Fault> {
        self.options.faults.iter().find(|(at, _)| *at == place).map(|(_, fault)| *fault)
    }

    fn send(&self, place: usize, stream: &mut TcpStream, wire: &[u8]) -> io::Result<()> {
        match self.fault(place) {
            Some(Fault::Hang) => stream.write_all(&wire[..wire.len() / 2]),
            Some(Fault::Trickle) => wire.chunks(1).try_for_each(|byte| {
                thread::sleep(TRICKLE);
                stream.write_all(byte)
            }),
            _ => stream.write_all(wire),
        }
    }

    fn answer(&self, place: usize, command: &Reply, to: ReplyEncoder) -> ReplyEncoder {
        let words = command.elements().map(|word| word.as_str().unwrap_or_default().to_uppercase());
        let words: Vec<String> = words.collect();
        match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["CLUSTER", "NODES"] => to.bulk(self.nodes(place)),
            ["CLUSTER", "INFO"] => to.bulk(self.cluster_info()),
            ["CLUSTER", "MYID"] => to.bulk(id(place)),
            ["CLUSTER", "COUNTKEYSINSLOT", _] | ["DBSIZE"] => to.integer(0),
            ["INFO", ..] => to.bulk(INFO.repeat(INFO_LINES)),
            ["CONFIG", "GET", ..] => to.array(0),
            ["CLIENT", "SETNAME", _] => to.simple("OK"),
            ["PING"] => to.simple("PONG"),
            _ => to.error("ERR unknown command"),
        }
    }

    /// The cluster as the node at this place sees it.
    fn nodes(&self, viewer: usize) -> String {
        let masters = self.options.masters;
        let mut text = String::with_capacity(self.ports.len() * 140);
        for (place, port) in self.ports.iter().enumerate() {
            let myself = if place == viewer { "myself," } else { "" };
            let (role, master) = match place.checked_sub(masters) {
                None => ("master", "-".to_owned()),
                Some(replica) => ("slave", id(replica % masters)),
            };
            let epoch = place % masters + 1;
            // No two nodes have heard of each other at the same time.
            let pong = 1_790_000_000_000 + (place * 7919 + viewer * 104_729) % 1_000_000;
            let (id, slots) = (id(place), self.slots(place, viewer));
            let _ = writeln!(
                text,
                "{id} 127.0.0.1:{port}@{port} {myself}{role} {master} 0 {pong} {epoch} connected{slots}"
            );
        }
        text
    }

    fn slots(&self, place: usize, viewer: usize) -> String {
        let masters = self.options.masters;
        if place >= masters {
            return String::new();
        }
        let from = |place: usize| place * 16384 / masters;
        let (mut first, last) = (from(place), from(place + 1) - 1);
        let disagrees = self.fault(viewer) == Some(Fault::Disagree);
        if disagrees && place == 0 {
            first += 1;
        }
        let lent = if disagrees && place == 1 { " 0" } else { "" };
        format!("{lent} {first}-{last}")
    }

    fn cluster_info(&self) -> String {
        let (nodes, masters) = (self.ports.len(), self.options.masters);
        format!(
            "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n\
             cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:{nodes}\r\ncluster_size:{masters}\r\n"
        )
    }
}

/// About as much as INFO of a real server has.
const INFO_LINES: usize = 12;
const INFO: &str = "# Server\r\nredis_version:8.6.2\r\ncluster_enabled:1\r\nrole:master\r\nused_memory:2180000\r\nused_memory_rss:9180000\r\n\
     total_system_memory:25769803776\r\ntotal_commands_processed:978\r\ninstantaneous_ops_per_sec:12\r\n\
     total_net_input_bytes:45012\r\ntotal_net_output_bytes:1450120\r\nkeyspace_hits:120\r\nkeyspace_misses:3\r\n\
     rdb_last_bgsave_status:ok\r\naof_last_write_status:ok\r\nconnected_clients:4\r\nmaxmemory:0\r\n\
     master_link_status:up\r\nmaster_sync_in_progress:0\r\nloading:0\r\nuptime_in_seconds:4217\r\n";

/// The id of the node at this place.
fn id(place: usize) -> String {
    format!("{:040x}", (place as u128 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}
