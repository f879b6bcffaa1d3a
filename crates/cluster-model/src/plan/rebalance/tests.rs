//! What a rebalance promises, on small clusters and on random ones.

use proptest::prelude::*;

use super::by_load::{PartMaster, Sides};
use super::*;
use crate::Slot;
use crate::testing::{id, slots};

fn master(n: u8, owned: &str, weight: f64) -> Weighed {
    Weighed { id: id(n), slots: slots(owned), weight }
}

fn counts(plan: &RebalancePlan) -> Vec<(u8, u8, usize)> {
    let step = |step: &Move| (step.from.as_bytes()[0], step.to.as_bytes()[0], step.slots.len());
    plan.moves.iter().map(step).collect()
}

#[test]
fn nothing_moves_within_the_threshold() {
    let masters = [master(1, "0-99", 1.0), master(2, "100-199", 1.0), master(3, "200-301", 1.0)];
    let plan = plan_rebalance(&masters, &RebalanceCriteria::default()).unwrap();
    assert!(plan.moves.is_empty() && plan.shares.iter().all(|share| !share.over_threshold));
    let close = RebalanceCriteria { threshold: 0.1, ..RebalanceCriteria::default() };
    let plan = plan_rebalance(&masters, &close).unwrap();
    assert_eq!(counts(&plan), [(3, 1, 1)]);
    assert_eq!(plan_rebalance(&[], &close).unwrap().moves, []);
}

#[test]
fn a_difference_that_only_rounding_makes_is_none() {
    let masters =
        [master(1, "0-5460", 1.0), master(2, "5461-10922", 1.0), master(3, "10923-16383", 1.0)];
    let never_near = RebalanceCriteria { threshold: 0.0, ..RebalanceCriteria::default() };
    assert!(plan_rebalance(&masters, &never_near).unwrap().moves.is_empty());
}

#[test]
fn empty_masters_take_part_only_if_asked() {
    let masters = [master(1, "0-99", 1.0), master(2, "", 1.0)];
    assert!(plan_rebalance(&masters, &RebalanceCriteria::default()).unwrap().moves.is_empty());
    let options = RebalanceCriteria { use_empty_masters: true, ..RebalanceCriteria::default() };
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
    let options = RebalanceCriteria { use_empty_masters: true, ..RebalanceCriteria::default() };
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
    let plan = plan_rebalance(&masters, &RebalanceCriteria::default()).unwrap();
    assert_eq!(counts(&plan), [(1, 3, 100)]);
    let all = [master(1, "0-99", 0.0), master(2, "", 0.0)];
    assert_eq!(plan_rebalance(&all, &RebalanceCriteria::default()), Err(RebalanceError::NoWeight));
}

#[test]
fn bad_weights_and_doubles_are_refused() {
    for weight in [-1.0, f64::NAN, f64::INFINITY] {
        let refused =
            plan_rebalance(&[master(1, "0", weight)], &RebalanceCriteria::default()).unwrap_err();
        assert!(matches!(refused, RebalanceError::BadWeight(..)), "{refused}");
    }
    let twice = [master(1, "0", 1.0), master(1, "0", 1.0)];
    let refused = plan_rebalance(&twice, &RebalanceCriteria::default());
    assert_eq!(refused, Err(RebalanceError::SameMaster(id(1))));
}

#[test]
fn by_load_the_heavy_slots_move() {
    let mut load = vec![1; 200];
    load[7] = 50;
    load[8] = 49;
    let masters = [master(1, "0-99", 1.0), master(2, "100-199", 1.0)];
    let options =
        RebalanceCriteria { measure: RebalanceBy::Load(&load), ..RebalanceCriteria::default() };
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
    let options =
        RebalanceCriteria { measure: RebalanceBy::Load(&load), ..RebalanceCriteria::default() };
    assert!(plan_rebalance(&masters, &options).unwrap().moves.is_empty());
}

/// The new master of fifty-one gets its part but for half a slot, from all, though each of the others gives little.
#[test]
fn by_load_a_newcomer_is_filled_by_many() {
    let load: Vec<u64> = (0..10_000).map(|slot| 40 + slot * 7919 % 41).collect();
    let old = |n: u8| master(n, "", 1.0).with(u16::from(n - 1) * 200);
    let masters: Vec<Weighed> = (1..=50).map(old).chain([master(51, "", 1.0)]).collect();
    let measure = RebalanceBy::Load(&load);
    let options =
        RebalanceCriteria { measure, use_empty_masters: true, ..RebalanceCriteria::default() };
    let plan = plan_rebalance(&masters, &options).unwrap();
    let owned = apply(&masters, &plan.moves);
    for (share, owned) in plan.shares.iter().zip(&owned) {
        let off = (measure.of(owned) as f64 - share.expected).abs();
        assert!(off <= share.expected / 100.0 + 40.0, "{share:?}: {off}");
    }
    let moved: usize = plan.moves.iter().map(|step| step.slots.len()).sum();
    assert!(moved <= 170, "{moved}: 158 of the heaviest hold what it needs");
}

impl Weighed {
    /// With 200 slots from this one on instead.
    fn with(self, first: u16) -> Self {
        let slots = (first..first + 200).map(|slot| Slot::new(slot).unwrap()).collect();
        Self { slots, ..self }
    }
}

/// No plan in which masters above their part only give, and the others only get, moves fewer slots: each giver's heaviest
/// that fit until it is within the tolerance, or the heaviest of all givers until the others can be.
fn fewest(masters: &[Weighed], plan: &RebalancePlan, load: &[u64], tolerance: f64) -> usize {
    let masters: Vec<&Weighed> = masters.iter().collect();
    let Sides { givers, takers } = by_load::sides(&masters, &plan.shares, load, tolerance);
    let heaviest = |mut slots: Vec<u64>, mut wanted: f64| {
        slots.sort_unstable();
        let needed = slots.into_iter().rev().take_while(|load| {
            let more = wanted > 1e-6;
            wanted -= *load as f64;
            more
        });
        needed.count()
    };
    let fit = |giver: &PartMaster| {
        let most = giver.off + giver.tolerance;
        let loads = masters[giver.place].slots.iter().map(|slot| load[slot.index()]);
        loads.filter(|load| *load as f64 <= most).collect::<Vec<u64>>()
    };
    let given = givers.iter().map(|giver| heaviest(fit(giver), giver.off - giver.tolerance));
    let lacking = takers.iter().map(|taker| (taker.off - taker.tolerance).max(0.0)).sum();
    let taken = heaviest(givers.iter().flat_map(fit).collect(), lacking);
    given.sum::<usize>().max(taken)
}

/// Masters of which the last may be new, and loads of slots of one kind: alike, from nothing to twice the mean, or most of
/// them small.
fn loaded() -> impl Strategy<Value = (Vec<Weighed>, Vec<u64>)> {
    let load = prop_oneof![
        prop::collection::vec(90u64..110, 1200),
        prop::collection::vec(0u64..200, 1200),
        prop::collection::vec((1e-6f64..1.0).prop_map(|it| (-it.ln() * 50.0) as u64), 1200),
        prop::collection::vec(prop_oneof![3 => Just(0u64), 3 => 0u64..100, 1 => 0u64..1000], 1200),
    ];
    let weights = prop::collection::vec(prop_oneof![Just(1.0), 0.5f64..2.0], 2..9);
    let owners = prop::collection::vec(any::<prop::sample::Index>(), 1200);
    (load, weights, owners, 0..3).prop_map(|(load, weights, owners, shape)| {
        let count = weights.len();
        let owner = |slot: usize| match shape {
            0 => slot * count / 1200,
            1 => slot * (count - 1) / 1200,
            _ => owners[slot].index(count),
        };
        let owned = |place: usize| {
            let owned = (0..1200usize).filter(|slot| owner(*slot) == place);
            owned.map(|slot| Slot::new(slot as u16).unwrap()).collect()
        };
        let master = |(place, weight): (usize, &f64)| Weighed {
            id: id(place as u8),
            slots: owned(place),
            weight: *weight,
        };
        (weights.iter().enumerate().map(master).collect(), load)
    })
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
        let options = RebalanceCriteria { threshold: 0.0, use_empty_masters: true, ..RebalanceCriteria::default() };
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
        let measure = RebalanceBy::Load(&load);
        let options = RebalanceCriteria { measure, threshold: 0.0, use_empty_masters: true };
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

    #[test]
    fn by_load_little_more_moves_than_must(
        (masters, load) in loaded(),
        threshold in prop_oneof![Just(0.0), Just(2.0), Just(5.0)],
    ) {
        let measure = RebalanceBy::Load(&load);
        let options = RebalanceCriteria { measure, threshold, use_empty_masters: true };
        let plan = plan_rebalance(&masters, &options).unwrap();
        let heaviest = load.iter().max().copied().unwrap_or_default() as f64;
        let smallest = plan.shares.iter().map(|share| share.expected).fold(f64::MAX, f64::min);
        prop_assume!(heaviest * 10.0 <= smallest && !plan.moves.is_empty());
        let owned = apply(&masters, &plan.moves);
        for (share, owned) in plan.shares.iter().zip(&owned) {
            let off = (measure.of(owned) as f64 - share.expected).abs();
            // Slots cannot be cut, and what one master cannot give is missing at the last that gets.
            let near = share.expected * threshold / 200.0 + heaviest * 2.0;
            prop_assert!(off <= near + 1e-6, "{share:?}: {off}");
        }
        let moved: usize = plan.moves.iter().map(|step| step.slots.len()).sum();
        let fewest = fewest(&masters, &plan, &load, threshold / 2.0);
        // Each master shares a slot or so more with another than it would have to if slots could be cut.
        let most = fewest + fewest / 2 + masters.len();
        prop_assert!(moved <= most, "{moved} slots, {fewest} at least");
    }
}
