//! Many plain keys, in slots of one's choice.

use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_ops::{Cluster, Endpoint, Result, Settings, bench};

/// Writes `count` strings of `size` bytes into these slots of the cluster that has a node on this port of
/// 127.0.0.1. The keys are `key:` and a number, spread evenly.
///
/// # Errors
/// Those of [`bench::fill`].
pub fn plain(port: u16, slots: &SlotSet, count: usize, size: usize) -> Result<()> {
    let names = (0u64..).map(|number| format!("key:{number}").into_bytes());
    let wanted = names.filter(|name| slots.contains(Slot::of_key(name))).take(count);
    all(port, wanted, size)
}

/// Writes `count` strings of `size` bytes into the one slot of a hash tag.
///
/// # Errors
/// Those of [`bench::fill`].
pub fn tagged(port: u16, tag: &str, count: usize, size: usize) -> Result<()> {
    all(port, (0..count).map(|number| format!("{{{tag}}}:{number}").into_bytes()), size)
}

fn all(port: u16, names: impl Iterator<Item = Vec<u8>>, size: usize) -> Result<()> {
    let seed = Endpoint::tcp("127.0.0.1", port);
    bench::fill(&mut Cluster::discover(&seed, &Settings::default())?, names, size)
}
