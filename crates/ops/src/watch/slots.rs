//! What a node is asked about its slots.
//!
//! `CLUSTER SLOT-STATS` (Redis since 8.2, Valkey since 8.1) reports keys, and with `cluster-slot-stats-enabled` processor time and
//! bytes. It is asked about some slots at a time, one after the other, by range: to sort slots by what they carry takes a server
//! eight times as long (440 to 600 µs), whatever the limit.

use redistrib_cluster_model::sample::SlotStats;
use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_resp::{Command, Reply, View};

use crate::commands::replies::count_of;
use crate::error::Result;
use crate::{Connection, commands};

/// Of how many slots a server reports at a time: that takes it 65 to 70 µs (Redis 8.6, Valkey 8.1), and is 50 KiB.
const MOST_TOLD: usize = 512;
/// How many slots are counted one by one at a time, for want of a better question.
const MOST_COUNTED: usize = 256;
/// In how many of the slots that it is giving away a node is asked what is left.
const MOST_OPEN: usize = 128;

/// What is to be asked of one node about its slots.
#[derive(Clone, Debug, Default)]
pub(super) struct SlotQuestions {
    /// What this slot carries.
    pub(super) one: Option<Slot>,
    /// What these carry.
    pub(super) some: SlotSet,
    /// How many keys are left in these, which it is giving away.
    pub(super) open: Vec<Slot>,
    /// Whether it gives slots away, or has just now, so that what its MIGRATEs took is asked.
    pub(super) is_giving: bool,
    /// Whether it knows `CLUSTER SLOT-STATS`.
    pub(super) has_stats: bool,
}

/// Whether a server knows `CLUSTER SLOT-STATS`.
///
/// # Errors
/// Those of [`Connection::request`].
pub(super) fn has_stats(connection: &mut Connection) -> Result<bool> {
    let reply = connection.request(&commands::about_command("cluster|slot-stats"))?;
    // A server that does not know a command answers null in its place.
    Ok(reply.view().elements().next().is_some_and(|it| !it.is_empty()))
}

/// The slots behind the last ones that a node was asked about, as many as it is asked about at a time.
pub(super) fn next_slots(owned: &SlotSet, last: Option<Slot>, has_stats: bool) -> SlotSet {
    let most = if has_stats { MOST_TOLD } else { MOST_COUNTED };
    let behind = owned.iter().skip_while(|slot| last.is_some_and(|last| *slot <= last));
    let slots: SlotSet = behind.take(most).collect();
    if slots.is_empty() { owned.iter().take(most).collect() } else { slots }
}

impl SlotQuestions {
    /// Adds the slots that the node is giving away, or some of them.
    pub(super) fn ask_open(&mut self, migrating: impl Iterator<Item = Slot>) {
        self.open = migrating.take(MOST_OPEN).collect();
    }

    pub(super) fn commands(&self) -> Vec<Command> {
        let open = self.open.iter().copied().map(commands::count_keys);
        if self.has_stats {
            let ranges = self.ranges();
            ranges.map(|(first, last)| commands::slot_stats(first, last)).chain(open).collect()
        } else {
            self.counted().map(commands::count_keys).chain(open).collect()
        }
    }

    /// The first and the last slot of each range that is asked about.
    fn ranges(&self) -> impl Iterator<Item = (Slot, Slot)> + '_ {
        let some = self.some.first().zip(self.some.iter().next_back());
        [self.one.zip(self.one), some].into_iter().flatten()
    }

    /// The slots that are counted one by one.
    fn counted(&self) -> impl Iterator<Item = Slot> + '_ {
        self.one.into_iter().chain(self.some.iter())
    }

    /// What the answers say of slots, and of those that are given away how many keys are left in them. What a server refuses to
    /// report, and what it was not asked, is left out.
    pub(super) fn read(&self, replies: &[Reply]) -> (Vec<SlotStats>, Vec<(Slot, u64)>) {
        let about_open = replies.len().saturating_sub(self.open.len());
        let (about, open) = replies.split_at(about_open);
        let is_asked = |it: &SlotStats| self.one == Some(it.slot) || self.some.contains(it.slot);
        let stats = if self.has_stats {
            let rows = about.iter().flat_map(|it| it.view().elements().take(MOST_TOLD));
            rows.filter_map(stats).filter(is_asked).collect()
        } else {
            let bare =
                |(slot, keys)| SlotStats { slot, keys, cpu_us: None, net_in: None, net_out: None };
            counts(self.counted(), about).map(bare).collect()
        };
        (stats, counts(self.open.iter().copied(), open).collect())
    }
}

/// The answers to `CLUSTER COUNTKEYSINSLOT` for these slots.
fn counts(
    slots: impl Iterator<Item = Slot>,
    replies: &[Reply],
) -> impl Iterator<Item = (Slot, u64)> {
    slots.zip(replies).filter_map(|(slot, reply)| Some((slot, count_of(reply.view())?)))
}

/// `[slot, {metric: value, …}]`
fn stats(entry: View<'_>) -> Option<SlotStats> {
    let mut fields = entry.elements();
    let slot =
        count_of(fields.next()?).and_then(|slot| Slot::try_from(u16::try_from(slot).ok()?).ok())?;
    let metrics = fields.next()?;
    let metric = |name: &str| count_of(metrics.get(name.as_bytes())?);
    Some(SlotStats {
        slot,
        keys: metric("key-count")?,
        cpu_us: metric("cpu-usec"),
        net_in: metric("network-bytes-in"),
        net_out: metric("network-bytes-out"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_slots_have_their_turn() {
        let owned: SlotSet = "0-299,1000-1299".parse().unwrap();
        let slot = |number: u16| Some(Slot::try_from(number).unwrap());
        let next = |last, has_stats| next_slots(&owned, last, has_stats).to_string();
        assert_eq!(next(None, true), "0-299 1000-1211");
        assert_eq!(next(slot(1211), true), "1212-1299");
        assert_eq!(next(slot(1299), true), "0-299 1000-1211", "from the first one again");
        assert_eq!(next(slot(500), false), "1000-1255", "it may have given away the last one");
        assert_eq!(next_slots(&SlotSet::new(), slot(7), true), SlotSet::new());
    }
}
