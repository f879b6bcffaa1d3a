//! The place of a key: the one thing in which copy, reshard-fleet and import differ.

use redistrib_cluster_model::Slot;
use redistrib_cluster_model::placement::{Resettled, node_number, resettle};

use super::Tags;
use super::ends::Ends;

/// How a key's place among the targets is found.
#[derive(Clone, Debug)]
pub(super) enum PlacementRule {
    /// There is one target.
    One,
    /// By checksum, among this many masters.
    Fleet(usize),
    /// By slot; each has its owner, if anybody has.
    Slots(Vec<Option<usize>>),
}

/// The places of all keys.
#[derive(Clone, Debug)]
pub(super) struct Places<'a> {
    rule: PlacementRule,
    /// How many masters the fleet has that is the source, if one is.
    before: Option<usize>,
    same: &'a [Option<usize>],
    tags: &'a Tags,
}

/// What is to be done with a key that a source has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Whether it goes to another server.
    pub(super) take: bool,
    /// Whether its name does not lead to where it is.
    pub(super) stray: bool,
}

impl<'a> Places<'a> {
    pub(super) fn new(ends: &'a Ends, fleet: bool, before: Option<usize>, tags: &'a Tags) -> Self {
        let rule = match &ends.owners {
            Some(owners) => PlacementRule::Slots(owners.clone()),
            None if fleet => PlacementRule::Fleet(ends.targets.len()),
            None => PlacementRule::One,
        };
        Self { rule, before, same: &ends.same, tags }
    }

    /// Whether the target is a fleet.
    pub(super) fn is_fleet(&self) -> bool {
        matches!(self.rule, PlacementRule::Fleet(_))
    }

    /// The target for a key of a source; `None` where its slot has no known owner.
    pub(super) fn of(&self, source: usize, key: &[u8]) -> Option<usize> {
        match &self.rule {
            PlacementRule::One => Some(0),
            PlacementRule::Fleet(masters) => Some(self.in_fleet(source, key, *masters).0),
            PlacementRule::Slots(owners) => *owners.get(usize::from(Slot::of_key(key).get()))?,
        }
    }

    /// Whether a key of a source is to be copied.
    pub(super) fn verdict(&self, source: usize, key: &[u8]) -> Placement {
        let PlacementRule::Fleet(masters) = self.rule else {
            return Placement { take: true, stray: false };
        };
        let (place, stray) = self.in_fleet(source, key, masters);
        let here = self.same.get(source).copied().flatten();
        // A stray stays where it is as long as its server does.
        let take = if stray { here.is_none() } else { here != Some(place) };
        Placement { take, stray }
    }

    /// The place in a fleet, from 0, and whether the key is a stray there.
    ///
    /// A key that is where it belongs by the new number of masters has been moved there before, and is left
    /// alone. Where one tag says so and another says that it has yet to move, it cannot be known.
    fn in_fleet(&self, source: usize, key: &[u8], masters: usize) -> (usize, bool) {
        let found = self.before.map(|before| (source + 1, before));
        let here = self.same.get(source).copied().flatten();
        let by_name = |hashed| node_number(hashed, masters).map_or(0, |number| number - 1);
        let settled =
            here.and_then(|at| Some((at, self.tags.explain(key, Some((at + 1, masters)))?)));
        match (settled, self.tags.explain(key, found)) {
            (Some((at, tag)), Some(other)) if tag != other => return (at, true),
            (Some((at, _)), _) => return (at, false),
            (None, Some(tag)) => return (by_name(tag), false),
            (None, None) => {}
        }
        let place = by_name(key);
        match resettle(key, found, masters) {
            _ if here == Some(place) => (place, false),
            Some(Resettled::At(number)) => (number - 1, false),
            Some(Resettled::Stray) | None => (place, true),
        }
    }

    /// Takes note of a slot's new owner.
    pub(super) fn learn(&mut self, slot: Slot, target: usize) {
        let PlacementRule::Slots(owners) = &mut self.rule else { return };
        if let Some(owner) = owners.get_mut(usize::from(slot.get())) {
            *owner = Some(target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places<'a>(same: &'a [Option<usize>], masters: usize, tags: &'a Tags) -> Places<'a> {
        Places { rule: PlacementRule::Fleet(masters), before: Some(same.len()), same, tags }
    }

    // Among 2 and 3 masters, foo is at 2 and 3, bar at 1 and 3, key at 2 and 2.

    #[test]
    fn only_keys_whose_place_changes_are_taken() {
        let tags = Tags::default();
        let places = places(&[Some(0), Some(1)], 3, &tags);
        assert_eq!(places.verdict(1, b"key"), Placement { take: false, stray: false });
        assert_eq!(places.verdict(0, b"bar"), Placement { take: true, stray: false });
        assert_eq!(places.of(0, b"bar"), Some(2));
    }

    #[test]
    fn a_stray_stays_while_its_server_does() {
        let tags = Tags::default();
        let stays = places(&[Some(0), Some(1)], 3, &tags);
        assert_eq!(stays.verdict(0, b"foo"), Placement { take: false, stray: true });
        let leaves = places(&[None, Some(1)], 3, &tags);
        assert_eq!(leaves.verdict(0, b"foo"), Placement { take: true, stray: true });
        assert_eq!(leaves.of(0, b"foo"), Some(2));
    }

    #[test]
    fn a_fleet_of_the_same_size_keeps_every_number() {
        let tags = Tags::default();
        let moved = places(&[None, None], 2, &tags);
        assert_eq!(moved.verdict(0, b"foo"), Placement { take: true, stray: false });
        assert_eq!(moved.of(0, b"foo"), Some(0));
    }

    #[test]
    fn a_tag_leads_a_key_to_its_place() {
        let tags = Tags::parse(b"foo{bar}");
        let places = places(&[Some(0), Some(1)], 3, &tags);
        assert_eq!(places.verdict(0, b"foo"), Placement { take: true, stray: false });
        assert_eq!(places.of(0, b"foo"), Some(2));
        let tags = Tags::parse(b"foo{key}");
        let places = super::tests::places(&[Some(0), Some(1)], 3, &tags);
        assert_eq!(places.verdict(1, b"foo"), Placement { take: false, stray: false });
    }
}
