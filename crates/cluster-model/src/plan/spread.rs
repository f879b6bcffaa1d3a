//! Things dealt out so that all who get some stand as even as they can.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// How many of `count` things each taker gets. A taker is what it has already and its weight, which is
/// finite; those of weight 0 or less get nothing.
///
/// None if there are things to deal out and nobody can take them.
pub(super) fn spread(count: usize, takers: &[(usize, f64)]) -> Option<Vec<usize>> {
    let mut given = vec![0; takers.len()];
    let able = takers.iter().enumerate().filter(|(_, (_, weight))| *weight > 0.0);
    let mut queue: BinaryHeap<Taker> =
        able.map(|(place, (has, weight))| Taker::new(place, *has, *weight)).collect();
    for _ in 0..count {
        let Taker { place, has, weight, .. } = queue.pop()?;
        given[place] += 1;
        queue.push(Taker::new(place, has + 1, weight));
    }
    Some(given)
}

/// The greatest is the one that takes next: who stands lowest in relation to its weight.
struct Taker {
    place: usize,
    has: usize,
    weight: f64,
    /// How full it would be with one more.
    level: f64,
}

impl Taker {
    fn new(place: usize, has: usize, weight: f64) -> Taker {
        Taker { place, has, weight, level: (has + 1) as f64 / weight }
    }
}

impl Ord for Taker {
    fn cmp(&self, other: &Taker) -> Ordering {
        other.level.total_cmp(&self.level).then_with(|| other.place.cmp(&self.place))
    }
}

impl PartialOrd for Taker {
    fn partial_cmp(&self, other: &Taker) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Taker {
    fn eq(&self, other: &Taker) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Taker {}
