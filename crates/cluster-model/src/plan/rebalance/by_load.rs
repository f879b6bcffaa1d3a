//! Balance by what slots hold.
//!
//! To share out loads exactly is as hard as packing bins. Taking the heaviest slots that fit, giver by
//! giver and taker by taker, leaves each within the load of a slot of its part, and moves few slots.

use super::{Share, Weighed};
use crate::{Move, Slot, SlotSet};

/// A master with more than its part: its place, what it has too much, and its slots, heaviest last.
struct Giver {
    place: usize,
    surplus: f64,
    slots: Vec<(u64, Slot)>,
}

/// A master with less than its part: its place, and what it lacks.
struct Taker {
    place: usize,
    lack: f64,
}

/// Moves after which no master is much further off its part than `tolerance` percent.
pub(super) fn moves(
    masters: &[&Weighed],
    shares: &[Share],
    load: &[u64],
    tolerance: f64,
) -> Vec<Move> {
    let near = |share: &Share| share.expected * tolerance.max(0.0) / 100.0;
    let of = |slot: Slot| load.get(slot.index()).copied().unwrap_or_default();
    let mut givers = Vec::new();
    let mut takers = Vec::new();
    for (place, share) in shares.iter().enumerate() {
        let surplus = share.has as f64 - share.expected;
        if surplus > 0.0 || share.weight == 0.0 {
            let mut slots: Vec<_> = masters[place].slots.iter().map(|s| (of(s), s)).collect();
            slots.sort_unstable();
            givers.push(Giver { place, surplus, slots });
        } else {
            takers.push(Taker { place, lack: -surplus });
        }
    }
    givers.sort_by(|a, b| b.surplus.total_cmp(&a.surplus));
    let mut moves = Vec::new();
    let mut step = |from: usize, to: usize, slots: SlotSet| {
        if !slots.is_empty() {
            moves.push(Move { from: masters[from].id, to: masters[to].id, slots });
        }
    };
    for giver in &mut givers {
        let emptied = shares[giver.place].weight == 0.0;
        takers.sort_by(|a, b| b.lack.total_cmp(&a.lack));
        let given: Vec<SlotSet> =
            takers.iter_mut().map(|taker| give(giver, taker, near(&shares[taker.place]))).collect();
        let rest = if emptied { deal(giver, &mut takers) } else { vec![] };
        let rest = rest.into_iter().chain(std::iter::repeat(SlotSet::new()));
        for ((taker, given), rest) in takers.iter().zip(given).zip(rest) {
            step(giver.place, taker.place, given.union(&rest));
        }
    }
    moves
}

/// Takes the heaviest slots that fit (`near` the mark is near enough), then perhaps one more if
/// that comes nearer to it. Slots that hold nothing are left where they are.
fn give(giver: &mut Giver, taker: &mut Taker, near: f64) -> SlotSet {
    let mut given = SlotSet::new();
    let mut take = |giver: &mut Giver, taker: &mut Taker, at: usize| {
        let (load, slot) = giver.slots.remove(at);
        given.insert(slot);
        giver.surplus -= load as f64;
        taker.lack -= load as f64;
    };
    for at in (0..giver.slots.len()).rev() {
        let (load, wanted) = (giver.slots[at].0, taker.lack.min(giver.surplus));
        if wanted > near && load > 0 && load as f64 <= wanted + near {
            take(giver, taker, at);
        }
    }
    // With all that fits gone, the lightest that is left overshoots least. What both are off the
    // mark, squared, becomes less by it exactly if it is lighter than both together.
    let (wanted, both) = (taker.lack.min(giver.surplus), taker.lack + giver.surplus);
    let lightest = giver.slots.iter().position(|(load, _)| *load > 0);
    let helps = |at: &usize| wanted > near && (giver.slots[*at].0 as f64) < both;
    if let Some(at) = lightest.filter(helps) {
        take(giver, taker, at);
    }
    given
}

/// All slots that are left to a master that is emptied, the heaviest first, each to the one who
/// lacks most; those that hold nothing in turn, so that they are shared as well.
fn deal(giver: &mut Giver, takers: &mut [Taker]) -> Vec<SlotSet> {
    let mut dealt = vec![SlotSet::new(); takers.len()];
    for (turn, (load, slot)) in giver.slots.drain(..).rev().enumerate() {
        let most = |(_, a): &(usize, &Taker), (_, b): &(usize, &Taker)| a.lack.total_cmp(&b.lack);
        let neediest = takers.iter().enumerate().max_by(most).map(|(at, _)| at);
        let Some(neediest) = neediest else { break };
        let at = if load > 0 { neediest } else { turn % takers.len() };
        takers[at].lack -= load as f64;
        dealt[at].insert(slot);
    }
    dealt
}
