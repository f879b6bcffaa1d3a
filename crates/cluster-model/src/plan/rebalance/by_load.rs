//! Balance by what slots hold.
//!
//! To share out loads exactly is as hard as packing bins, so each master ends near its part. What has to go over is
//! reckoned first: masters above their part by more than the tolerance have to give, those below it have to get, and as much
//! goes over as the larger of the two sums. Then each giver takes its heaviest slots that fit, and as the last the one that
//! fits best.
//!
//! No plan in which masters above their part only give, and the others only get, moves fewer slots than the givers' heaviest
//! that fit bring them within the tolerance, or than it takes of all givers' heaviest to bring the others there
//! (`tests::fewest`). Where no slot holds more than a tenth of any part, this one stays within one and a half times that, and a
//! slot for each master.

use std::cmp::Ordering;

use super::{Share, Weighed};
use crate::{Move, Slot, SlotSet};

/// How often what is left is reckoned again: slots that fit nobody leave something over.
const ROUNDS: usize = 3;
/// Less than this is nothing: sums of fractions are not exact.
const EPSILON: f64 = 1e-6;

/// A master on its way to its part.
#[derive(Debug)]
pub(super) struct PartMaster {
    pub(super) place: usize,
    /// By how much it is above its part, or below if it gets.
    pub(super) off: f64,
    /// How near is near enough.
    pub(super) tolerance: f64,
    /// How much of `off` is to go over in this round.
    mark: f64,
    /// A giver's slots that hold something, the lightest first.
    slots: Vec<(u64, Slot)>,
}

/// Who gives and who gets.
#[derive(Debug)]
pub(super) struct Sides {
    pub(super) givers: Vec<PartMaster>,
    pub(super) takers: Vec<PartMaster>,
}

/// Moves after which no master is much further off its part than `tolerance` percent.
pub(super) fn moves(
    masters: &[&Weighed],
    shares: &[Share],
    load: &[u64],
    tolerance: f64,
) -> Vec<Move> {
    let Sides { mut givers, mut takers } = sides(masters, shares, load, tolerance);
    let mut given = vec![vec![SlotSet::new(); masters.len()]; masters.len()];
    for _ in 0..ROUNDS {
        if !mark(&mut givers, &mut takers) {
            break;
        }
        givers.sort_by(|a, b| b.mark.total_cmp(&a.mark));
        let mut some = false;
        for giver in &mut givers {
            takers.sort_by(|a, b| b.mark.total_cmp(&a.mark));
            for taker in &mut takers {
                let slots = give(giver, taker);
                some |= !slots.is_empty();
                given[giver.place][taker.place].extend(slots.ranges());
            }
        }
        if !some {
            break;
        }
    }
    while let Some((from, to, slot)) = improve(&mut givers, &mut takers) {
        given[from][to].insert(slot);
    }
    for giver in givers.iter().filter(|giver| shares[giver.place].weight == 0.0) {
        let gone = given[giver.place].iter().fold(SlotSet::new(), |all, some| all.union(some));
        let left = masters[giver.place].slots.difference(&gone);
        deal(&left, load, &mut takers, &mut given[giver.place]);
    }
    let step = |from: usize, to: usize, slots: SlotSet| Move {
        from: masters[from].id,
        to: masters[to].id,
        slots,
    };
    let given = given.into_iter().enumerate();
    let moves = given.flat_map(|(from, row)| {
        let row = row.into_iter().enumerate().filter(|(_, slots)| !slots.is_empty());
        row.map(move |(to, slots)| step(from, to, slots))
    });
    moves.collect()
}

/// Who is above its part, and who is not. Nobody is brought nearer to it than half of what a slot holds in the mean.
pub(super) fn sides(masters: &[&Weighed], shares: &[Share], load: &[u64], tolerance: f64) -> Sides {
    let of = |slot: Slot| load.get(slot.index()).copied().unwrap_or_default();
    let held = |master: &&Weighed| -> Vec<(u64, Slot)> {
        let held = master.slots.iter().map(|slot| (of(slot), slot));
        held.filter(|(load, _)| *load > 0).collect()
    };
    let held: Vec<Vec<(u64, Slot)>> = masters.iter().map(held).collect();
    let whole: f64 = shares.iter().map(|share| share.has as f64).sum();
    let mean = whole / held.iter().map(Vec::len).sum::<usize>().max(1) as f64;
    let ends = shares.iter().zip(held).enumerate().map(|(place, (share, mut slots))| {
        slots.sort_unstable();
        let near = share.expected * tolerance.max(0.0) / 100.0;
        // Who is emptied keeps nothing.
        let tolerance = if share.weight == 0.0 { 0.0 } else { near.max(mean / 2.0) };
        PartMaster { place, off: share.has as f64 - share.expected, tolerance, mark: 0.0, slots }
    });
    let (givers, mut takers): (Vec<PartMaster>, Vec<PartMaster>) =
        ends.partition(|end| end.off > 0.0 || shares[end.place].weight == 0.0);
    takers.iter_mut().for_each(|taker| taker.off = -taker.off);
    Sides { givers, takers }
}

/// Decides how much goes over on either side: as little as brings all within their tolerance. Whether anything has to.
fn mark(givers: &mut [PartMaster], takers: &mut [PartMaster]) -> bool {
    let must = |ends: &[PartMaster]| sum(ends, -1.0);
    let wanted = must(givers).max(must(takers));
    for ends in [givers, takers] {
        let level = level(ends, wanted);
        for end in ends {
            end.mark = end.at(level);
        }
    }
    wanted > EPSILON
}

/// The level at which so much goes over: at -1 all go to the near edge of their tolerance, at 0 to their part, at 1 to the
/// far edge.
fn level(ends: &[PartMaster], wanted: f64) -> f64 {
    let (mut low, mut high) = (-1.0, 1.0);
    if sum(ends, low) >= wanted {
        return low;
    }
    for _ in 0..50 {
        let middle = (low + high) / 2.0;
        if sum(ends, middle) >= wanted {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

fn sum(ends: &[PartMaster], level: f64) -> f64 {
    ends.iter().map(|end| end.at(level)).sum()
}

impl PartMaster {
    fn at(&self, level: f64) -> f64 {
        (self.off + level * self.tolerance).max(0.0)
    }

    fn went(&mut self, load: u64) {
        self.off -= load as f64;
        self.mark -= load as f64;
    }
}

/// Takes the heaviest slots that fit, and as the last one the lightest that is enough, if most of it is wanted.
fn give(giver: &mut PartMaster, taker: &mut PartMaster) -> SlotSet {
    let mut given = SlotSet::new();
    loop {
        let wanted = giver.mark.min(taker.mark);
        let most = (giver.off + giver.tolerance).min(taker.off + taker.tolerance) + EPSILON;
        let fitting = giver.slots.partition_point(|(load, _)| *load as f64 <= most);
        if wanted <= EPSILON || fitting == 0 {
            return given;
        }
        let enough = giver.slots.partition_point(|(load, _)| (*load as f64) < wanted);
        let chosen = enough.min(fitting - 1);
        // Were more than half of the last one too much each time, nothing would be left for the last taker.
        if giver.slots[chosen].0 as f64 > wanted * 2.0 {
            return given;
        }
        let (load, slot) = giver.slots.remove(chosen);
        given.insert(slot);
        giver.went(load);
        taker.went(load);
    }
}

/// Where no slot fits any more, and a master is still far off: a slot by which the two that are furthest off come nearer
/// together. What they are off, squared, becomes less by a slot that is lighter than both together, and least by one half
/// as heavy.
fn improve(givers: &mut [PartMaster], takers: &mut [PartMaster]) -> Option<(usize, usize, Slot)> {
    let giver = givers.iter_mut().filter(|it| !it.slots.is_empty()).max_by(by_off)?;
    let taker = takers.iter_mut().max_by(by_off)?;
    let both = giver.off + taker.off;
    let is_far = giver.off > giver.tolerance + EPSILON || taker.off > taker.tolerance + EPSILON;
    let distance = |(load, _): &&(u64, Slot)| (*load as f64 - both / 2.0).abs();
    let nearest = giver.slots.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let helps = nearest.filter(|(load, _)| is_far && (*load as f64) < both - EPSILON);
    let (load, slot) = *helps?;
    giver.slots.retain(|(_, other)| *other != slot);
    giver.went(load);
    taker.went(load);
    Some((giver.place, taker.place, slot))
}

fn by_off(a: &&mut PartMaster, b: &&mut PartMaster) -> Ordering {
    a.off.total_cmp(&b.off)
}

/// All slots that are left to a master that is emptied, the heaviest first, each to the one who
/// lacks most; those that hold nothing in turn, so that they are shared as well.
fn deal(left: &SlotSet, load: &[u64], takers: &mut [PartMaster], dealt: &mut [SlotSet]) {
    let of = |slot: &Slot| load.get(slot.index()).copied().unwrap_or_default();
    let mut left: Vec<(u64, Slot)> = left.iter().map(|slot| (of(&slot), slot)).collect();
    left.sort_unstable();
    for (turn, (load, slot)) in left.into_iter().rev().enumerate() {
        let most =
            |(_, a): &(usize, &PartMaster), (_, b): &(usize, &PartMaster)| a.off.total_cmp(&b.off);
        let neediest = takers.iter().enumerate().max_by(most).map(|(at, _)| at);
        let Some(neediest) = neediest else { break };
        let taker = if load > 0 { neediest } else { turn % takers.len() };
        takers[taker].went(load);
        dealt[takers[taker].place].insert(slot);
    }
}
