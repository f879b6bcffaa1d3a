//! Many plain keys, written fast: for labs, where nothing is that could be in the way.

use std::collections::BTreeMap;

use redistrib_cluster_model::{NodeId, Slot};
use redistrib_resp::Command;

use crate::error::Result;
use crate::{Cluster, MoveError};

/// Commands in one go.
const BATCH: usize = 1000;

/// Writes a string of `size` bytes under each of the names, to the masters that own their slots.
///
/// # Errors
/// Those of [`crate::Connection::call`]; [`Error::Move`](crate::Error::Move) for a slot without an owner.
pub fn fill(
    cluster: &mut Cluster,
    names: impl Iterator<Item = Vec<u8>>,
    size: usize,
) -> Result<()> {
    let mut waiting: BTreeMap<NodeId, Vec<Command>> = BTreeMap::new();
    let value = vec![b'v'; size];
    for name in names {
        let slot = Slot::of_key(&name);
        let no_owner = || MoveError::NoOwner(slot);
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
