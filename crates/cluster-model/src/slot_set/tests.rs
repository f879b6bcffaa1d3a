use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Slots low enough to collide often, and the two ends.
fn slots() -> impl Strategy<Value = Vec<Slot>> {
    let slot = prop_oneof![0u16..40, 16380u16..16384].prop_map(|n| Slot::new(n).unwrap());
    prop::collection::vec(slot, 0..60)
}

fn sorted_and_apart(set: &SlotSet) -> bool {
    set.ranges.iter().all(|range| range.first <= range.last)
        && set.ranges.windows(2).all(|w| w[0].last.get() + 1 < w[1].first.get())
}

proptest! {
    #[test]
    fn behaves_as_a_set(ins in slots(), outs in slots()) {
        let mut set = SlotSet::new();
        let mut model = BTreeSet::new();
        for slot in ins {
            prop_assert_eq!(set.insert(slot), model.insert(slot));
            prop_assert!(sorted_and_apart(&set));
        }
        for slot in outs {
            prop_assert_eq!(set.remove(slot), model.remove(&slot));
            prop_assert!(sorted_and_apart(&set));
        }
        prop_assert_eq!(set.len(), model.len());
        prop_assert!(set.iter().eq(model.iter().copied()));
        prop_assert!(Slot::all().all(|slot| set.contains(slot) == model.contains(&slot)));
    }

    #[test]
    fn algebra_agrees_with_sets(a in slots(), b in slots()) {
        let (left, right): (SlotSet, SlotSet) =
            (a.iter().copied().collect(), b.iter().copied().collect());
        let (a, b): (BTreeSet<Slot>, BTreeSet<Slot>) =
            (a.into_iter().collect(), b.into_iter().collect());
        for (ours, theirs) in [
            (left.union(&right), a.union(&b).copied().collect::<Vec<_>>()),
            (left.intersection(&right), a.intersection(&b).copied().collect()),
            (left.difference(&right), a.difference(&b).copied().collect()),
        ] {
            prop_assert!(sorted_and_apart(&ours));
            prop_assert!(ours.iter().eq(theirs));
        }
        prop_assert_eq!(left.complement().complement(), left);
    }

    #[test]
    fn the_first_are_taken(slots in slots(), count in 0usize..70) {
        let whole: SlotSet = slots.into_iter().collect();
        let mut rest = whole.clone();
        let taken = rest.take_first(count);
        prop_assert!(sorted_and_apart(&taken) && sorted_and_apart(&rest));
        prop_assert!(taken.iter().eq(whole.iter().take(count)));
        prop_assert!(rest.iter().eq(whole.iter().skip(count)));
    }

    #[test]
    fn parse_of_print_is_identity(slots in slots()) {
        let set: SlotSet = slots.into_iter().collect();
        prop_assert_eq!(set.to_string().parse::<SlotSet>().unwrap(), set.clone());
        let json = serde_json::to_string(&set).unwrap();
        prop_assert_eq!(serde_json::from_str::<SlotSet>(&json).unwrap(), set);
    }
}

#[test]
fn knows_its_ends() {
    assert_eq!(SlotSet::full().len(), 16384);
    assert!(SlotSet::full().complement().is_empty());
    assert_eq!(SlotSet::new().complement(), SlotSet::full());
    let mut slots: SlotSet = "0-1 5-9".parse().unwrap();
    assert_eq!(slots.take_first(4).to_string(), "0-1 5-6");
    assert_eq!(slots.take_first(9).to_string(), "7-9");
}

#[test]
fn refuses_what_is_no_range() {
    for text in ["5-4", "1-", "-1", "1-16384", "a", "1--2"] {
        assert_eq!(text.parse::<SlotSet>(), Err(SlotSetError(text.into())));
    }
}
