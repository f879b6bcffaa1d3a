//! Sets as text and JSON.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{SlotRange, SlotSet, SlotSetError};

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

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SlotSet({self})")
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
