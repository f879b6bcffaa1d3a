//! Sets as Rust's operators and loops take them.

use std::ops::{BitAnd, BitOr, Not, RangeInclusive, Sub};
use std::slice;

use super::{SlotRange, SlotSet};
use crate::Slot;

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
