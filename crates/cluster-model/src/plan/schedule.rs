//! Which moves run now: moves that share no node run at the same time.

use std::collections::HashMap;

use crate::{Move, NodeId, SlotSet};

/// Moves, handed out in batches so that no node is in two batches at once and as many pairs of
/// nodes as possible are kept busy.
///
/// The node with most slots still to send or receive is what the whole has to wait for, so of the
/// pairs whose nodes are both idle the one with such a node goes first.
///
/// ```
/// use redistrib_cluster_model::{Move, NodeId, plan::schedule::Schedule};
///
/// let [a, b, c, d] = [1, 2, 3, 4].map(|n| NodeId::from_bytes([n; 20]));
/// let step = |from, to, slots: &str| Move { from, to, slots: slots.parse().unwrap() };
/// let mut schedule = Schedule::new([step(a, c, "0-99"), step(b, c, "100-109"), step(b, d, "200-259")]);
///
/// let first = schedule.next(64).unwrap();
/// assert_eq!((first.from, first.slots.to_string()), (a, "0-63".into()));
/// let second = schedule.next(64).unwrap();
/// assert_eq!((second.from, second.to), (b, d));
/// assert_eq!(schedule.next(64), None); // all nodes are busy
/// schedule.done(&first);
/// assert!(schedule.next(64).is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    pairs: Vec<Pair>,
    nodes: Vec<Load>,
    places: HashMap<NodeId, usize>,
}

/// What is left to do between two nodes, in one direction. Nodes are places in [`Schedule::nodes`].
#[derive(Clone, Debug)]
struct Pair {
    from: usize,
    to: usize,
    slots: SlotSet,
}

#[derive(Clone, Debug)]
struct Load {
    id: NodeId,
    busy: bool,
    /// How many slots the node has still to send or receive, those in its running batch excluded.
    left: usize,
}

impl Schedule {
    /// A schedule of these moves. Moves between the same two nodes in the same direction become one.
    pub fn new(moves: impl IntoIterator<Item = Move>) -> Schedule {
        let mut schedule = Schedule::default();
        moves.into_iter().for_each(|step| schedule.add(step));
        schedule
    }

    /// Adds a move, for example what is left of a batch that was not finished.
    pub fn add(&mut self, step: Move) {
        let (from, to) = (self.place(step.from), self.place(step.to));
        let known = self.pairs.iter().position(|pair| (pair.from, pair.to) == (from, to));
        let at = known.unwrap_or_else(|| {
            self.pairs.push(Pair { from, to, slots: SlotSet::new() });
            self.pairs.len() - 1
        });
        let pair = &mut self.pairs[at];
        let before = pair.slots.len();
        pair.slots.extend(step.slots.ranges());
        let added = pair.slots.len() - before;
        self.nodes[from].left += added;
        self.nodes[to].left += added;
    }

    fn place(&mut self, id: NodeId) -> usize {
        *self.places.entry(id).or_insert_with(|| {
            self.nodes.push(Load { id, busy: false, left: 0 });
            self.nodes.len() - 1
        })
    }

    /// The next batch that can start now, of at most `limit` slots (at least one), the lowest first.
    /// Its nodes are busy until [`Schedule::done`] is called with it.
    ///
    /// None if nothing is left, or every pair with slots left has a node that is busy.
    pub fn next(&mut self, limit: usize) -> Option<Move> {
        let load = |place: usize| self.nodes[place].left;
        let idle = |pair: &&mut Pair| !self.nodes[pair.from].busy && !self.nodes[pair.to].busy;
        let urgency = |pair: &Pair| {
            let (one, other) = (load(pair.from), load(pair.to));
            (one.max(other), one.min(other))
        };
        // The first of equals, so that the order of the plan is kept: `max_by_key` takes the last.
        let open = self.pairs.iter_mut().rev().filter(|pair| !pair.slots.is_empty());
        let pair = open.filter(idle).max_by_key(|pair| urgency(pair))?;
        let slots = pair.slots.take_first(limit.max(1));
        let (from, to) = (pair.from, pair.to);
        for place in [from, to] {
            self.nodes[place].busy = true;
            self.nodes[place].left -= slots.len();
        }
        Some(Move { from: self.nodes[from].id, to: self.nodes[to].id, slots })
    }

    /// The batch has ended, well or not: its nodes are idle again.
    pub fn done(&mut self, batch: &Move) {
        for id in [batch.from, batch.to] {
            if let Some(place) = self.places.get(&id) {
                self.nodes[*place].busy = false;
            }
        }
    }

    /// How many slots have not been handed out yet.
    pub fn slots_left(&self) -> usize {
        self.pairs.iter().map(|pair| pair.slots.len()).sum()
    }

    /// How many pairs of nodes could be at work at the same time right now at most: what a caller needs
    /// at most of workers.
    pub fn width(&self) -> usize {
        let open = || self.pairs.iter().filter(|pair| !pair.slots.is_empty());
        let count = |end: fn(&Pair) -> usize| {
            let mut places: Vec<usize> = open().map(end).collect();
            places.sort_unstable();
            places.dedup();
            places.len()
        };
        count(|pair| pair.from).min(count(|pair| pair.to)).min(self.nodes.len() / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;
    use crate::testing::{id, slots};
    use proptest::prelude::*;

    fn moves(ends: &[(u8, u8)]) -> Vec<Move> {
        let step = |(n, (from, to)): (u16, &(u8, u8))| Move {
            from: id(*from),
            to: id(*to),
            slots: Slot::new(n).unwrap().into(),
        };
        (0..).zip(ends).map(step).collect()
    }

    #[test]
    fn pairs_that_share_no_node_run_together() {
        let ends = [(1, 4), (2, 5), (3, 6), (1, 5), (2, 6), (3, 4)];
        let mut schedule = Schedule::new(moves(&ends));
        assert_eq!(schedule.width(), 3);
        for _ in 0..2 {
            let running: Vec<Move> = (0..3).map(|_| schedule.next(9).unwrap()).collect();
            assert_eq!(schedule.next(9), None);
            running.iter().for_each(|batch| schedule.done(batch));
        }
        assert_eq!((schedule.next(9), schedule.slots_left(), schedule.width()), (None, 0, 0));
    }

    #[test]
    fn what_was_not_finished_comes_again() {
        let step = Move { from: id(1), to: id(2), slots: slots("0-9") };
        let mut schedule = Schedule::new([step]);
        let batch = schedule.next(4).unwrap();
        assert_eq!(batch.slots, slots("0-3"));
        schedule.add(Move { slots: slots("2-3"), ..batch.clone() });
        assert_eq!(schedule.next(4), None);
        schedule.done(&batch);
        assert_eq!(schedule.next(0).unwrap().slots, slots("2"));
        assert_eq!(schedule.slots_left(), 7);
    }

    /// Runs batches of one slot in rounds; the number of rounds.
    fn rounds(mut schedule: Schedule) -> usize {
        let mut rounds = 0;
        loop {
            let running: Vec<Move> = std::iter::from_fn(|| schedule.next(1)).collect();
            if running.is_empty() {
                return rounds;
            }
            running.iter().for_each(|batch| schedule.done(batch));
            rounds += 1;
        }
    }

    proptest! {
        #[test]
        fn every_slot_moves_once_and_no_node_is_in_two_batches(
            ends in prop::collection::vec((0u8..6, 0u8..6), 1..60),
            limit in 1usize..5,
            order in any::<Vec<u8>>(),
        ) {
            let ends: Vec<_> = ends.into_iter().filter(|(from, to)| from != to).collect();
            let mut schedule = Schedule::new(moves(&ends));
            let (mut moved, mut running) = (SlotSet::new(), Vec::<Move>::new());
            let mut order = order.into_iter().chain(std::iter::repeat(0));
            loop {
                while let Some(batch) = schedule.next(limit) {
                    prop_assert!((1..=limit).contains(&batch.slots.len()));
                    for slot in batch.slots.iter() {
                        prop_assert_eq!((batch.from, batch.to), {
                            let (from, to) = ends[slot.index()];
                            (id(from), id(to))
                        });
                        prop_assert!(moved.insert(slot));
                    }
                    running.push(batch);
                }
                let mut busy: Vec<_> = running.iter().flat_map(|b| [b.from, b.to]).collect();
                let count = busy.len();
                busy.sort_unstable();
                busy.dedup();
                prop_assert_eq!(busy.len(), count);
                // Whatever could run does.
                for (slot, (from, to)) in (0..).zip(&ends) {
                    let waits = !moved.contains(Slot::new(slot).unwrap());
                    prop_assert!(!waits || busy.contains(&id(*from)) || busy.contains(&id(*to)));
                }
                if running.is_empty() {
                    break;
                }
                let ended = usize::from(order.next().unwrap()) % running.len();
                schedule.done(&running.swap_remove(ended));
            }
            prop_assert_eq!(moved.len(), ends.len());
        }

        /// Between senders and receivers, no plan takes fewer rounds than the busiest node has slots;
        /// this one takes less than half as many again.
        #[test]
        fn little_time_is_lost(ends in prop::collection::vec((0u8..5, 5u8..10), 1..200)) {
            let busiest = (0..10)
                .map(|node| ends.iter().filter(|(from, to)| [*from, *to].contains(&node)).count())
                .max()
                .unwrap();
            prop_assert!(rounds(Schedule::new(moves(&ends))) <= busiest + busiest / 2 + 1);
        }
    }
}
