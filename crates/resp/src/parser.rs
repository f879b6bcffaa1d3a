use bytes::{Buf, Bytes};

use crate::error::DecodeError;
use crate::index::{Entry, Kind};
use crate::limits::Limits;
use crate::reply::Reply;
use crate::scan::{Fault, Scanner};
use crate::view::View;

/// Finds the replies in bytes that somebody else keeps: the [`Decoder`](crate::Decoder) without
/// its buffer.
///
/// After an answer of `None` show it the same bytes again with more behind them; it continues where
/// it stopped. After a reply, what it is shown next begins behind that reply, to which both
/// methods move the caller's slice.
///
/// ```
/// use redistrib_resp::Parser;
///
/// let mut parser = Parser::new();
/// let mut bytes = &b"+OK\r\n:42\r\n:7"[..];
/// assert!(parser.next_view(&mut bytes)?.unwrap().is_ok());
/// assert_eq!(parser.next_view(&mut bytes)?.unwrap().as_int(), Some(42));
/// assert!(parser.next_view(&mut bytes)?.is_none());
/// assert_eq!(bytes, b":7");
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Parser {
    /// Between two replies, that is neither in a half-arrived one nor behind an error.
    between: bool,
    /// The index of a reply taken in one step.
    scalar: [Entry; 1],
    scanner: Scanner,
    /// The bytes of the stream before those of the reply under way.
    passed: u64,
    failed: Option<DecodeError>,
}

/// How far the reply at the front is found.
pub(crate) enum Front {
    /// It is this one element, a scalar or an empty aggregate, of so many bytes.
    Scalar(Entry, usize),
    /// It has more elements and so many bytes; the scanner has its index.
    Indexed(usize),
    /// More bytes are needed.
    Starved,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser::new()
    }
}

impl Parser {
    /// A parser with the default [`Limits`].
    ///
    /// ```
    /// # use redistrib_resp::Parser;
    /// let mut parser = Parser::new();
    /// assert!(parser.next_view(&mut &b"+O"[..])?.is_none());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn new() -> Parser {
        Parser::with_limits(Limits::default())
    }

    /// A parser with limits of your own.
    ///
    /// ```
    /// # use redistrib_resp::{Limits, Parser};
    /// let mut parser = Parser::with_limits(Limits { max_depth: 0, ..Limits::default() });
    /// assert!(parser.next_view(&mut &b"*1\r\n"[..]).is_err());
    /// ```
    pub fn with_limits(limits: Limits) -> Parser {
        Parser {
            between: true,
            scalar: [Entry::value(Kind::Null, 0, 0)],
            scanner: Scanner::new(limits),
            passed: 0,
            failed: None,
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.scanner.set_limits(limits);
    }

    /// The reply at the front of `bytes` as a view that borrows them, or `None` if it is not
    /// complete. Takes the reply off the front.
    ///
    /// ```
    /// # use redistrib_resp::Parser;
    /// let (mut parser, mut bytes) = (Parser::new(), &b"*1\r\n:7\r\n+OK"[..]);
    /// assert_eq!(parser.next_view(&mut bytes)?.unwrap().len(), 1);
    /// assert_eq!(bytes, b"+OK");
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// The bytes are not RESP or break a limit; the same error comes until [`Parser::reset`].
    // Inlined for sure: what has to be built in memory costs more than finding a scalar does.
    #[inline(always)]
    pub fn next_view<'a, 'bytes: 'a>(
        &'a mut self,
        bytes: &mut &'bytes [u8],
    ) -> Result<Option<View<'a>>, DecodeError> {
        let Some((len, index)) = self.find(bytes)? else { return Ok(None) };
        let (wire, rest) = bytes.split_at(len);
        *bytes = rest;
        Ok(Some(View::of_reply(wire, index)))
    }

    /// The reply at the front of `bytes`, sharing their buffer, or `None` if it is not complete.
    /// Takes the reply off the front.
    ///
    /// ```
    /// # use redistrib_resp::Parser;
    /// let mut bytes = bytes::Bytes::from("$4\r\nkept\r\n:1\r\n");
    /// let reply = Parser::new().next_reply(&mut bytes)?.unwrap();
    /// assert_eq!((reply.view().as_str(), &bytes[..]), (Some("kept"), &b":1\r\n"[..]));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Parser::next_view`].
    #[inline(always)]
    pub fn next_reply(&mut self, bytes: &mut Bytes) -> Result<Option<Reply>, DecodeError> {
        Ok(match self.step(bytes)? {
            Front::Scalar(entry, len) if len <= Reply::SHORT => {
                let reply = Reply::short(bytes, len, entry);
                bytes.advance(len);
                Some(reply)
            }
            Front::Scalar(entry, len) => Some(Reply::scalar(bytes.split_to(len), entry)),
            Front::Indexed(len) => Some(self.reply(bytes.split_to(len))),
            Front::Starved => None,
        })
    }

    /// The reply that `wire` is, of more than one element and found just now; the scanner lets go of its index.
    #[inline(never)]
    pub(crate) fn reply(&mut self, wire: Bytes) -> Reply {
        let reply = Reply::aggregate(wire, self.scanner.index());
        self.scanner.release();
        reply
    }

    /// Looks for the end of the reply at the front of `bytes`: its length and index, if all of it
    /// is there.
    #[inline(always)]
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Result<Option<(usize, &[Entry])>, DecodeError> {
        Ok(match self.step(bytes)? {
            Front::Scalar(entry, len) => {
                self.scalar = [entry];
                Some((len, &self.scalar))
            }
            Front::Indexed(len) => Some((len, self.scanner.index())),
            Front::Starved => None,
        })
    }

    /// Goes on with the reply at the front of `bytes`.
    #[inline(always)]
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Result<Front, DecodeError> {
        if self.between
            && let Some((entry, len)) = self.scanner.scalar(bytes)
        {
            self.passed += len as u64;
            return Ok(Front::Scalar(entry, len));
        }
        self.scan(bytes)
    }

    /// As [`Parser::step`], for all that is not taken in one step.
    #[inline(never)]
    fn scan(&mut self, bytes: &[u8]) -> Result<Front, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.between {
            self.scanner.clear();
        }
        self.between = false;
        let found = self.scanner.scan(bytes).map_err(|Fault { at, kind }| {
            let error = DecodeError::new(self.passed + at as u64, kind);
            self.failed = Some(error);
            error
        })?;
        self.between = found.is_some();
        self.passed += found.unwrap_or(0) as u64;
        Ok(match (found, self.scanner.index()) {
            (Some(len), &[entry]) => Front::Scalar(entry, len),
            (Some(len), _) => Front::Indexed(len),
            (None, _) => Front::Starved,
        })
    }

    /// Forgets the reply under way, and the error. The offsets of errors to come count from here.
    ///
    /// ```
    /// # use redistrib_resp::Parser;
    /// let mut parser = Parser::new();
    /// assert!(parser.next_view(&mut &b"HTTP/1.1 200 OK\r\n"[..]).is_err());
    /// parser.reset();
    /// assert!(parser.next_view(&mut &b"+OK\r\n"[..])?.is_some());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn reset(&mut self) {
        (self.between, self.passed, self.failed) = (true, 0, None);
    }
}
