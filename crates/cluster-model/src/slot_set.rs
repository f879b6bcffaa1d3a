//! Many slots, as few ranges.

use std::fmt;
use std::ops::{BitAnd, BitOr, Not, RangeInclusive, Sub};
use std::slice;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use smallvec::{SmallVec, smallvec};

use crate::Slot;
use crate::slot::first_slot;

/// Slots from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotRange {
    first: Slot,
    last: Slot,
}

/// A set of slots, kept as sorted ranges that neither overlap nor touch: four bytes a range.
///
/// ```
/// use redistrib_cluster_model::{Slot, SlotSet};
///
/// let mut slots: SlotSet = "0-2, 4 5".parse()?;
/// slots.insert(Slot::new(3)?);
/// assert_eq!(slots.to_string(), "0-5");
/// assert_eq!(slots.len(), 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotSet {
    ranges: Ranges,
}

/// Most nodes own few ranges: up to four need no allocation, and no more room than a `Vec`.
type Ranges = SmallVec<[SlotRange; 4]>;

/// A text that is not a list of slots and ranges of slots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("slots are numbers from 0 to 16383 or ranges like 0-5460, and {0:?} is neither")]
pub struct SlotSetError(String);

impl SlotRange {
    /// The range from `first` to `last`; none if `last` comes before `first`.
    pub fn new(first: Slot, last: Slot) -> Option<SlotRange> {
        (first <= last).then_some(SlotRange { first, last })
    }

    /// The first slot of the range.
    pub fn first(self) -> Slot {
        self.first
    }

    /// The last slot of the range.
    pub fn last(self) -> Slot {
        self.last
    }

    /// How many slots it covers: 1 to 16384.
    #[expect(clippy::len_without_is_empty, reason = "a range is never empty")]
    pub fn len(self) -> usize {
        self.last.index() - self.first.index() + 1
    }

    /// Its slots in ascending order.
    pub fn iter(self) -> impl DoubleEndedIterator<Item = Slot> {
        (self.first.get()..=self.last.get()).map(Slot::from_range)
    }

    /// `5` or `0-5460`, as servers print them.
    #[inline]
    pub(crate) fn parse(text: &[u8]) -> Option<SlotRange> {
        let (first, rest) = first_slot(text)?;
        if rest.is_empty() {
            return Some(first.into());
        }
        let (last, rest) = first_slot(rest.strip_prefix(b"-")?)?;
        if rest.is_empty() { SlotRange::new(first, last) } else { None }
    }
}

impl From<Slot> for SlotRange {
    fn from(slot: Slot) -> SlotRange {
        SlotRange { first: slot, last: slot }
    }
}

impl fmt::Display for SlotRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last {
            write!(f, "{}", self.first)
        } else {
            write!(f, "{}-{}", self.first, self.last)
        }
    }
}

impl SlotSet {
    /// No slot.
    pub const fn new() -> SlotSet {
        SlotSet { ranges: Ranges::new_const() }
    }

    /// All 16384 slots.
    pub fn full() -> SlotSet {
        SlotRange { first: Slot::MIN, last: Slot::MAX }.into()
    }

    /// How many slots are in the set.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(|range| range.len()).sum()
    }

    /// Whether no slot is in the set.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether this slot is in the set.
    pub fn contains(&self, slot: Slot) -> bool {
        let at = self.ranges.partition_point(|range| range.last < slot);
        self.ranges.get(at).is_some_and(|range| range.first <= slot)
    }

    /// Its ranges in ascending order; between any two there is a gap.
    pub fn ranges(&self) -> impl DoubleEndedIterator<Item = SlotRange> + ExactSizeIterator + '_ {
        self.ranges.iter().copied()
    }

    /// Its slots in ascending order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Slot> + '_ {
        self.ranges().flat_map(SlotRange::iter)
    }

    /// The lowest slot.
    pub fn first(&self) -> Option<Slot> {
        self.ranges.first().map(|range| range.first)
    }

    /// Adds a slot; false if it was there.
    pub fn insert(&mut self, slot: Slot) -> bool {
        let new = !self.contains(slot);
        if new {
            self.insert_range(slot.into());
        }
        new
    }

    /// Adds all slots of a range.
    pub fn insert_range(&mut self, range: SlotRange) {
        // Ranges that overlap the new one or touch it become one with it.
        let start = self.ranges.partition_point(|old| old.last.get() + 1 < range.first.get());
        let end = self.ranges.partition_point(|old| old.first.get() <= range.last.get() + 1);
        if start == end {
            self.ranges.insert(start, range);
            return;
        }
        let merged = SlotRange {
            first: range.first.min(self.ranges[start].first),
            last: range.last.max(self.ranges[end - 1].last),
        };
        self.ranges[start] = merged;
        self.ranges.drain(start + 1..end);
    }

    /// Takes a slot out; false if it was not there.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let at = self.ranges.partition_point(|range| range.last < slot);
        let Some(&SlotRange { first, last }) = self.ranges.get(at) else { return false };
        if slot < first {
            return false;
        }
        match (first < slot, slot < last) {
            (false, false) => drop(self.ranges.remove(at)),
            (false, true) => self.ranges[at].first = Slot::from_range(slot.get() + 1),
            (true, false) => self.ranges[at].last = Slot::from_range(slot.get() - 1),
            (true, true) => {
                self.ranges[at].last = Slot::from_range(slot.get() - 1);
                let rest = SlotRange { first: Slot::from_range(slot.get() + 1), last };
                self.ranges.insert(at + 1, rest);
            }
        }
        true
    }

    /// The slots that are in both sets.
    pub fn intersection(&self, other: &SlotSet) -> SlotSet {
        let (mut left, mut right) = (self.ranges(), other.ranges());
        let mut ranges = Ranges::new();
        let (mut a, mut b) = (left.next(), right.next());
        while let (Some(x), Some(y)) = (a, b) {
            ranges.extend(SlotRange::new(x.first.max(y.first), x.last.min(y.last)));
            if x.last < y.last {
                a = left.next();
            } else {
                b = right.next();
            }
        }
        SlotSet { ranges }
    }

    /// The slots that are in either set.
    pub fn union(&self, other: &SlotSet) -> SlotSet {
        let mut ranges: Ranges = self.ranges().chain(other.ranges()).collect();
        ranges.sort_unstable();
        let mut set = SlotSet { ranges: Ranges::with_capacity(ranges.len()) };
        set.extend(ranges);
        set
    }

    /// The slots that are in this set and not in the other.
    pub fn difference(&self, other: &SlotSet) -> SlotSet {
        self.intersection(&other.complement())
    }

    /// The slots that are not in this set.
    pub fn complement(&self) -> SlotSet {
        let mut ranges = Ranges::with_capacity(self.ranges.len() + 1);
        let mut next = 0;
        for range in self.ranges() {
            if next < range.first.get() {
                let last = Slot::from_range(range.first.get() - 1);
                ranges.push(SlotRange { first: Slot::from_range(next), last });
            }
            next = range.last.get() + 1;
        }
        if let Ok(first) = Slot::new(next) {
            ranges.push(SlotRange { first, last: Slot::MAX });
        }
        SlotSet { ranges }
    }

    /// Takes out the lowest `count` slots, or all if there are fewer, and returns them.
    pub fn take_first(&mut self, count: usize) -> SlotSet {
        let mut left = count;
        let whole = |range: &&SlotRange| match left.checked_sub(range.len()) {
            Some(rest) => {
                left = rest;
                true
            }
            None => false,
        };
        let at = self.ranges.iter().take_while(whole).count();
        let mut taken: Ranges = self.ranges.drain(..at).collect();
        if let Some(range) = self.ranges.first_mut().filter(|_| left > 0) {
            // It is longer than what is left, so neither part is empty.
            let first = Slot::from_range(range.first.get() + left as u16);
            taken.push(SlotRange { first: range.first, last: Slot::from_range(first.get() - 1) });
            range.first = first;
        }
        SlotSet { ranges: taken }
    }
}

/// The slots of a set in ascending order.
#[derive(Clone, Debug)]
pub struct Slots<'a> {
    ranges: slice::Iter<'a, SlotRange>,
    /// What is left of the range under way.
    range: RangeInclusive<u16>,
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        loop {
            if let Some(slot) = self.range.next() {
                return Some(Slot::from_range(slot));
            }
            let next = self.ranges.next()?;
            self.range = next.first.get()..=next.last.get();
        }
    }
}

/// The slots in ascending order.
///
/// ```
/// use redistrib_cluster_model::SlotSet;
/// let set: SlotSet = "1-2 9".parse()?;
/// let mut seen = Vec::new();
/// for slot in &set {
///     seen.push(slot.get());
/// }
/// assert_eq!(seen, [1, 2, 9]);
/// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
/// ```
impl<'a> IntoIterator for &'a SlotSet {
    type Item = Slot;
    type IntoIter = Slots<'a>;

    fn into_iter(self) -> Slots<'a> {
        #[expect(clippy::reversed_empty_ranges, reason = "no range is under way yet")]
        Slots { ranges: self.ranges.iter(), range: 1..=0 }
    }
}

macro_rules! operator {
    ($($(#[$meta:meta])* $trait:ident::$operator:ident is $function:ident;)*) => {$(
        $(#[$meta])*
        impl $trait for &SlotSet {
            type Output = SlotSet;

            fn $operator(self, other: &SlotSet) -> SlotSet {
                self.$function(other)
            }
        }
    )*};
}

operator! {
    /// [`SlotSet::union`].
    ///
    /// ```
    /// # use redistrib_cluster_model::SlotSet;
    /// let (a, b): (SlotSet, SlotSet) = ("0-5".parse()?, "4-9".parse()?);
    /// assert_eq!((&a | &b).to_string(), "0-9");
    /// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
    /// ```
    BitOr::bitor is union;
    /// [`SlotSet::intersection`].
    ///
    /// ```
    /// # use redistrib_cluster_model::SlotSet;
    /// let (a, b): (SlotSet, SlotSet) = ("0-5".parse()?, "4-9".parse()?);
    /// assert_eq!((&a & &b).to_string(), "4-5");
    /// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
    /// ```
    BitAnd::bitand is intersection;
    /// [`SlotSet::difference`].
    ///
    /// ```
    /// # use redistrib_cluster_model::SlotSet;
    /// let (a, b): (SlotSet, SlotSet) = ("0-5".parse()?, "4-9".parse()?);
    /// assert_eq!((&a - &b).to_string(), "0-3");
    /// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
    /// ```
    Sub::sub is difference;
}

/// [`SlotSet::complement`].
///
/// ```
/// # use redistrib_cluster_model::SlotSet;
/// let set: SlotSet = "0-16000".parse()?;
/// assert_eq!((!&set).to_string(), "16001-16383");
/// # Ok::<(), redistrib_cluster_model::SlotSetError>(())
/// ```
impl Not for &SlotSet {
    type Output = SlotSet;

    fn not(self) -> SlotSet {
        self.complement()
    }
}

impl From<SlotRange> for SlotSet {
    fn from(range: SlotRange) -> SlotSet {
        SlotSet { ranges: smallvec![range] }
    }
}

impl From<Slot> for SlotSet {
    fn from(slot: Slot) -> SlotSet {
        SlotRange::from(slot).into()
    }
}

impl Extend<SlotRange> for SlotSet {
    fn extend<I: IntoIterator<Item = SlotRange>>(&mut self, ranges: I) {
        ranges.into_iter().for_each(|range| self.insert_range(range));
    }
}

impl Extend<Slot> for SlotSet {
    fn extend<I: IntoIterator<Item = Slot>>(&mut self, slots: I) {
        self.extend(slots.into_iter().map(SlotRange::from));
    }
}

impl<T> FromIterator<T> for SlotSet
where
    SlotSet: Extend<T>,
{
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> SlotSet {
        let mut set = SlotSet::new();
        set.extend(items);
        set
    }
}

/// Ranges with a blank between: `0-5460 5462`; nothing for the empty set.
impl fmt::Display for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut blank = "";
        for range in &self.ranges {
            write!(f, "{blank}{range}")?;
            blank = " ";
        }
        Ok(())
    }
}

impl FromStr for SlotSet {
    type Err = SlotSetError;

    /// Slots and ranges in any order, with blanks or commas between; they may overlap.
    fn from_str(text: &str) -> Result<SlotSet, SlotSetError> {
        text.split([' ', '\t', ',', '\n'])
            .filter(|word| !word.is_empty())
            .map(|word| {
                SlotRange::parse(word.as_bytes())
                    .ok_or_else(|| SlotSetError(word.chars().take(40).collect()))
            })
            .collect()
    }
}

impl Serialize for SlotSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.ranges.iter().map(SlotRange::to_string))
    }
}

impl<'de> Deserialize<'de> for SlotSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SlotSet, D::Error> {
        let ranges = Vec::<String>::deserialize(deserializer)?;
        ranges.join(" ").parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
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
}
