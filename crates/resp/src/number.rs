//! Decimal numbers, read and written in one pass.

use crate::error::DecodeErrorKind;
use crate::scan::ScanEnd;

/// No number in a header is longer; beyond that it is an error, so that what is looked at again
/// when a header arrives in pieces stays within this many bytes.
const MAX_DIGITS: usize = 20;

/// Reads `digits CRLF` at `at`; returns the number and the place after it.
#[inline]
pub(crate) fn read_unsigned(bytes: &[u8], at: usize) -> Result<(u64, usize), ScanEnd> {
    let mut value = 0u64;
    let mut here = at;
    loop {
        let Some(&byte) = bytes.get(here) else { return starved(here - at, at) };
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u64::from(digit));
        here += 1;
    }
    // Eighteen digits always fit.
    if here - at > 18 {
        value = reread(&bytes[at..here], at)?;
    }
    if here == at {
        return Err(ScanEnd::fault(here, DecodeErrorKind::BadNumber));
    }
    line_end(bytes, here).map(|after| (value, after))
}

/// Reads `[+-]digits CRLF` at `at`; returns the number and the place after it.
#[inline]
pub(crate) fn read_signed(bytes: &[u8], at: usize) -> Result<(i64, usize), ScanEnd> {
    let Some(&first) = bytes.get(at) else { return Err(ScanEnd::Starved) };
    let (negative, from) = match first {
        b'-' => (true, at + 1),
        b'+' => (false, at + 1),
        _ => (false, at),
    };
    let (magnitude, after) = read_unsigned(bytes, from)?;
    let value =
        if negative { 0i64.checked_sub_unsigned(magnitude) } else { i64::try_from(magnitude).ok() };
    value.map(|value| (value, after)).ok_or(ScanEnd::fault(at, DecodeErrorKind::BadNumber))
}

/// Expects CRLF at `here`, behind the digits of a number.
#[inline]
fn line_end(bytes: &[u8], here: usize) -> Result<usize, ScanEnd> {
    match bytes.get(here..here + 2) {
        Some(b"\r\n") => Ok(here + 2),
        Some([b'\r', _]) => Err(ScanEnd::fault(here + 1, DecodeErrorKind::MissingCrlf)),
        None if bytes[here] == b'\r' => Err(ScanEnd::Starved),
        _ => Err(ScanEnd::fault(here, DecodeErrorKind::BadNumber)),
    }
}

#[cold]
fn starved<T>(digits: usize, at: usize) -> Result<T, ScanEnd> {
    if digits > MAX_DIGITS {
        return Err(ScanEnd::fault(at, DecodeErrorKind::BadNumber));
    }
    Err(ScanEnd::Starved)
}

#[cold]
fn reread(digits: &[u8], at: usize) -> Result<u64, ScanEnd> {
    let number = if digits.len() > MAX_DIGITS { None } else { std::str::from_utf8(digits).ok() };
    number
        .and_then(|digits| digits.parse().ok())
        .ok_or(ScanEnd::fault(at, DecodeErrorKind::BadNumber))
}

/// Reads the text of a RESP3 double: decimal with an optional fraction and exponent, `inf`, `nan`.
pub(crate) fn read_double(text: &[u8]) -> Option<f64> {
    let unsigned = text.strip_prefix(b"-").or(text.strip_prefix(b"+")).unwrap_or(text);
    if !matches!(unsigned, b"inf" | b"nan") && !is_decimal(unsigned) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// `digits [. digits] [e [sign] digits]`, as the specification has it; the fraction may be empty.
fn is_decimal(text: &[u8]) -> bool {
    let rest = skip_digits(text);
    if rest.len() == text.len() {
        return false;
    }
    let rest = rest.strip_prefix(b".").map_or(rest, skip_digits);
    match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', digits @ ..] | [b'e' | b'E', digits @ ..] => is_digits(digits),
        _ => false,
    }
}

fn skip_digits(text: &[u8]) -> &[u8] {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    &text[digits..]
}

/// Whether the text is one decimal digit or more, and nothing else.
pub(crate) fn is_digits(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(u8::is_ascii_digit)
}

/// The decimal digits of a number, on the stack.
pub(crate) struct Digits {
    bytes: [u8; 20],
    from: usize,
}

impl Digits {
    #[inline]
    pub(crate) fn of(mut number: u64) -> Digits {
        let mut bytes = [b'0'; 20];
        let mut from = bytes.len() - 1;
        // At most twenty digits, so `from` never passes the front.
        loop {
            bytes[from] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 || from == 0 {
                return Digits { bytes, from };
            }
            from -= 1;
        }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.from..]
    }
}
