//! Many plain keys, in slots of one's choice.

use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_ops::{Cluster, Endpoint, Member, Result, Settings, bench};
use redistrib_resp::Command;

/// Writes `count` strings of `size` bytes into these slots of the cluster that has a node on this port of
/// 127.0.0.1. The keys are `key:` and a number, spread evenly.
///
/// # Errors
/// Those of [`bench::fill`].
pub fn plain(port: u16, slots: &SlotSet, count: usize, size: usize) -> Result<()> {
    plain_in(port, 0, slots, count, size)
}

/// [`plain`] in a numbered database.
///
/// # Errors
/// Those of [`bench::fill`], and of SELECT.
pub fn plain_in(
    port: u16,
    database: u32,
    slots: &SlotSet,
    count: usize,
    size: usize,
) -> Result<()> {
    let names = (0u64..).map(|number| format!("key:{number}").into_bytes());
    let wanted = names.filter(|name| slots.contains(Slot::of_key(name))).take(count);
    all(port, database, wanted, size)
}

/// Writes `count` strings of `size` bytes into the one slot of a hash tag.
///
/// # Errors
/// Those of [`bench::fill`].
pub fn tagged(port: u16, tag: &str, count: usize, size: usize) -> Result<()> {
    all(port, 0, (0..count).map(|number| format!("{{{tag}}}:{number}").into_bytes()), size)
}

fn all(port: u16, database: u32, names: impl Iterator<Item = Vec<u8>>, size: usize) -> Result<()> {
    let seed = Endpoint::tcp("127.0.0.1", port);
    let mut cluster = Cluster::discover(&seed, &Settings::default())?;
    let masters: Vec<NodeId> = cluster.masters().map(Member::id).collect();
    for master in masters {
        let select = Command::new("SELECT").arg(database);
        cluster.member_mut(master)?.connection()?.call(&select)?;
    }
    bench::fill(&mut cluster, names, size)
}
