//! The name a node keeps for life.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A node's id: 160 random bits that servers write as 40 hexadecimal digits.
///
/// ```
/// use redistrib_cluster_model::NodeId;
///
/// let id: NodeId = "db4a46c913c35fe91dc2fd06c7b4b535f7bccb80".parse()?;
/// assert_eq!(id.short(), "db4a46c9");
/// # Ok::<(), redistrib_cluster_model::NodeIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId([u8; 20]);

/// A text that is not 40 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 40 hexadecimal digits")]
pub struct NodeIdError;

impl NodeId {
    /// The id made of these 20 bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> NodeId {
        NodeId(bytes)
    }

    /// Its 20 bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }

    /// Its first eight digits, for people to read.
    pub fn short(&self) -> String {
        let mut digits = self.to_string();
        digits.truncate(8);
        digits
    }

    /// The id written in these 40 digits of either case.
    #[inline(always)]
    pub(crate) fn from_hex(digits: &[u8]) -> Result<NodeId, NodeIdError> {
        // Whether all are digits is asked at the end: without a way out, and with a length of whole
        // vectors, the loops become a few vector instructions.
        let mut values = [b'0'; 48];
        values[..40].copy_from_slice(<&[u8; 40]>::try_from(digits).map_err(|_| NodeIdError)?);
        for digit in &mut values {
            *digit = value(*digit);
        }
        let mut bytes = [0; 24];
        for (byte, [high, low]) in bytes.iter_mut().zip(values.as_chunks().0) {
            *byte = high << 4 | low;
        }
        let all = values.iter().fold(0, |all, value| all | value);
        let (Some(id), true) = (bytes.first_chunk(), all < 16) else { return Err(NodeIdError) };
        Ok(NodeId(*id))
    }
}

/// The value of a hexadecimal digit, 255 for all other bytes.
#[inline(always)]
fn value(digit: u8) -> u8 {
    let (number, letter) = (digit.wrapping_sub(b'0'), (digit | 0x20).wrapping_sub(b'a'));
    let letter = if letter < 6 { letter + 10 } else { 255 };
    if number < 10 { number } else { letter }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut digits = [0; 40];
        for (pair, byte) in digits.as_chunks_mut::<2>().0.iter_mut().zip(self.0) {
            *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
        }
        f.pad(str::from_utf8(&digits).unwrap_or_default())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({self})")
    }
}

impl FromStr for NodeId {
    type Err = NodeIdError;

    fn from_str(text: &str) -> Result<NodeId, NodeIdError> {
        NodeId::from_hex(text.as_bytes())
    }
}

impl TryFrom<String> for NodeId {
    type Error = NodeIdError;

    fn try_from(text: String) -> Result<NodeId, NodeIdError> {
        text.parse()
    }
}

impl From<NodeId> for String {
    fn from(id: NodeId) -> String {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_forty_digits() {
        let id = "db4a46c913c35fe91dc2fd06c7b4b535f7bccb80";
        for text in ["", &id[1..], &format!("{id}0"), &format!("{id}00"), &id.replace('4', "g")] {
            assert_eq!(text.parse::<NodeId>(), Err(NodeIdError), "{text:?}");
        }
        assert_eq!(id.to_uppercase().parse::<NodeId>().unwrap().to_string(), id);
    }

    proptest! {
        #[test]
        fn parse_of_print_is_identity(bytes: [u8; 20]) {
            let id = NodeId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
        }
    }
}
