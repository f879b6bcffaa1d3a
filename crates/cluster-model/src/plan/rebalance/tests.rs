//! What a rebalance promises, on small clusters and on random ones.

use proptest::prelude::*;

use super::*;
use crate::Slot;
use crate::testing::{id, slots};

fn master(n: u8, owned: &str, weight: f64) -> Weighed {
    Weighed { id: id(n), slots: slots(owned), weight }
}

fn counts(plan: &Rebalance) -> Vec<(u8, u8, usize)> {
    let step = |step: &Move| (step.from.as_bytes()[0], step.to.as_bytes()[0], step.slots.len());
    plan.moves.iter().map(step).collect()
}

#[test]
fn nothing_moves_within_the_threshold() {
    let masters = [master(1, "0-99", 1.0), master(2, "100-199", 1.0), master(3, "200-301", 1.0)];
    let plan = plan_rebalance(&masters, &Options::default()).unwrap();
    assert!(plan.moves.is_empty() && plan.shares.iter().all(|share| !share.over_threshold));
    let close = Options { threshold: 0.1, ..Options::default() };
    let plan = plan_rebalance(&masters, &close).unwrap();
    assert_eq!(counts(&plan), [(3, 1, 1)]);
    assert_eq!(plan_rebalance(&[], &close).unwrap().moves, []);
}

#[test]
fn a_difference_that_only_rounding_makes_is_none() {
    let masters =
        [master(1, "0-5460", 1.0), master(2, "5461-10922", 1.0), master(3, "10923-16383", 1.0)];
    let never_near = Options { threshold: 0.0, ..Options::default() };
    assert!(plan_rebalance(&masters, &never_near).unwrap().moves.is_empty());
}

#[test]
fn empty_masters_take_part_only_if_asked() {
    let masters = [master(1, "0-99", 1.0), master(2, "", 1.0)];
    assert!(plan_rebalance(&masters, &Options::default()).unwrap().moves.is_empty());
    let options = Options { use_empty_masters: true, ..Options::default() };
    assert_eq!(counts(&plan_rebalance(&masters, &options).unwrap()), [(1, 2, 50)]);
}

#[test]
fn three_masters_become_six() {
    let full = |n, owned| master(n, owned, 1.0);
    let masters = [
        full(1, "0-5460"),
        full(2, "5461-10922"),
        full(3, "10923-16383"),
        full(4, ""),
        full(5, ""),
        full(6, ""),
    ];
    let options = Options { use_empty_masters: true, ..Options::default() };
    let plan = plan_rebalance(&masters, &options).unwrap();
    // Each gives half of its slots to one of the new ones, side by side.
    let ends: Vec<_> = counts(&plan).iter().map(|(from, to, _)| (*from, *to)).collect();
    assert_eq!(ends.len(), 3);
    // Of the four parts that are rounded up, three go to those who have the slots already.
    assert_eq!(plan.moves.iter().map(|step| step.slots.len()).sum::<usize>(), 16384 - 3 * 2731);
}

#[test]
fn weight_0_empties_a_master() {
    let masters = [master(1, "0-99", 0.0), master(2, "100-199", 1.0), master(3, "200-299", 2.0)];
    let plan = plan_rebalance(&masters, &Options::default()).unwrap();
    assert_eq!(counts(&plan), [(1, 3, 100)]);
    let all = [master(1, "0-99", 0.0), master(2, "", 0.0)];
    assert_eq!(plan_rebalance(&all, &Options::default()), Err(RebalanceError::NoWeight));
}

#[test]
fn bad_weights_and_doubles_are_refused() {
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let refused = plan_rebalance(&[master(1, "0", weight)], &Options::default()).unwrap_err();
        assert!(matches!(refused, RebalanceError::BadWeight(..)), "{refused}");
    }
    let twice = [master(1, "0", 1.0), master(1, "0", 1.0)];
    let refused = plan_rebalance(&twice, &Options::default());
    assert_eq!(refused, Err(RebalanceError::SameMaster(id(1))));
}

#[test]
fn by_load_the_heavy_slots_move() {
    let mut load = vec![1; 200];
    load[7] = 50;
    load[8] = 49;
    let masters = [master(1, "0-99", 1.0), master(2, "100-199", 1.0)];
    let options = Options { measure: Measure::Load(&load), ..Options::default() };
    let plan = plan_rebalance(&masters, &options).unwrap();
    assert_eq!(plan.moves.len(), 1);
    // 197 against 100: 48.5 have to go, and slot 8 holds 49, which is near enough.
    assert_eq!(plan.moves[0].slots, slots("8"));
    assert_eq!(plan.shares.iter().map(|share| share.has).collect::<Vec<_>>(), [197, 100]);
}

#[test]
fn one_heavy_slot_is_not_passed_around() {
    let load = [100, 0, 0, 0];
    let masters = [master(1, "0-1", 1.0), master(2, "2-3", 1.0)];
    let options = Options { measure: Measure::Load(&load), ..Options::default() };
    assert!(plan_rebalance(&masters, &options).unwrap().moves.is_empty());
}

fn masters() -> impl Strategy<Value = Vec<Weighed>> {
    let owners = prop::collection::vec(0u8..6, 300);
    let weights = prop::collection::vec(prop_oneof![Just(0.0), Just(1.0), 0.1f64..9.0], 6);
    (owners, weights).prop_map(|(owners, weights)| {
        let owned = |n| {
            let owned = (0u16..).zip(&owners).filter(move |(_, owner)| **owner == n);
            owned.map(|(slot, _)| Slot::new(slot).unwrap()).collect()
        };
        let master =
            |(n, weight): (u8, &f64)| Weighed { id: id(n), slots: owned(n), weight: *weight };
        (0..).zip(&weights).map(master).collect()
    })
}

/// What the masters own after the moves; fails if a slot moves that its giver does not own, or if a
/// pair comes twice.
fn apply(masters: &[Weighed], moves: &[Move]) -> Vec<SlotSet> {
    let place = |id| masters.iter().position(|master| master.id == id).unwrap();
    let mut owned: Vec<SlotSet> = masters.iter().map(|master| master.slots.clone()).collect();
    let mut pairs = Vec::new();
    for step in moves {
        assert!(!step.slots.is_empty() && !pairs.contains(&(step.from, step.to)));
        pairs.push((step.from, step.to));
        for slot in step.slots.iter() {
            assert!(owned[place(step.from)].remove(slot), "{slot}");
            assert!(owned[place(step.to)].insert(slot));
        }
    }
    owned
}

proptest! {
    #[test]
    fn by_slots_each_gets_its_part_and_no_slot_moves_in_vain(masters in masters()) {
        let options = Options { threshold: 0.0, use_empty_masters: true, ..Options::default() };
        let Ok(plan) = plan_rebalance(&masters, &options) else {
            prop_assert!(masters.iter().all(|master| master.weight == 0.0));
            return Ok(());
        };
        let owned = apply(&masters, &plan.moves);
        for (share, owned) in plan.shares.iter().zip(&owned) {
            prop_assert!((owned.len() as f64 - share.expected).abs() < 1.0 + 1e-6);
            prop_assert!(share.weight > 0.0 || owned.is_empty());
        }
        // Nobody both gives and takes, so each slot moves once.
        let gives = |id| plan.moves.iter().any(|step| step.from == id);
        prop_assert!(plan.moves.iter().all(|step| !gives(step.to)));
        // Any other way to round would move as many or more: no giver is below its part while a taker
        // is above its own.
        for (one, kept) in plan.shares.iter().zip(&owned) {
            for (other, got) in plan.shares.iter().zip(&owned) {
                let gave_too_much = (kept.len() as f64) < one.expected - 1e-6
                    && kept.len() < one.has as usize;
                let took_too_much = got.len() as f64 > other.expected + 1e-6
                    && got.len() > other.has as usize;
                prop_assert!(!(gave_too_much && took_too_much));
            }
        }
    }

    #[test]
    fn by_load_nobody_is_further_off_than_before(
        masters in masters(),
        load in prop::collection::vec(prop_oneof![Just(0u64), 0u64..100, 0u64..10_000], 300),
    ) {
        let measure = Measure::Load(&load);
        let options = Options { measure, threshold: 0.0, use_empty_masters: true };
        let Ok(plan) = plan_rebalance(&masters, &options) else { return Ok(()) };
        let owned = apply(&masters, &plan.moves);
        let heaviest = load.iter().max().copied().unwrap_or_default() as f64;
        let off = |share: &Share, has: f64| (has - share.expected).abs();
        for (share, owned) in plan.shares.iter().zip(&owned) {
            let (before, after) = (off(share, share.has as f64), off(share, measure.of(owned) as f64));
            prop_assert!(after <= before.max(heaviest * 2.0), "{share:?}: {after}");
            prop_assert!(share.weight > 0.0 || owned.is_empty() || !share.over_threshold);
        }
        let square = |(share, owned): (&Share, &SlotSet)| off(share, measure.of(owned) as f64).powi(2);
        let before: f64 = plan.shares.iter().map(|s| off(s, s.has as f64).powi(2)).sum();
        let after: f64 = plan.shares.iter().zip(&owned).map(square).sum();
        prop_assert!(after <= before * (1.0 + 1e-9) + heaviest * heaviest * 6.0);
    }
}
