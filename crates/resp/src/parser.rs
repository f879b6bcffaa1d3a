use bytes::Bytes;

use crate::error::DecodeError;
use crate::limits::Limits;
use crate::reply::Reply;
use crate::scan::Scanner;
use crate::view::View;

/// Finds the replies in bytes that somebody else keeps: the [`Decoder`](crate::Decoder) without
/// its buffer.
///
/// After an answer of `None` show it the same bytes again with more behind them; it goes on where
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
    scanner: Scanner,
    /// The bytes of the stream before those of the reply under way.
    passed: u64,
    failed: Option<DecodeError>,
}

impl Default for Parser {
    fn default() -> Parser {
        Parser::new()
    }
}

impl Parser {
    /// A parser with the default [`Limits`].
    pub fn new() -> Parser {
        Parser::with_limits(Limits::default())
    }

    /// A parser with limits of your own.
    pub fn with_limits(limits: Limits) -> Parser {
        Parser { scanner: Scanner::new(limits), passed: 0, failed: None }
    }

    /// The reply at the front of `bytes` as a view that borrows them, or `None` if it is not
    /// complete. Takes the reply off the front.
    ///
    /// # Errors
    /// The bytes are not RESP or break a limit; the same error comes until [`Parser::reset`].
    #[inline]
    pub fn next_view<'a, 'bytes: 'a>(
        &'a mut self,
        bytes: &mut &'bytes [u8],
    ) -> Result<Option<View<'a>>, DecodeError> {
        let Some(len) = self.find(bytes)? else { return Ok(None) };
        let (wire, rest) = bytes.split_at(len);
        *bytes = rest;
        Ok(Some(View::of_reply(wire, self.scanner.index())))
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
    #[inline]
    pub fn next_reply(&mut self, bytes: &mut Bytes) -> Result<Option<Reply>, DecodeError> {
        let Some(len) = self.find(bytes)? else { return Ok(None) };
        Ok(Some(self.reply(bytes.split_to(len))))
    }

    /// The reply found last, whose wire bytes are `wire`.
    #[inline]
    pub(crate) fn reply(&self, wire: Bytes) -> Reply {
        Reply::new(wire, self.scanner.index())
    }

    /// Looks for the end of the reply at the front of `bytes`: its length, if all of it is there.
    #[inline]
    pub(crate) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.scanner.scan(bytes) {
            Ok(Some(len)) => {
                self.passed += len as u64;
                Ok(Some(len))
            }
            Ok(None) => Ok(None),
            Err(fault) => {
                let error = DecodeError::new(self.passed + fault.at as u64, fault.kind);
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// Forgets the reply under way, and the error. The offsets of errors to come count from here.
    pub fn reset(&mut self) {
        self.scanner.clear();
        (self.passed, self.failed) = (0, None);
    }
}
