//! What single slots carry.

use serde::{Deserialize, Serialize};

use crate::{NodeId, Slot};

/// What a server reports of one of its slots, as `CLUSTER SLOT-STATS` does. Its counters begin when the server takes the slot,
/// and again at `CONFIG RESETSTAT`. Written as `[slot, keys, cpu_us, net_in, net_out]`: there are many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct SlotStats {
    /// Which.
    pub slot: Slot,
    /// The keys in it.
    pub keys: u64,
    /// Microseconds of processor time that its commands took.
    pub cpu_us: Option<u64>,
    /// Bytes that came in with its commands.
    pub net_in: Option<u64>,
    /// Bytes that went out with their answers.
    pub net_out: Option<u64>,
}

type Row = (Slot, u64, Option<u64>, Option<u64>, Option<u64>);

impl From<Row> for SlotStats {
    fn from((slot, keys, cpu_us, net_in, net_out): Row) -> Self {
        Self { slot, keys, cpu_us, net_in, net_out }
    }
}

impl From<SlotStats> for Row {
    fn from(SlotStats { slot, keys, cpu_us, net_in, net_out }: SlotStats) -> Self {
        (slot, keys, cpu_us, net_in, net_out)
    }
}

/// What a slot is measured by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotMeasure {
    /// Its keys.
    Keys,
    /// Processor time.
    Cpu,
    /// Bytes in and out.
    Network,
}

/// What a slot carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotLoad {
    /// The node that reported them.
    pub by: NodeId,
    /// How often it has; from the second time on loads are known, if it reports them at all.
    pub looks: u32,
    /// The keys in it.
    pub keys: u64,
    /// Microseconds of processor time a second.
    pub cpu_us: Option<u64>,
    /// Bytes a second that come in.
    pub net_in: Option<u64>,
    /// Bytes a second that go out.
    pub net_out: Option<u64>,
}

impl SlotLoad {
    /// How much it is by a measure; none where the server does not say, or has reported only once.
    pub fn of(&self, measure: SlotMeasure) -> Option<u64> {
        match measure {
            SlotMeasure::Keys => Some(self.keys),
            SlotMeasure::Cpu => self.cpu_us,
            SlotMeasure::Network => Some(self.net_in?.saturating_add(self.net_out?)),
        }
    }
}

/// The loads of slots, followed through what servers report of them now and then.
#[derive(Clone, Debug, Default)]
pub struct SlotLoads(Vec<Option<LastCount>>);

#[derive(Clone, Copy, Debug)]
struct LastCount {
    at: u64,
    stats: SlotStats,
    load: SlotLoad,
}

/// Between looks that lie further apart, in milliseconds, nothing is measured: it would be of former times.
const LONGEST: u64 = 5 * 60 * 1000;

impl SlotLoads {
    /// Takes in what a node has reported at a time in milliseconds. What it had reported before changes nothing.
    pub fn push(&mut self, by: NodeId, at: u64, reported: &[SlotStats]) {
        self.0.resize(usize::from(Slot::COUNT), None);
        for stats in reported {
            let place = &mut self.0[usize::from(stats.slot.get())];
            let before = place.filter(|seen| seen.load.by == by);
            if before.is_none_or(|seen| at > seen.at) {
                *place = Some(LastCount { at, stats: *stats, load: load(by, at, stats, before) });
            }
        }
    }

    /// What a slot carries, as its owner reports.
    pub fn of(&self, slot: Slot, owner: NodeId) -> Option<&SlotLoad> {
        let seen = self.0.get(usize::from(slot.get()))?.as_ref()?;
        Some(&seen.load).filter(|load| load.by == owner)
    }
}

fn load(by: NodeId, at: u64, stats: &SlotStats, before: Option<LastCount>) -> SlotLoad {
    let rate = |of: fn(&SlotStats) -> Option<u64>| {
        let before = before?;
        let elapsed = at.checked_sub(before.at).filter(|it| (1..=LONGEST).contains(it))?;
        // A counter that has become less has been reset.
        let grown = of(stats)?.checked_sub(of(&before.stats)?)?;
        Some(grown.saturating_mul(1000) / elapsed)
    };
    SlotLoad {
        by,
        looks: before.map_or(0, |seen| seen.load.looks).saturating_add(1),
        keys: stats.keys,
        cpu_us: rate(|it| it.cpu_us),
        net_in: rate(|it| it.net_in),
        net_out: rate(|it| it.net_out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(keys: u64, cpu_us: Option<u64>) -> SlotStats {
        SlotStats { slot: Slot::of_key(b"k"), keys, cpu_us, net_in: cpu_us, net_out: Some(0) }
    }

    #[test]
    fn loads_are_what_counters_grow_by_in_a_second() {
        let [a, b] = [1, 2].map(|n| NodeId::from_bytes([n; 20]));
        let mut loads = SlotLoads::default();
        let mut look = |by, at, stats: SlotStats| {
            loads.push(by, at, &[stats]);
            let load = loads.of(stats.slot, by);
            load.map(|it| (it.keys, it.of(SlotMeasure::Cpu), it.of(SlotMeasure::Network)))
        };
        assert_eq!(look(a, 1000, stats(5, Some(100))), Some((5, None, None)), "the first look");
        assert_eq!(look(a, 3000, stats(6, Some(700))), Some((6, Some(300), Some(300))));
        assert_eq!(look(a, 3000, stats(9, Some(900))), Some((6, Some(300), Some(300))), "old news");
        assert_eq!(look(a, 4000, stats(6, Some(10))), Some((6, None, None)), "reset");
        assert_eq!(look(a, 5000, stats(6, None)), Some((6, None, None)));
        assert_eq!(look(b, 6000, stats(7, Some(9))), Some((7, None, None)), "another counts anew");
        assert_eq!(look(b, 6000 + 2 * LONGEST, stats(7, Some(99))), Some((7, None, None)));
        assert_eq!(loads.of(stats(0, None).slot, a), None, "it is not its slot any more");
    }

    #[test]
    fn stats_are_short_rows() {
        let row = serde_json::to_string(&stats(5, None)).unwrap();
        assert_eq!(row, "[7629,5,null,null,0]");
        assert_eq!(serde_json::from_str::<SlotStats>(&row).unwrap(), stats(5, None));
        assert!(serde_json::from_str::<SlotStats>("[16384,5,null,null,0]").is_err());
    }
}
