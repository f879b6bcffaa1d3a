//! The bytes that are measured: the same for everybody, and the same in every run.

use bytes::Bytes;

/// Replies to be decoded, and how many units (replies, or elements of them) the time is shared by.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) units: u64,
    pub(crate) wire: Bytes,
    /// The wire uses types that RESP2 does not have.
    pub(crate) resp3: bool,
}

fn workload(name: &'static str, unit: &'static str, units: u64, wire: String) -> Workload {
    let resp3 = wire.starts_with('%');
    Workload { name, unit, units, wire: wire.into(), resp3 }
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    /// The next number below `end`.
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % end
    }
}

/// All that is decoded reply by reply.
pub(crate) fn decoding() -> Vec<Workload> {
    let mut numbers = Numbers(1);
    let integers: String =
        (0..10_000).map(|_| format!(":{}\r\n", numbers.below(1_000_000))).collect();
    vec![
        workload("pipelined +OK", "reply", 10_000, "+OK\r\n".repeat(10_000)),
        workload("integers", "reply", 10_000, integers),
        workload("64-byte bulks", "reply", 10_000, bulk(&"x".repeat(64)).repeat(10_000)),
        workload("1 MiB bulks", "reply", 16, bulk(&"x".repeat(1 << 20)).repeat(16)),
        workload("arrays of 1,000 short bulks", "element", 10_000, keys(1_000).repeat(10)),
        workload("maps with nested arrays", "element", 1_000 * 24, map_of_arrays().repeat(1_000)),
    ]
}

/// One array of 200,000 short bulks, which arrives in pieces.
pub(crate) fn long_array() -> Workload {
    workload("200,000-element array in 4 KiB pieces", "element", 200_000, keys(200_000))
}

/// How `CLUSTER NODES` answers in a cluster of 500 masters with a replica each.
pub(crate) fn cluster_nodes() -> Workload {
    let text: String = (0..1_000).map(node_line).collect();
    workload("CLUSTER NODES of 1,000 nodes, to a topology", "node", 1_000, bulk(&text))
}

/// The keys and values of 10,000 SETs.
pub(crate) fn pairs() -> Vec<(String, String)> {
    (0..10_000).map(|n| (format!("key:{n:06}"), format!("value of the key {n:09}"))).collect()
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

/// What `CLUSTER GETKEYSINSLOT` answers.
fn keys(count: usize) -> String {
    let mut numbers = Numbers(2);
    let keys: String =
        (0..count).map(|_| bulk(&format!("key:{}", numbers.below(1_000_000)))).collect();
    format!("*{count}\r\n{keys}")
}

/// A map of four pairs, each a name and an array of four numbers and texts: 24 elements in all.
fn map_of_arrays() -> String {
    let array = format!("*4\r\n:16383\r\n{}{}#t\r\n", bulk("127.0.0.1"), bulk("online"));
    let pairs: String =
        ["slots", "nodes", "shard", "port"].iter().map(|name| bulk(name) + &array).collect();
    format!("%4\r\n{pairs}")
}

fn node_line(n: u64) -> String {
    let mut numbers = Numbers(n);
    let mut id = |n: u64| format!("{n:08x}{:032x}", u128::from(numbers.below(u64::MAX)) << 64 | 7);
    let (own, master) = (id(n), n / 2);
    let address = format!("10.0.{}.{}:7000@17000", n / 250, n % 250);
    if n % 2 == 1 {
        let master = format!("{:08x}{:032x}", n - 1, 7);
        return format!("{own} {address} slave {master} 0 1426238317239 {n} connected\n");
    }
    let (first, last) = (master * 16384 / 500, (master + 1) * 16384 / 500 - 1);
    format!("{own} {address} master - 0 1426238316232 {n} connected {first}-{last}\n")
}
