//! Which moves run now: moves that share no node run at the same time, and small ones that share one, too.

use std::collections::HashMap;

use crate::{Move, NodeId, SlotSet};

/// Moves, handed out in batches so that as many pairs of nodes as possible are kept busy.
///
/// A node is in one batch at a time. What a pair of few slots takes is mostly waiting, so of these
/// a node may be in [`Schedule::SHARED`] at once, as long as it gives slots in all of them or takes slots in
/// all of them: no node ever does both at a time.
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
/// let first = schedule.next(90).unwrap();
/// assert_eq!((first.from, first.slots.to_string()), (a, "0-89".into()));
/// let second = schedule.next(90).unwrap();
/// assert_eq!((second.from, second.to), (b, d));
/// assert_eq!(schedule.next(90), None); // all nodes are busy
/// schedule.done(&first);
/// // What is left for c are few slots of each of two nodes, of which one still gives few to d.
/// assert_eq!(schedule.next(90).map(|batch| batch.from), Some(a));
/// assert_eq!(schedule.next(90).map(|batch| batch.from), Some(b));
/// assert_eq!(schedule.slots_left(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    pairs: Vec<PairBacklog>,
    nodes: Vec<NodeLoad>,
    places: HashMap<NodeId, usize>,
}

/// What is left to do between two nodes, in one direction. Nodes are places in [`Schedule::nodes`].
#[derive(Clone, Debug)]
struct PairBacklog {
    from: usize,
    to: usize,
    slots: SlotSet,
}

#[derive(Clone, Debug)]
struct NodeLoad {
    id: NodeId,
    work: NodeWork,
    /// How many slots the node has still to send or receive, those in its running batch excluded.
    left: usize,
}

/// What a node does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NodeWork {
    Idle,
    /// It is in one batch, and in no other.
    Alone,
    /// It is at this end of so many small batches.
    Sharing(BatchEnd, usize),
}

/// An end of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BatchEnd {
    Source,
    Target,
}

impl NodeWork {
    /// What it does when it is at this end of one more small batch, if it may be.
    fn and_one_more(self, end: BatchEnd) -> Option<NodeWork> {
        match self {
            NodeWork::Idle => Some(NodeWork::Sharing(end, 1)),
            NodeWork::Sharing(its, count) if its == end && count < Schedule::SHARED => {
                Some(NodeWork::Sharing(end, count + 1))
            }
            _ => None,
        }
    }

    /// What it does when one of its batches has ended.
    fn and_one_less(self) -> NodeWork {
        match self {
            NodeWork::Sharing(end, count) if count > 1 => NodeWork::Sharing(end, count - 1),
            _ => NodeWork::Idle,
        }
    }
}

impl Schedule {
    /// The most slots that are few.
    pub const FEW: usize = 64;
    /// How many batches of few slots a node may be in at once.
    pub const SHARED: usize = 8;

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
            self.pairs.push(PairBacklog { from, to, slots: SlotSet::new() });
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
            self.nodes.push(NodeLoad { id, work: NodeWork::Idle, left: 0 });
            self.nodes.len() - 1
        })
    }

    /// The next batch that can start now, of at most `limit` slots (at least one), the lowest first.
    /// Its nodes are busy with it until [`Schedule::done`] is called with it.
    ///
    /// None if nothing is left, or every pair with slots left has a node that is busy with others.
    pub fn next(&mut self, limit: usize) -> Option<Move> {
        let load = |place: usize| self.nodes[place].left;
        let urgency = |pair: &PairBacklog| {
            let (one, other) = (load(pair.from), load(pair.to));
            (one.max(other), one.min(other))
        };
        // The first of equals, so that the order of the plan is kept: `max_by_key` takes the last.
        let open = self.pairs.iter().enumerate().rev().filter(|(_, pair)| !pair.slots.is_empty());
        let ready = open.filter_map(|(at, pair)| Some((at, pair, self.works(pair)?)));
        let (at, _, works) = ready.max_by_key(|(_, pair, _)| urgency(pair))?;
        let pair = &mut self.pairs[at];
        let slots = pair.slots.take_first(limit.max(1));
        for (place, work) in [pair.from, pair.to].into_iter().zip(works) {
            self.nodes[place].work = work;
            self.nodes[place].left -= slots.len();
        }
        Some(Move { from: self.nodes[pair.from].id, to: self.nodes[pair.to].id, slots })
    }

    /// What the two nodes of a pair do when its next batch has begun, if it may begin.
    fn works(&self, pair: &PairBacklog) -> Option<[NodeWork; 2]> {
        let (source, target) = (self.nodes[pair.from].work, self.nodes[pair.to].work);
        if pair.is_small() {
            return Some([
                source.and_one_more(BatchEnd::Source)?,
                target.and_one_more(BatchEnd::Target)?,
            ]);
        }
        (source == NodeWork::Idle && target == NodeWork::Idle).then_some([NodeWork::Alone; 2])
    }

    /// The batch has ended, successfully or not: its nodes are free for others again.
    pub fn done(&mut self, batch: &Move) {
        for id in [batch.from, batch.to] {
            if let Some(place) = self.places.get(&id) {
                let node = &mut self.nodes[*place];
                node.work = node.work.and_one_less();
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
        let count = |end: fn(&PairBacklog) -> usize| {
            let mut places: HashMap<usize, (bool, usize)> = HashMap::new();
            for pair in self.pairs.iter().filter(|pair| !pair.slots.is_empty()) {
                let (has_large, small) = places.entry(end(pair)).or_default();
                *has_large |= !pair.is_small();
                *small += usize::from(pair.is_small());
            }
            let at_once = |(has_large, small): &(bool, usize)| {
                (*small).min(Self::SHARED).max(usize::from(*has_large))
            };
            places.values().map(at_once).sum::<usize>()
        };
        count(|pair| pair.from).min(count(|pair| pair.to))
    }
}

impl PairBacklog {
    fn is_small(&self) -> bool {
        self.slots.len() <= Schedule::FEW
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;
    use crate::testing::{id, slots};
    use proptest::prelude::*;

    /// Moves between these nodes, each of so many slots.
    fn moves(ends: &[(u8, u8, u16)]) -> Vec<Move> {
        let mut first = 0;
        let step = |&(from, to, count): &(u8, u8, u16)| {
            let slots = (first..first + count).filter_map(|slot| Slot::new(slot).ok()).collect();
            first += count;
            Move { from: id(from), to: id(to), slots }
        };
        ends.iter().map(step).collect()
    }

    const MANY: u16 = Schedule::FEW as u16 + 1;

    #[test]
    fn pairs_that_share_no_node_run_together() {
        let ends = [(1, 4), (2, 5), (3, 6), (1, 5), (2, 6), (3, 4)];
        let mut schedule = Schedule::new(moves(&ends.map(|(from, to)| (from, to, MANY))));
        assert_eq!(schedule.width(), 3);
        for _ in 0..2 {
            let running: Vec<Move> = (0..3).map(|_| schedule.next(999).unwrap()).collect();
            assert_eq!(schedule.next(999), None);
            running.iter().for_each(|batch| schedule.done(batch));
        }
        assert_eq!((schedule.next(9), schedule.slots_left(), schedule.width()), (None, 0, 0));
    }

    #[test]
    fn few_slots_from_many_nodes_go_to_one_together() {
        let shared = Schedule::SHARED;
        let sources = (10..30).map(|source| (source, 1, 2));
        let ends: Vec<_> = sources.chain([(1, 2, 2), (30, 1, MANY)]).collect();
        let mut schedule = Schedule::new(moves(&ends));
        assert_eq!(schedule.width(), shared + 1);
        let large = schedule.next(999).unwrap();
        assert_eq!((large.from, schedule.next(999)), (id(30), None), "it is alone");
        schedule.done(&large);
        let running: Vec<Move> = std::iter::from_fn(|| schedule.next(999)).collect();
        assert_eq!(running.len(), shared);
        assert!(running.iter().all(|batch| batch.to == id(1)), "it does not give meanwhile");
        schedule.done(&running[0]);
        assert!(schedule.next(999).is_some() && schedule.next(999).is_none());
    }

    #[test]
    fn what_was_not_finished_comes_again() {
        let step = Move { from: id(1), to: id(2), slots: slots("0-99") };
        let mut schedule = Schedule::new([step]);
        let batch = schedule.next(4).unwrap();
        assert_eq!(batch.slots, slots("0-3"));
        schedule.add(Move { slots: slots("2-3"), ..batch.clone() });
        assert_eq!(schedule.next(4), None);
        schedule.done(&batch);
        assert_eq!(schedule.next(0).unwrap().slots, slots("2"));
        assert_eq!(schedule.slots_left(), 97);
    }

    /// Runs whole pairs in rounds; the number of rounds.
    fn rounds(mut schedule: Schedule) -> usize {
        let mut rounds = 0;
        loop {
            let running: Vec<Move> = std::iter::from_fn(|| schedule.next(usize::MAX)).collect();
            if running.is_empty() {
                return rounds;
            }
            running.iter().for_each(|batch| schedule.done(batch));
            rounds += 1;
        }
    }

    /// What is wrong with these batches running at once.
    fn clash(running: &[Move]) -> Option<String> {
        let nodes = running.iter().flat_map(|batch| [batch.from, batch.to]);
        nodes.into_iter().find_map(|node| {
            let gives = running.iter().filter(|batch| batch.from == node).count();
            let takes = running.iter().filter(|batch| batch.to == node).count();
            let of_node = running.iter().filter(|batch| [batch.from, batch.to].contains(&node));
            let is_large = of_node.clone().any(|batch| batch.slots.len() > Schedule::FEW);
            let is_bad = gives.min(takes) > 0
                || gives + takes > Schedule::SHARED
                || is_large && gives + takes > 1;
            is_bad.then(|| format!("{node} gives {gives} and takes {takes}"))
        })
    }

    fn ends() -> impl Strategy<Value = Vec<(u8, u8, u16)>> {
        let size = prop_oneof![1u16..4, MANY - 2..MANY + 2];
        let ends = prop::collection::vec((0u8..12, 0u8..12, size), 1..40);
        ends.prop_map(|ends| ends.into_iter().filter(|(from, to, _)| from != to).collect())
    }

    proptest! {
        #[test]
        fn every_slot_moves_once_and_no_node_has_too_much_to_do(
            ends in ends(),
            limit in prop_oneof![9usize..90, Just(usize::MAX)],
            order in any::<Vec<u8>>(),
        ) {
            let moves = moves(&ends);
            let all: usize = moves.iter().map(|step| step.slots.len()).sum();
            let mut schedule = Schedule::new(moves.clone());
            let width = schedule.width();
            let (mut moved, mut running) = (SlotSet::new(), Vec::<Move>::new());
            let mut order = order.into_iter().chain(std::iter::repeat(0));
            loop {
                while let Some(batch) = schedule.next(limit) {
                    prop_assert!((1..=limit).contains(&batch.slots.len()));
                    let ends = |step: &&Move| (step.from, step.to) == (batch.from, batch.to);
                    let of_pair = moves.iter().filter(ends);
                    let slots = of_pair.fold(SlotSet::new(), |all, step| all.union(&step.slots));
                    prop_assert!(batch.slots.difference(&slots.difference(&moved)).is_empty());
                    moved = moved.union(&batch.slots);
                    running.push(batch);
                }
                prop_assert_eq!(clash(&running), None);
                prop_assert!(limit < usize::MAX || running.len() <= width);
                // Whatever could run does.
                let is_busy = |node| running.iter().any(|it| [it.from, it.to].contains(&node));
                let mut waiting = moves.iter().filter(|step| !step.slots.difference(&moved).is_empty());
                prop_assert!(waiting.all(|step| is_busy(step.from) || is_busy(step.to)));
                if running.is_empty() {
                    break;
                }
                let ended = usize::from(order.next().unwrap()) % running.len();
                schedule.done(&running.swap_remove(ended));
            }
            prop_assert_eq!(moved.len(), all);
        }

        /// Between senders and receivers, no plan takes fewer rounds than the busiest node has large pairs;
        /// this one takes less than half as many again.
        #[test]
        fn little_time_is_lost(ends in prop::collection::btree_set((0u8..5, 5u8..10), 1..25)) {
            let busiest = (0..10)
                .map(|node| ends.iter().filter(|(from, to)| [*from, *to].contains(&node)).count())
                .max()
                .unwrap();
            let ends: Vec<_> = ends.into_iter().map(|(from, to)| (from, to, MANY)).collect();
            prop_assert!(rounds(Schedule::new(moves(&ends))) <= busiest + busiest / 2 + 1);
        }
    }
}
