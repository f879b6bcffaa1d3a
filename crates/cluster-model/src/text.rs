//! Looking for a byte in a short text.

/// Where a byte stands first.
///
/// What is looked for here is mostly a few bytes away, where eight bytes at a time are faster than
/// a call of `memchr`.
#[inline]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let (words, rest) = text.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let differences = u64::from_le_bytes(*word) ^ repeat(byte);
        // The lowest bit that is set stands in the lowest byte that is zero.
        let zeros = differences.wrapping_sub(repeat(1)) & !differences & repeat(0x80);
        if zeros != 0 {
            return Some(8 * index + zeros.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|other| *other == byte)?;
    Some(8 * words.len() + at)
}

/// A word of which all bytes are `byte`.
const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn finds_what_a_plain_search_finds(
            text in prop::collection::vec(prop_oneof![30u8..35, 0x80u8..0x82, any::<u8>()], 0..40),
            byte in 30u8..35,
        ) {
            prop_assert_eq!(find(&text, byte), text.iter().position(|other| *other == byte));
        }
    }
}
