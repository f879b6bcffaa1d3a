//! Finds where a reply ends and writes its index, taking up where it stopped when more bytes are
//! there. The scanner owns no bytes: whoever does shows it the same ones again, and more.

use memchr::memchr2;

use crate::error::DecodeErrorKind::{self, *};
use crate::index::{Entry, Kind};
use crate::limits::Limits;
use crate::number::{is_digits, read_double, read_signed, read_unsigned};
use crate::short::{LastBulk, scalar};

/// Why the scanner cannot continue.
#[derive(Debug)]
pub(crate) enum ScanEnd {
    /// The bytes end before the element does.
    Starved,
    /// One of the bytes is wrong.
    Fault(Fault),
}

/// The byte at `at`, counted from the reply's first, is wrong.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) kind: DecodeErrorKind,
}

impl ScanEnd {
    #[cold]
    pub(crate) fn fault(at: usize, kind: DecodeErrorKind) -> ScanEnd {
        ScanEnd::Fault(Fault { at, kind })
    }
}

/// An aggregate whose end has not been reached.
#[derive(Debug)]
struct Frame {
    /// Its place in the index.
    entry: u32,
    /// The children seen.
    seen: u32,
    /// The children announced; [`UNTOLD`] for a streamed one.
    announced: u32,
}

const UNTOLD: u32 = u32::MAX;

/// Entries keep the place on the wire in 48 bits, and so must a bulk string's length fit there.
const MAX_BULK: usize = if usize::BITS == 64 { usize::MAX >> 17 } else { usize::MAX >> 2 };

/// Room for the index of as many elements is kept from reply to reply: 1 MiB.
const KEPT: usize = 1 << 16;

/// The length that stands behind a type byte.
enum Length {
    Known(usize),
    Null,
    Untold,
}

/// Limits no larger than what the index can describe.
fn bounded(limits: Limits) -> Limits {
    let max_elements = limits.max_elements.min(UNTOLD as usize - 1);
    Limits { max_elements, max_bulk: limits.max_bulk.min(MAX_BULK), ..limits }
}

/// The place in a half-arrived reply, and the index of what has been seen of it.
#[derive(Debug)]
pub(crate) struct Scanner {
    limits: Limits,
    index: Vec<Entry>,
    /// The open aggregates, innermost last: replies nest on the heap, not on our stack.
    open: Vec<Frame>,
    /// The first byte behind the elements in the index.
    at: usize,
    /// With fewer bytes than this there is no use in looking.
    wanted: usize,
    /// Up to here the line under way has been searched for its end.
    searched: usize,
    /// Inside a streamed string: the bytes in its chunks so far.
    chunks: Option<usize>,
    /// An attribute waits for its value.
    annotating: bool,
    last: LastBulk,
}

impl Scanner {
    pub(crate) fn new(limits: Limits) -> Scanner {
        Scanner {
            limits: bounded(limits),
            index: Vec::new(),
            open: Vec::new(),
            at: 0,
            wanted: 1,
            searched: 0,
            chunks: None,
            annotating: false,
            last: LastBulk::NONE,
        }
    }

    /// The bulk string that is remembered may be longer than those to come may be.
    pub(crate) fn set_limits(&mut self, limits: Limits) {
        let limits = bounded(limits);
        if limits != self.limits {
            (self.limits, self.last) = (limits, LastBulk::NONE);
        }
    }

    /// Forgets the reply.
    pub(crate) fn clear(&mut self) {
        self.release();
        self.open.clear();
        self.at = 0;
        self.wanted = 1;
        self.searched = 0;
        self.chunks = None;
        self.annotating = false;
    }

    /// Lets go of the index, but keeps the room for the next one unless it is unusually large.
    pub(crate) fn release(&mut self) {
        self.index.clear();
        if self.index.capacity() > KEPT {
            self.index.shrink_to(KEPT);
        }
    }

    /// The scalar that is all of the reply at the front of `bytes`, and its length: only between
    /// two replies, and only if it is a short one.
    #[inline(always)]
    pub(crate) fn scalar(&mut self, bytes: &[u8]) -> Option<(Entry, usize)> {
        scalar(bytes, 0, &self.limits, &mut self.last)
    }

    pub(crate) fn index(&self) -> &[Entry] {
        &self.index
    }

    /// Goes on with a reply whose bytes so far are `bytes`; once it is complete, its length.
    pub(crate) fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        while bytes.len() >= self.wanted {
            let step = match self.short_elements(bytes) {
                true => self.settle(),
                false if bytes.len() > self.at && self.at > self.farthest() => {
                    return Err(Fault { at: self.at, kind: ReplyTooLong });
                }
                false => self.element(bytes),
            };
            match step {
                Ok(false) => self.wanted = self.at + 1,
                Ok(true) => return Ok(Some(self.at)),
                Err(ScanEnd::Starved) => return Ok(None),
                Err(ScanEnd::Fault(fault)) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Where the next element may begin at the latest: the index has its part of what a reply may take.
    fn farthest(&self) -> usize {
        self.limits.max_reply.saturating_sub(size_of_val(&*self.index))
    }

    /// Takes a run of short scalars; true if it reaches the end of the aggregate they are in.
    fn short_elements(&mut self, bytes: &[u8]) -> bool {
        let mut farthest = self.farthest();
        let Some(frame) = self.open.last_mut() else { return false };
        if frame.announced == UNTOLD {
            return false;
        }
        let (mut at, mut last) = (self.at, self.last);
        let mut left = frame.announced - frame.seen;
        while left > 0 && at <= farthest {
            let short = scalar(bytes, at, &self.limits, &mut last);
            let Some((entry, after)) = short else { break };
            self.index.push(entry);
            at = after;
            left -= 1;
            farthest = farthest.saturating_sub(size_of::<Entry>());
        }
        self.annotating &= at == self.at;
        (self.at, self.last) = (at, last);
        frame.seen = frame.announced - left;
        left == 0
    }

    /// Takes one element; true when it completes the reply.
    fn element(&mut self, bytes: &[u8]) -> Result<bool, ScanEnd> {
        let start = self.at;
        let Some(&tag) = bytes.get(start) else { return Err(ScanEnd::Starved) };
        if self.chunks.is_some() && tag != b';' {
            return Err(ScanEnd::fault(start, NotAChunk));
        }
        match tag {
            b'+' => self.line(bytes, Kind::Simple),
            b'-' => self.line(bytes, Kind::Error),
            b':' => {
                let (value, after) = read_signed(bytes, start + 1)?;
                self.push(Entry::value(Kind::Integer, start, value as u64), after)
            }
            b'$' => self.bulk(bytes, Kind::Bulk),
            b'*' => self.aggregate(bytes, Kind::Array),
            b'%' => self.aggregate(bytes, Kind::Map),
            b'~' => self.aggregate(bytes, Kind::Set),
            b'>' if self.open.is_empty() => self.aggregate(bytes, Kind::Push),
            b'>' => Err(ScanEnd::fault(start, NestedPush)),
            b'|' => self.aggregate(bytes, Kind::Attribute),
            b'_' | b'#' | b',' | b'(' => self.short_line(bytes, tag),
            b'!' => self.bulk(bytes, Kind::BulkError),
            b'=' => self.bulk(bytes, Kind::Verbatim),
            b';' => self.chunk(bytes),
            b'.' => self.end(bytes),
            other => Err(ScanEnd::fault(start, UnknownType(other))),
        }
    }

    /// Finds the end of the line that begins at `self.at`: the place of its CR.
    fn line_end(&mut self, bytes: &[u8]) -> Result<usize, ScanEnd> {
        let text = self.at + 1;
        let from = self.searched.max(text).min(bytes.len());
        let limit = text + self.limits.max_line.min(MAX_BULK);
        let Some(found) = memchr2(b'\r', b'\n', &bytes[from..]) else {
            self.searched = bytes.len();
            let too_long = bytes.len() > limit;
            return Err(if too_long {
                ScanEnd::fault(limit, LineTooLong)
            } else {
                ScanEnd::Starved
            });
        };
        let end = from + found;
        self.searched = end;
        match bytes.get(end..end + 2) {
            _ if end > limit => Err(ScanEnd::fault(limit, LineTooLong)),
            Some(b"\r\n") => Ok(end),
            None if bytes[end] == b'\r' => Err(ScanEnd::Starved),
            _ => Err(ScanEnd::fault(end, MissingCrlf)),
        }
    }

    fn line(&mut self, bytes: &[u8], kind: Kind) -> Result<bool, ScanEnd> {
        let end = self.line_end(bytes)?;
        let start = self.at;
        self.push(Entry::text(kind, start, 1, end - start - 1), end + 2)
    }

    /// The RESP3 types whose whole content is one line to be checked.
    fn short_line(&mut self, bytes: &[u8], tag: u8) -> Result<bool, ScanEnd> {
        let end = self.line_end(bytes)?;
        let start = self.at;
        let text = &bytes[start + 1..end];
        let bad = |kind| ScanEnd::fault(start + 1, kind);
        let entry = match (tag, text) {
            (b'_', []) => Entry::value(Kind::Null, start, 0),
            (b'_', _) => return Err(bad(BadNull)),
            (b'#', b"t") => Entry::value(Kind::Boolean, start, 1),
            (b'#', b"f") => Entry::value(Kind::Boolean, start, 0),
            (b'#', _) => return Err(bad(BadBoolean)),
            (b',', _) => {
                let number = read_double(text).ok_or(bad(BadDouble))?;
                Entry::value(Kind::Double, start, number.to_bits())
            }
            (_, [b'+' | b'-', digits @ ..]) | (_, digits) if is_digits(digits) => {
                Entry::text(Kind::BigNumber, start, 1, text.len())
            }
            _ => return Err(bad(BadBigNumber)),
        };
        self.push(entry, end + 2)
    }

    /// Reads the length that stands behind the type byte, and the place after its line.
    #[inline]
    fn length(&self, bytes: &[u8]) -> Result<(Length, usize), ScanEnd> {
        let at = self.at + 1;
        match bytes.get(at) {
            Some(b'-') => match read_signed(bytes, at)? {
                (-1, after) => Ok((Length::Null, after)),
                _ => Err(ScanEnd::fault(at, NegativeLength)),
            },
            Some(b'?') => match bytes.get(at + 1..at + 3) {
                Some(b"\r\n") => Ok((Length::Untold, at + 3)),
                None if matches!(bytes.get(at + 1), None | Some(b'\r')) => Err(ScanEnd::Starved),
                _ => Err(ScanEnd::fault(at + 1, MissingCrlf)),
            },
            _ => {
                let (length, after) = read_unsigned(bytes, at)?;
                Ok((Length::Known(usize::try_from(length).unwrap_or(usize::MAX)), after))
            }
        }
    }

    fn bulk(&mut self, bytes: &[u8], kind: Kind) -> Result<bool, ScanEnd> {
        let start = self.at;
        match self.length(bytes)? {
            (Length::Known(len), payload) => {
                let end = self.payload_end(bytes, payload, len)?;
                if kind == Kind::Verbatim && (len < 4 || bytes[payload + 3] != b':') {
                    return Err(ScanEnd::fault(payload, BadVerbatim));
                }
                self.push(Entry::text(kind, start, payload - start, len), end)
            }
            (Length::Null, after) if kind == Kind::Bulk => {
                self.push(Entry::value(Kind::Null, start, 0), after)
            }
            (Length::Null, _) => Err(ScanEnd::fault(start + 1, NegativeLength)),
            (Length::Untold, after) if kind == Kind::Bulk => {
                self.open(Kind::Streamed, UNTOLD, after)?;
                self.chunks = Some(0);
                Ok(false)
            }
            (Length::Untold, _) => Err(ScanEnd::fault(start + 1, NotStreamable)),
        }
    }

    /// Checks that `len` bytes and CRLF stand at `payload`; returns the place after them.
    #[inline]
    fn payload_end(&mut self, bytes: &[u8], payload: usize, len: usize) -> Result<usize, ScanEnd> {
        if len > self.limits.max_bulk {
            return Err(ScanEnd::fault(self.at + 1, BulkTooLong));
        }
        let end = payload + len;
        match bytes.get(end..end + 2) {
            Some(b"\r\n") => Ok(end + 2),
            Some([b'\r', _]) => Err(ScanEnd::fault(end + 1, MissingCrlf)),
            Some(_) => Err(ScanEnd::fault(end, MissingCrlf)),
            None => {
                self.wanted = end + 2;
                Err(ScanEnd::Starved)
            }
        }
    }

    fn aggregate(&mut self, bytes: &[u8], kind: Kind) -> Result<bool, ScanEnd> {
        let start = self.at;
        match self.length(bytes)? {
            (Length::Known(count), after) => {
                let count = if kind.has_pairs() { count.saturating_mul(2) } else { count };
                let announced = u32::try_from(count).ok();
                match announced.filter(|_| count <= self.limits.max_elements) {
                    Some(announced) => self.open(kind, announced, after),
                    None => Err(ScanEnd::fault(start + 1, TooManyElements)),
                }
            }
            (Length::Null, after) if kind == Kind::Array => {
                self.push(Entry::value(Kind::Null, start, 0), after)
            }
            (Length::Null, _) => Err(ScanEnd::fault(start + 1, NegativeLength)),
            (Length::Untold, after) if matches!(kind, Kind::Array | Kind::Map | Kind::Set) => {
                self.open(kind, UNTOLD, after)
            }
            (Length::Untold, _) => Err(ScanEnd::fault(start + 1, NotStreamable)),
        }
    }

    /// One chunk of a streamed string; an empty one ends it.
    fn chunk(&mut self, bytes: &[u8]) -> Result<bool, ScanEnd> {
        let start = self.at;
        let Some(before) = self.chunks else { return Err(ScanEnd::fault(start, StrayChunk)) };
        let (Length::Known(len), payload) = self.length(bytes)? else {
            return Err(ScanEnd::fault(start + 1, BadNumber));
        };
        if len == 0 {
            self.chunks = None;
            return self.terminate(payload);
        }
        let sum = before.saturating_add(len);
        if sum > self.limits.max_bulk {
            return Err(ScanEnd::fault(start + 1, BulkTooLong));
        }
        let end = self.payload_end(bytes, payload, len)?;
        self.chunks = Some(sum);
        self.push(Entry::text(Kind::Bulk, start, payload - start, len), end)
    }

    /// The end of a streamed aggregate.
    fn end(&mut self, bytes: &[u8]) -> Result<bool, ScanEnd> {
        let start = self.at;
        let Some(Frame { entry, seen, announced: UNTOLD }) = self.open.last() else {
            return Err(ScanEnd::fault(start, StrayEnd));
        };
        if self.annotating {
            return Err(ScanEnd::fault(start, DanglingAttribute));
        }
        if self.index[*entry as usize].kind().has_pairs() && seen % 2 == 1 {
            return Err(ScanEnd::fault(start, OddMap));
        }
        match bytes.get(start + 1..start + 3) {
            Some(b"\r\n") => self.terminate(start + 3),
            None if matches!(bytes.get(start + 1), None | Some(b'\r')) => Err(ScanEnd::Starved),
            _ => Err(ScanEnd::fault(start + 1, MissingCrlf)),
        }
    }

    /// Completes what was streamed; its terminator ends at `after`.
    fn terminate(&mut self, after: usize) -> Result<bool, ScanEnd> {
        // Nobody visits this entry. It marks where the last child ends.
        self.index.push(Entry::value(Kind::Null, self.at, 0));
        self.at = after;
        self.close()?;
        self.completed()
    }

    /// Adds an element without children that ends at `after`.
    #[inline]
    fn push(&mut self, entry: Entry, after: usize) -> Result<bool, ScanEnd> {
        self.index.push(entry);
        self.at = after;
        self.annotating = false;
        self.completed()
    }

    /// Adds an aggregate whose first child stands at `after`.
    fn open(&mut self, kind: Kind, announced: u32, after: usize) -> Result<bool, ScanEnd> {
        if self.open.len() >= self.limits.max_depth {
            return Err(ScanEnd::fault(self.at, TooDeep));
        }
        let entry = self.place(self.at)?;
        self.index.push(Entry::open(kind, self.at));
        self.at = after;
        self.annotating = false;
        self.open.push(Frame { entry, seen: 0, announced });
        let complete = announced == 0 && self.close()?;
        if complete { self.completed() } else { Ok(false) }
    }

    /// Closes the innermost aggregate; false if it was an attribute, which is no element itself.
    fn close(&mut self) -> Result<bool, ScanEnd> {
        let next = self.place(self.at)?;
        let Some(Frame { entry, seen, .. }) = self.open.pop() else { return Ok(true) };
        let entry = &mut self.index[entry as usize];
        entry.close(seen, next);
        self.annotating = entry.kind() == Kind::Attribute;
        Ok(!self.annotating)
    }

    /// Counts a complete element in the aggregate around it; true if that completes the reply.
    #[inline]
    fn completed(&mut self) -> Result<bool, ScanEnd> {
        let Some(frame) = self.open.last_mut() else { return Ok(true) };
        frame.seen += 1;
        self.settle()
    }

    /// Closes the aggregates that have all their elements; true if none is left open.
    fn settle(&mut self) -> Result<bool, ScanEnd> {
        while let Some(frame) = self.open.last() {
            if frame.seen != frame.announced {
                let too_many = frame.seen as usize > self.limits.max_elements;
                return if too_many {
                    Err(ScanEnd::fault(self.at, TooManyElements))
                } else {
                    Ok(false)
                };
            }
            let is_element = self.close()?;
            match self.open.last_mut() {
                Some(around) if is_element => around.seen += 1,
                _ => return Ok(is_element),
            }
        }
        Ok(true)
    }

    /// The next place in the index, as the index itself notes it.
    fn place(&self, at: usize) -> Result<u32, ScanEnd> {
        u32::try_from(self.index.len()).map_err(|_| ScanEnd::fault(at, TooManyElements))
    }
}
