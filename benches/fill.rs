//! Many plain keys, written fast.

use std::collections::BTreeMap;

use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_ops::{Cluster, Endpoint, Error, Result, Settings};
use redistrib_resp::Command;

/// Commands in one go.
const BATCH: usize = 1000;

/// Writes `count` strings of `size` bytes into these slots of the cluster that has a node on this port of
/// 127.0.0.1. The keys are `key:` and a number, spread evenly.
///
/// # Errors
/// Those of [`redistrib_ops::Connection::call`]; [`Error::Precondition`] for a slot without an owner.
pub fn plain(port: u16, slots: &SlotSet, count: usize, size: usize) -> Result<()> {
    let names = (0u64..).map(|number| format!("key:{number}").into_bytes());
    let wanted = names.filter(|name| slots.contains(Slot::of_key(name))).take(count);
    all(port, wanted, size)
}

/// Writes `count` strings of `size` bytes into the one slot of a hash tag.
///
/// # Errors
/// Those of [`plain`].
pub fn tagged(port: u16, tag: &str, count: usize, size: usize) -> Result<()> {
    all(port, (0..count).map(|number| format!("{{{tag}}}:{number}").into_bytes()), size)
}

fn all(port: u16, names: impl Iterator<Item = Vec<u8>>, size: usize) -> Result<()> {
    let mut cluster = Cluster::discover(&Endpoint::tcp("127.0.0.1", port), &Settings::default())?;
    let mut waiting: BTreeMap<NodeId, Vec<Command>> = BTreeMap::new();
    let value = vec![b'v'; size];
    for name in names {
        let slot = Slot::of_key(&name);
        let no_owner = || Error::Precondition(format!("nobody owns slot {slot}"));
        let owner = cluster.owner(slot).ok_or_else(no_owner)?.id();
        let batch = waiting.entry(owner).or_default();
        batch.push(Command::new("SET").arg(name).arg(&value));
        if batch.len() == BATCH {
            cluster.member_mut(owner)?.connection()?.call_all(batch)?;
            batch.clear();
        }
    }
    for (owner, batch) in waiting {
        cluster.member_mut(owner)?.connection()?.call_all(&batch)?;
    }
    Ok(())
}
