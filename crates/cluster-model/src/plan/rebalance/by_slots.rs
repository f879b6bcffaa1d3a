//! Balance by number of slots: the fewest moves.

use std::cmp::Reverse;

use super::{Share, Weighed};
use crate::Move;

/// Fractions closer to a whole number than this are taken for it: sums of weights are not exact.
const EPSILON: f64 = 1e-6;

pub(super) fn moves(masters: &[&Weighed], shares: &[Share]) -> Vec<Move> {
    let targets = targets(shares);
    let counts: Vec<usize> = masters.iter().map(|master| master.slots.len()).collect();
    let mut slots: Vec<_> = masters.iter().map(|master| master.slots.clone()).collect();
    let pairs = pair_up(&counts, &targets).into_iter();
    pairs
        .map(|(from, to, count)| Move {
            from: masters[from].id,
            to: masters[to].id,
            slots: slots[from].take_first(count),
        })
        .collect()
}

/// How many slots each master shall own: its exact part, rounded up or down so that the sum is
/// kept. Rounded up first are those that own more than their part already, for each of them keeps a
/// slot that would have to move otherwise; then those who come nearest.
fn targets(shares: &[Share]) -> Vec<usize> {
    let floor = |share: &Share| (share.expected + EPSILON).floor() as usize;
    let fraction = |share: &Share| share.expected - floor(share) as f64;
    let mut targets: Vec<usize> = shares.iter().map(floor).collect();
    let whole: usize = shares.iter().map(|share| share.has as usize).sum();
    let mut left = whole.saturating_sub(targets.iter().sum());
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.retain(|place| fraction(&shares[*place]) > EPSILON);
    order.sort_by(|a, b| {
        let keeps = |place: usize| shares[place].has as usize > targets[place];
        let nearness = fraction(&shares[*b]).total_cmp(&fraction(&shares[*a]));
        keeps(*b).cmp(&keeps(*a)).then(nearness)
    });
    for place in order {
        if left > 0 {
            targets[place] += 1;
            left -= 1;
        }
    }
    targets
}

/// Who gives how many to whom: places of giver and taker, and the count. First those who suit each other
/// exactly, then always the one with most to give and the one with most to take, so that there are few
/// pairs and none twice.
fn pair_up(has: &[usize], targets: &[usize]) -> Vec<(usize, usize, usize)> {
    let gap =
        |(place, (has, target)): (usize, (&usize, &usize))| (place, *has as i64 - *target as i64);
    let gaps: Vec<(usize, i64)> = has.iter().zip(targets).enumerate().map(gap).collect();
    let mut givers: Vec<_> = gaps.iter().filter(|gap| gap.1 > 0).copied().collect();
    let mut takers: Vec<_> =
        gaps.iter().filter(|gap| gap.1 < 0).map(|(place, gap)| (*place, -gap)).collect();
    let mut pairs = Vec::new();
    givers.retain(|(giver, surplus)| {
        let Some(at) = takers.iter().position(|(_, lack)| lack == surplus) else { return true };
        pairs.push((*giver, takers.remove(at).0, *surplus as usize));
        false
    });
    while !givers.is_empty() && !takers.is_empty() {
        givers.sort_by_key(|(_, surplus)| Reverse(*surplus));
        takers.sort_by_key(|(_, lack)| Reverse(*lack));
        let count = givers[0].1.min(takers[0].1);
        pairs.push((givers[0].0, takers[0].0, count as usize));
        givers[0].1 -= count;
        takers[0].1 -= count;
        givers.retain(|(_, surplus)| *surplus > 0);
        takers.retain(|(_, lack)| *lack > 0);
    }
    pairs.sort_unstable();
    pairs
}
