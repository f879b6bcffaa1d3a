//! Many slots, as few ranges.

mod operators;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

pub use operators::Slots;
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
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
