//! One hash slot.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::key_slot::{crc16, hash_tag};

/// A hash slot: a number from 0 to 16383.
///
/// Source: the cluster specification, "Key distribution model".
///
/// ```
/// use redistrib_cluster_model::Slot;
///
/// assert_eq!(Slot::of_key(b"foo").get(), 12182);
/// assert!(Slot::new(16384).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Slot(u16);

/// A number that is no slot: not decimal, or above 16383.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a slot is a number from 0 to 16383")]
pub struct SlotError;

impl Slot {
    /// How many slots a cluster has.
    pub const COUNT: u16 = 16384;
    /// The first slot.
    pub const MIN: Slot = Slot(0);
    /// The last slot.
    pub const MAX: Slot = Slot(Self::COUNT - 1);

    /// The slot of this number; an error above 16383.
    pub const fn new(number: u16) -> Result<Slot, SlotError> {
        if number < Self::COUNT { Ok(Slot(number)) } else { Err(SlotError) }
    }

    /// The slot that holds a key: CRC16 of its hash tag, modulo 16384.
    pub fn of_key(key: &[u8]) -> Slot {
        Slot(crc16(hash_tag(key)) % Self::COUNT)
    }

    /// Its number, at most 16383.
    pub const fn get(self) -> u16 {
        self.0
    }

    /// Its number as an index into a table of [`Slot::COUNT`] entries.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// All slots in ascending order.
    pub fn all() -> impl DoubleEndedIterator<Item = Slot> + ExactSizeIterator {
        (0..Self::COUNT).map(Slot)
    }

    /// For numbers that are known to be in range because they came out of slots.
    pub(crate) const fn from_range(number: u16) -> Slot {
        debug_assert!(number < Self::COUNT);
        Slot(number)
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Slot {
    type Err = SlotError;

    /// Digits only: no sign, no blanks.
    fn from_str(text: &str) -> Result<Slot, SlotError> {
        parse_slot(text.as_bytes()).ok_or(SlotError)
    }
}

impl TryFrom<u16> for Slot {
    type Error = SlotError;

    fn try_from(number: u16) -> Result<Slot, SlotError> {
        Slot::new(number)
    }
}

impl From<Slot> for u16 {
    fn from(slot: Slot) -> u16 {
        slot.0
    }
}

/// A slot number in decimal digits, as servers print it.
pub(crate) fn parse_slot(digits: &[u8]) -> Option<Slot> {
    first_slot(digits).filter(|(_, rest)| rest.is_empty()).map(|(slot, _)| slot)
}

/// The slot number that a text begins with, and what stands behind it.
#[inline(always)]
pub(crate) fn first_slot(text: &[u8]) -> Option<(Slot, &[u8])> {
    let (mut rest, mut number) = (text, 0u32);
    while let Some((digit @ b'0'..=b'9', behind)) = rest.split_first() {
        number = number.wrapping_mul(10).wrapping_add(u32::from(digit - b'0'));
        rest = behind;
    }
    let is_slot = (1..=5).contains(&(text.len() - rest.len()));
    let slot = Slot::new(u16::try_from(number).ok()?).ok()?;
    is_slot.then_some((slot, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_numbers_of_slots() {
        assert_eq!("16383".parse(), Ok(Slot::MAX));
        assert_eq!("0".parse(), Ok(Slot::MIN));
        for text in ["", "16384", "-1", "+1", " 1", "1 ", "99999", "100000", "0x1", "٣"] {
            assert_eq!(text.parse::<Slot>(), Err(SlotError), "{text:?}");
        }
    }

    #[test]
    fn serde_keeps_the_bound() {
        assert_eq!(serde_json::to_string(&Slot::MAX).unwrap(), "16383");
        assert!(serde_json::from_str::<Slot>("16384").is_err());
    }
}
