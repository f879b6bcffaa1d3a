//! Writing headers and bulk strings.

use crate::number::Digits;

/// Appends a type byte with a length behind it.
#[inline]
pub(crate) fn write_header(out: &mut Vec<u8>, tag: u8, length: usize) {
    // Copies of a size known beforehand are a single store each.
    match length {
        0..10 => out.extend_from_slice(&[tag, digit(length), b'\r', b'\n']),
        10..100 => {
            out.extend_from_slice(&[tag, digit(length / 10), digit(length % 10), b'\r', b'\n']);
        }
        _ => {
            out.push(tag);
            out.extend_from_slice(Digits::of(length as u64).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

fn digit(number: usize) -> u8 {
    b'0' + number as u8
}

/// Appends a bulk string.
#[inline]
pub(crate) fn write_bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    write_header(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// Bulk strings of up to this many bytes are short.
const SHORT: usize = 32;

/// Room for any short bulk string with its header and CRLF.
const FRAME: usize = 40;

/// Room for several short bulk strings.
pub(super) const BLOCK: usize = 256;

/// The most room that is made at once: twice as much each time.
const MOST_ROOM: usize = 4096;

/// Appends bulk strings, the short ones in blocks.
///
/// Room of a size known beforehand is made for several at once, and what is left over of it is given
/// back: each store, too, has a size known beforehand, and so few bytes are not worth calls.
pub(super) struct Bulks<'a> {
    out: &'a mut Vec<u8>,
    /// Where what has been written ends, and the room begins.
    end: usize,
    /// How much room is made next.
    room: usize,
}

impl<'a> Bulks<'a> {
    #[inline]
    pub(super) fn behind(out: &'a mut Vec<u8>) -> Bulks<'a> {
        let end = out.len();
        Bulks { out, end, room: BLOCK }
    }

    // Inlined for sure, and what is rare is not, nor does it see `self`: that then stays in registers.
    #[inline(always)]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > SHORT {
            self.end = write_long(self.out, self.end, bytes);
            return;
        }
        if self.out.len() - self.end < FRAME {
            make_room(self.out, self.end + self.room);
            self.room = MOST_ROOM.min(2 * self.room);
        }
        let frame = &mut self.out[self.end..self.end + FRAME];
        self.end += write_short(frame, bytes);
    }

    /// Gives back the room that is left.
    #[inline]
    pub(super) fn finish(self) {
        self.out.truncate(self.end);
    }
}

/// Writes a bulk string that is not short in place of the room that begins at `end`; returns the
/// new end.
#[inline(never)]
fn write_long(out: &mut Vec<u8>, end: usize, bytes: &[u8]) -> usize {
    out.truncate(end);
    write_bulk(out, bytes);
    out.len()
}

#[inline(never)]
fn make_room(out: &mut Vec<u8>, until: usize) {
    out.resize(until, 0);
}

/// Writes a short bulk string to the front of a frame; returns its length on the wire.
#[inline(always)]
fn write_short(frame: &mut [u8], bytes: &[u8]) -> usize {
    frame[..8].copy_from_slice(&HEADERS[bytes.len()]);
    let from = if bytes.len() < 10 { 4 } else { 5 };
    let text = &mut frame[from..];
    match bytes.len() {
        16.. => copy_ends::<16>(bytes, text),
        8.. => copy_ends::<8>(bytes, text),
        4.. => copy_ends::<4>(bytes, text),
        _ => bytes.iter().zip(text).for_each(|(from, to)| *to = *from),
    }
    let end = from + bytes.len();
    frame[end..end + 2].copy_from_slice(b"\r\n");
    end + 2
}

/// The headers of short bulk strings, by their length.
const HEADERS: [[u8; 8]; SHORT + 1] = {
    let mut headers = [*b"$0\r\n    "; SHORT + 1];
    let mut len = 0;
    while len <= SHORT {
        let (tens, units) = (b'0' + len as u8 / 10, b'0' + len as u8 % 10);
        headers[len] = match len {
            0..10 => [b'$', units, b'\r', b'\n', 0, 0, 0, 0],
            _ => [b'$', tens, units, b'\r', b'\n', 0, 0, 0],
        };
        len += 1;
    }
    headers
};

/// Copies `N` to twice `N` bytes as their first and their last `N`, which may overlap.
#[inline(always)]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) {
    // Read before any is written: the compiler then keeps them in registers, and calls no memcpy.
    let (Some(first), Some(last)) = (from.first_chunk::<N>(), from.last_chunk::<N>()) else {
        return;
    };
    let (first, last) = (*first, *last);
    to[..N].copy_from_slice(&first);
    to[from.len() - N..][..N].copy_from_slice(&last);
}

/// The most bytes that a type byte with a length takes.
pub(super) const HEADER: usize = 1 + 20 + 2;
