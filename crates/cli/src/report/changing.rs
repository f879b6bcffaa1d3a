//! The part of the slot map that changes: the slots on their way in a line of cells, each with the letter and the colour of the
//! master that owns them, as in `top`.

use std::collections::{BTreeMap, HashMap};

use redistrib_ops::Pair;
use redistrib_ops::model::{NodeId, Slot, SlotSet};

use crate::top::{Theme, letter, most_frequent, painted};

/// Slots that move, and whose they are by now.
#[derive(Debug, Default)]
pub(super) struct Changing {
    /// The numbers of the shards, by their masters, in the order in which they were named.
    shards: HashMap<NodeId, usize>,
    owners: BTreeMap<Slot, NodeId>,
}

impl Changing {
    /// Numbers the masters as `top` does: in the order of their slots. Those without any come last.
    pub(super) fn learn(&mut self, masters: impl Iterator<Item = (NodeId, Option<Slot>)>) {
        let mut masters: Vec<_> = masters.collect();
        masters.sort_by_key(|(id, first)| (first.is_none(), *first, *id));
        self.shards = masters.into_iter().map(|(id, _)| id).zip(0..).collect();
    }

    /// These slots begin to move.
    pub(super) fn begin(&mut self, pair: Pair, slots: &SlotSet) {
        self.owners.extend(slots.iter().map(|slot| (slot, pair.from)));
        for id in [pair.from, pair.to] {
            let next = self.shards.len();
            self.shards.entry(id).or_insert(next);
        }
    }

    /// These have arrived.
    pub(super) fn arrive(&mut self, pair: Pair, slots: &SlotSet) {
        for slot in slots.iter() {
            self.owners.entry(slot).and_modify(|owner| *owner = pair.to);
        }
    }

    /// The line, in so many columns; empty where nothing moves or there is no room.
    pub(super) fn line(&self, columns: usize, theme: Theme) -> String {
        let (Some((first, _)), Some((last, _))) =
            (self.owners.first_key_value(), self.owners.last_key_value())
        else {
            return String::new();
        };
        let (head, tail) = (format!("  slots {first} "), format!(" {last}"));
        let room = columns.saturating_sub(head.len() + tail.len());
        if room == 0 {
            return String::new();
        }
        let owner = |id: &NodeId| self.shards.get(id).copied();
        let owners: Vec<Option<usize>> = self.owners.values().map(owner).collect();
        let cells = owners.chunks(owners.len().div_ceil(room)).map(most_frequent);
        let cells: Vec<Option<usize>> = cells.collect();
        let body: String = cells.chunk_by(|a, b| a == b).map(|run| shown(run, theme)).collect();
        head + &body + &tail
    }
}

/// Cells that look the same.
fn shown(run: &[Option<usize>], theme: Theme) -> String {
    let Some(number) = run[0] else { return "?".repeat(run.len()) };
    painted(&letter(number).to_string().repeat(run.len()), number, theme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_change_as_slots_arrive() {
        let [a, b] = ['a', 'b'].map(|c| c.to_string().repeat(40).parse().unwrap());
        let (slot, pair) = (|n: u16| Slot::try_from(n).ok(), Pair { from: b, to: a });
        let mut changing = Changing::default();
        assert_eq!(changing.line(80, Theme::Plain), "");
        changing.learn([(b, slot(9000)), (a, slot(0))].into_iter());
        changing.begin(pair, &"9000-9099".parse().unwrap());
        let cells = |letters: &str| format!("  slots 9000 {letters} 9099");
        assert_eq!(changing.line(28, Theme::Plain), cells("BBBBBBBBBB"));
        changing.arrive(pair, &"9000-9044,1".parse().unwrap());
        assert_eq!(changing.line(28, Theme::Plain), cells("AAAABBBBBB"));
        changing.arrive(pair, &"9045-9099".parse().unwrap());
        assert_eq!(changing.line(28, Theme::Plain), cells("AAAAAAAAAA"));
        let coloured = changing.line(28, Theme::Many);
        assert!(coloured.contains("AAAAAAAAAA") && coloured.contains("\x1b["), "{coloured:?}");
        assert!((0..40).all(|wide| changing.line(wide, Theme::Plain).len() <= wide));
    }
}
