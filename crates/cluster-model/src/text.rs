//! Looking for bytes in texts of short fields.

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
pub(crate) const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The places of a text's blanks and newlines, found 64 bytes at a time.
pub(crate) struct FieldEnds<'a> {
    text: &'a [u8],
    /// Where the block after this one begins.
    next_block: usize,
    /// Those of this block that are still to come, a bit each, the first in the lowest bit.
    mask: u64,
}

impl<'a> FieldEnds<'a> {
    pub(crate) fn of(text: &'a [u8]) -> FieldEnds<'a> {
        FieldEnds { text, next_block: 0, mask: 0 }
    }

    #[inline(never)]
    fn next_block(&mut self) -> Option<u64> {
        let rest = self.text.get(self.next_block..).filter(|rest| !rest.is_empty())?;
        self.next_block += 64;
        if let Some(block) = rest.first_chunk() {
            return Some(mask(block));
        }
        let mut last = [u8::MAX; 64];
        last[..rest.len()].copy_from_slice(rest);
        Some(mask(&last))
    }
}

impl Iterator for FieldEnds<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.mask == 0 {
            self.mask = self.next_block()?;
        }
        let first = self.mask.trailing_zeros() as usize;
        self.mask &= self.mask - 1;
        Some(self.next_block - 64 + first)
    }
}

/// A bit for each byte that is a blank or a newline, that of the first byte lowest.
#[inline]
fn mask(block: &[u8; 64]) -> u64 {
    let mut ends = [0; 64];
    for ((end, byte), bit) in ends.iter_mut().zip(block).zip(&BITS) {
        *end = if *byte == b' ' || *byte == b'\n' { *bit } else { 0 };
    }
    let columns = ends.as_chunks().0.iter().fold(0, |all, row| all | u64::from_le_bytes(*row));
    transpose(columns)
}

/// The bit of each byte within those of its column, eight bytes being a row.
const BITS: [u8; 64] = {
    let mut bits = [0; 64];
    let mut at = 0;
    while at < 64 {
        bits[at] = 1 << (at / 8);
        at += 1;
    }
    bits
};

/// Eight bytes of eight bits: the bits of each byte become one of each.
#[inline]
fn transpose(bits: u64) -> u64 {
    let swap = |bits: u64, by: u32, mask: u64| {
        let differences = (bits >> by ^ bits) & mask;
        bits ^ differences ^ differences << by
    };
    let bits = swap(bits, 7, 0x00aa_00aa_00aa_00aa);
    let bits = swap(bits, 14, 0x0000_cccc_0000_cccc);
    swap(bits, 28, 0x0000_0000_f0f0_f0f0)
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

        #[test]
        fn fields_end_at_blanks_and_newlines(
            text in prop::collection::vec(prop_oneof![9u8..12, 31u8..34, any::<u8>()], 0..200),
        ) {
            let plain = text.iter().enumerate().filter(|(_, byte)| b" \n".contains(byte)).map(|(at, _)| at);
            prop_assert!(FieldEnds::of(&text).eq(plain));
        }
    }
}
