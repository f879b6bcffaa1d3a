//! Slots on their way, whoever moves them, and how fast what is left becomes less.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::Sample;
use crate::{NodeId, Slot};

/// Open slots between two masters, as one of them or both say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Who gives them.
    pub from: NodeId,
    /// Who takes them.
    pub to: NodeId,
    /// How many there are.
    pub slots: usize,
    /// The keys that are left in them, as the giver reports; where it was asked about some of them only, as many in each of
    /// the others.
    pub keys: Option<u64>,
}

impl Sample {
    /// The open slots, by from where to where.
    pub fn passages(&self) -> Vec<Passage> {
        let mut open: BTreeMap<(NodeId, NodeId), BTreeSet<Slot>> = BTreeMap::new();
        for master in self.masters() {
            let own = master.node.id;
            for (slot, to) in &master.node.migrating {
                open.entry((own, *to)).or_default().insert(*slot);
            }
            for (slot, from) in &master.node.importing {
                open.entry((*from, own)).or_default().insert(*slot);
            }
        }
        let passage = |((from, to), slots): ((NodeId, NodeId), BTreeSet<Slot>)| Passage {
            from,
            to,
            slots: slots.len(),
            keys: self.keys_left(from, &slots),
        };
        open.into_iter().map(passage).collect()
    }

    fn keys_left(&self, from: NodeId, slots: &BTreeSet<Slot>) -> Option<u64> {
        let counts: HashMap<Slot, u64> = self.node(from)?.detail.open.iter().copied().collect();
        let known: Vec<u64> = slots.iter().filter_map(|slot| counts.get(slot).copied()).collect();
        let sum = known.iter().copied().fold(0, u64::saturating_add);
        (!known.is_empty()).then(|| sum.saturating_mul(slots.len() as u64) / known.len() as u64)
    }
}

/// Over how many milliseconds a speed is measured.
const OVER: u64 = 10_000;

/// Something that becomes less: how fast, and how long it will take.
///
/// ```
/// use redistrib_cluster_model::sample::Decline;
/// use std::time::Duration;
/// let mut keys = Decline::default();
/// [(0, 900), (1000, 700), (2000, 500)].map(|(at, left)| keys.push(at, left));
/// assert_eq!(keys.per_second(), Some(200.0));
/// assert_eq!(keys.time_left(), Some(Duration::from_millis(2500)));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Decline {
    /// How much had gone, by the time.
    gone: VecDeque<(u64, u64)>,
    left: u64,
}

impl Decline {
    /// Takes in how much is left at a time in milliseconds. Where it is more than before, there is something new to do.
    pub fn push(&mut self, at: u64, left: u64) {
        let (last, gone) = self.gone.back().copied().unwrap_or((at, 0));
        if at <= last && !self.gone.is_empty() {
            return;
        }
        let less = if self.gone.is_empty() { 0 } else { self.left.saturating_sub(left) };
        self.left = left;
        self.gone.push_back((at, gone.saturating_add(less)));
        while self.gone.len() > 2
            && self.gone.front().is_some_and(|(first, _)| first.saturating_add(OVER) < at)
        {
            self.gone.pop_front();
        }
    }

    /// How much is gone in a second; none before the second look.
    pub fn per_second(&self) -> Option<f64> {
        let ((begin, before), (end, after)) = (*self.gone.front()?, *self.gone.back()?);
        (end > begin).then(|| (after - before) as f64 * 1000.0 / (end - begin) as f64)
    }

    /// How long it takes until nothing is left at that speed; none where it does not become less.
    pub fn time_left(&self) -> Option<Duration> {
        let speed = self.per_second().filter(|speed| *speed > 0.0)?;
        Duration::try_from_secs_f64(self.left as f64 / speed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_anew_is_not_counted_as_gone() {
        let mut keys = Decline::default();
        let mut look = |at, left| {
            keys.push(at, left);
            keys.per_second().map(|speed| speed.round() as u64)
        };
        assert_eq!(look(1000, 100), None);
        assert_eq!(look(2000, 0), Some(100));
        assert_eq!(look(3000, 500), Some(50), "the next slots");
        assert_eq!(look(2500, 0), Some(50), "a clock that goes back");
        assert_eq!(look(4000, 500), Some(33));
        assert_eq!(keys.time_left(), Some(Duration::from_secs(15)));
        for at in 5..30 {
            keys.push(at * 1000, 500);
        }
        assert_eq!((keys.per_second(), keys.time_left()), (Some(0.0), None), "it stands still");
        keys.push(u64::MAX, 0);
        assert!(keys.per_second().is_some_and(|speed| speed < 1.0));
    }
}
