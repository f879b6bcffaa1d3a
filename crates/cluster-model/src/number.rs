//! Decimal numbers, eight digits at a time.

use crate::text::repeat;

/// The number that these digits write; none if they are anything else, or too many for 64 bits.
#[inline]
pub(crate) fn parse_number(digits: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    if !(1..20).contains(&digits.len()) {
        return long(digits);
    }
    let (eights, rest) = digits.as_chunks();
    let mut number = 0;
    for eight in eights {
        number = number * 100_000_000 + eight_digits(*eight)?;
    }
    let mut highest = 0;
    for digit in rest {
        let digit = digit.wrapping_sub(b'0');
        highest = highest.max(digit);
        number = u64::wrapping_add(u64::wrapping_mul(number, 10), digit.into());
    }
    (highest < 10).then_some(number)
}

#[cold]
fn long(digits: &[u8]) -> Option<u64> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
}

#[inline]
fn eight_digits(digits: [u8; 8]) -> Option<u64> {
    let values = u64::from_le_bytes(digits).wrapping_sub(repeat(b'0'));
    // A byte below `0` has borrowed its highest bit, and one above `9` is carried into it.
    let strays = (values | values.wrapping_add(repeat(0x7f - 9))) & repeat(0x80);
    // Neighbours become pairs, these become fours, and these the number.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    let number = fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff;
    (strays == 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn reads_what_the_standard_library_reads(
            text in prop_oneof!["[0-9]{0,21}", "[/0-9:\\x80-\\xff]{1,9}", any::<u64>().prop_map(|it| it.to_string())],
        ) {
            prop_assert_eq!(parse_number(text.as_bytes()), text.parse().ok());
        }

        #[test]
        fn one_byte_that_is_no_digit_is_enough(len in 1usize..20, at in 0usize..20, byte: u8) {
            let mut digits = vec![b'1'; len];
            digits[at % len] = byte;
            prop_assert_eq!(parse_number(&digits).is_some(), byte.is_ascii_digit());
        }
    }
}
