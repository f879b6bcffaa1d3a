//! The replies that make up most of the traffic, each taken in one step: short lines, and integers
//! and bulk strings whose number has at most eight digits.
//!
//! `None` is no verdict: what is unusual, incomplete or wrong is left to the scanner. So is what
//! stands within the last few bytes, since all is read in windows of a fixed size.

use crate::index::{Entry, Kind};
use crate::limits::Limits;

/// A type byte and what is looked at behind it.
const WINDOW: usize = 17;

/// The header of the bulk string that was taken last.
///
/// Neighbours are often of one length: keys, ids, addresses. Whether a header has the same bytes
/// as the one before is quickly seen, and a processor that foresees it need not wait for the
/// digits to know where the next element begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LastBulk {
    /// The header's bytes: `$`, digits and CRLF.
    bytes: u128,
    /// Covers as many bytes as the header has.
    mask: u128,
    header: usize,
    len: usize,
}

impl LastBulk {
    /// No header has these bytes.
    pub(crate) const NONE: LastBulk = LastBulk { bytes: 0, mask: u128::MAX, header: 0, len: 0 };

    #[inline(always)]
    fn is_like(&self, window: &[u8; 16]) -> bool {
        u128::from_le_bytes(*window) & self.mask == self.bytes
    }

    #[inline(never)]
    fn read(window: &[u8; WINDOW], limits: &Limits) -> Option<LastBulk> {
        let (len, header) = number(window)?;
        let mask = u128::MAX >> (128 - 8 * header);
        let bytes = u128::from_le_bytes(*window.first_chunk()?) & mask;
        let last = LastBulk { bytes, mask, header, len: len as usize };
        (last.len <= limits.max_bulk).then_some(last)
    }
}

/// The scalar at `start`, and the place after it.
#[inline(always)]
pub(crate) fn scalar(
    bytes: &[u8],
    start: usize,
    limits: &Limits,
    last: &mut LastBulk,
) -> Option<(Entry, usize)> {
    let window: &[u8; WINDOW] = bytes.get(start..)?.first_chunk()?;
    if window[0] == b'$' {
        if !last.is_like(window.first_chunk()?) {
            *last = LastBulk::read(window, limits)?;
        }
        let end = start + last.header + last.len;
        let whole = bytes.get(end..end + 2)? == b"\r\n";
        whole.then(|| (Entry::text(Kind::Bulk, start, last.header, last.len), end + 2))
    } else if window[0] == b':' {
        let (value, len) = number(window)?;
        Some((Entry::value(Kind::Integer, start, value), start + len))
    } else if window.starts_with(b"+OK\r\n") && limits.max_line >= 2 {
        Some((Entry::text(Kind::Simple, start, 1, 2), start + 5))
    } else {
        line(window, start, limits)
    }
}

/// The number of up to eight digits behind the type byte, and the place after its CRLF.
#[inline(always)]
fn number(window: &[u8; WINDOW]) -> Option<(u64, usize)> {
    // A single digit needs no arithmetic that what follows would have to wait for.
    if window[1].is_ascii_digit() && window[2] == b'\r' && window[3] == b'\n' {
        return Some((u64::from(window[1] - b'0'), 4));
    }
    // Looking for the end byte by byte is faster than with a word's bit tricks: the processor
    // foresees the branches, and continues behind the number before it has computed it.
    let count = (2..=8).find(|&count| window[1 + count] == b'\r')?;
    if window[2 + count] != b'\n' {
        return None;
    }
    // The digits as the bytes of one word, with zeros in front.
    let word = u64::from_le_bytes(*window.get(1..)?.first_chunk()?);
    let digits = (word ^ repeat(b'0')) << (64 - 8 * count);
    if (digits.wrapping_add(repeat(0x76)) | digits) & repeat(0x80) != 0 {
        return None;
    }
    // Neighbours are joined: digits to pairs, pairs to fours, fours to eight.
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let high = (pairs & 0x0000_00ff_0000_00ff).wrapping_mul(0x000f_4240_0000_0064);
    let low = ((pairs >> 16) & 0x0000_00ff_0000_00ff).wrapping_mul(0x0000_2710_0000_0001);
    Some((high.wrapping_add(low) >> 32, count + 3))
}

/// A word of which all bytes are `byte`.
const fn repeat(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// A line of which CR or LF, whichever is first, is within the window.
fn line(window: &[u8; WINDOW], start: usize, limits: &Limits) -> Option<(Entry, usize)> {
    let len = (0..WINDOW - 2).find(|&len| matches!(window[1 + len], b'\r' | b'\n'))?;
    let text = &window[1..][..len];
    if window[1 + len] != b'\r' || window[2 + len] != b'\n' || len > limits.max_line {
        return None;
    }
    let entry = match (window[0], text) {
        (b'+', _) => Entry::text(Kind::Simple, start, 1, len),
        (b'-', _) => Entry::text(Kind::Error, start, 1, len),
        (b'#', b"t") => Entry::value(Kind::Boolean, start, 1),
        (b'#', b"f") => Entry::value(Kind::Boolean, start, 0),
        (b'_', b"") => Entry::value(Kind::Null, start, 0),
        _ => return None,
    };
    Some((entry, start + len + 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<(u64, usize)> {
        let mut window = [b'x'; WINDOW];
        window[1..=text.len()].copy_from_slice(text.as_bytes());
        number(&window)
    }

    #[test]
    fn numbers_of_up_to_eight_digits() {
        for value in [0, 1, 9, 10, 42, 99, 100, 101, 999, 65_535, 1_048_576, 99_999_999] {
            let text = format!("{value}\r\n");
            assert_eq!(read(&text), Some((value, text.len() + 1)));
        }
        assert_eq!(read("007\r\n"), Some((7, 6)));
    }

    #[test]
    fn all_else_is_left_to_the_scanner() {
        for text in
            ["", "\r\n", "-1\r\n", "1x\r\n", "1\rx", "12\n\r", "123456789\r\n", "\u{80}1\r\n"]
        {
            assert_eq!(read(text), None, "{text:?}");
        }
    }
}
