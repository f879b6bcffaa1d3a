use thiserror::Error;

/// The bytes that arrived are not RESP, or ask for more than the [`Limits`](crate::Limits) allow.
///
/// A stream in which a byte is wrong has no next reply: it is not known where one would begin.
/// The decoder therefore returns the same error until it is reset.
///
/// ```
/// use redistrib_resp::{DecodeErrorKind, Decoder};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"+OK\r\nHTTP/1.1 400 Bad Request\r\n");
/// assert!(decoder.next_reply().unwrap().is_some());
/// let error = decoder.next_reply().unwrap_err();
/// assert_eq!((error.offset(), error.kind()), (5, DecodeErrorKind::UnknownType(b'H')));
/// assert_eq!(error.to_string(), "at byte 5 of the stream: 'H' begins no RESP type");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("at byte {offset} of the stream: {kind}")]
pub struct DecodeError {
    offset: u64,
    kind: DecodeErrorKind,
}

impl DecodeError {
    pub(crate) fn new(offset: u64, kind: DecodeErrorKind) -> DecodeError {
        DecodeError { offset, kind }
    }

    /// Where the offending byte stands: the number of bytes since the stream began, or since the
    /// last [`Decoder::reset`](crate::Decoder::reset).
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// What is wrong there.
    pub fn kind(&self) -> DecodeErrorKind {
        self.kind
    }
}

/// For readers of streams: bytes that are not RESP are [`std::io::ErrorKind::InvalidData`].
///
/// ```
/// use redistrib_resp::{Decoder, Reply};
///
/// fn read(decoder: &mut Decoder) -> std::io::Result<Option<Reply>> {
///     Ok(decoder.next_reply()?)
/// }
/// let mut decoder = Decoder::new();
/// decoder.feed(b"HTTP/1.1");
/// assert_eq!(read(&mut decoder).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
/// ```
impl From<DecodeError> for std::io::Error {
    fn from(error: DecodeError) -> Self {
        Self::new(std::io::ErrorKind::InvalidData, error)
    }
}

/// What was wrong with the bytes.
///
/// ```
/// use redistrib_resp::DecodeErrorKind;
///
/// assert_eq!(DecodeErrorKind::TooDeep.to_string(), "aggregates nest deeper than the limit");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// A reply cannot begin with this byte.
    #[error("'{}' begins no RESP type", .0.escape_ascii())]
    UnknownType(u8),
    /// CR and LF must come together and end a line or a bulk string.
    #[error("CRLF expected")]
    MissingCrlf,
    /// A length or an integer that is empty, has stray characters or does not fit 64 bits.
    #[error("not a 64-bit decimal number")]
    BadNumber,
    /// A length below zero that is not one of RESP2's nulls (`$-1`, `*-1`).
    #[error("a negative length")]
    NegativeLength,
    /// `#` is followed by something other than `t` or `f`.
    #[error("a boolean is neither 't' nor 'f'")]
    BadBoolean,
    /// `_` is followed by something other than CRLF.
    #[error("a null with content")]
    BadNull,
    /// `,` is followed by something other than a decimal number, `inf` or `nan`.
    #[error("not a floating-point number")]
    BadDouble,
    /// `(` is followed by something other than decimal digits with an optional sign.
    #[error("not a big number")]
    BadBigNumber,
    /// A verbatim string does not begin with three characters and a colon.
    #[error("a verbatim string without its three-letter format")]
    BadVerbatim,
    /// This type has no streamed form.
    #[error("this type cannot be streamed")]
    NotStreamable,
    /// `;` outside a streamed string.
    #[error("a chunk outside a streamed string")]
    StrayChunk,
    /// Something else than `;` inside a streamed string.
    #[error("a streamed string holds something else than chunks")]
    NotAChunk,
    /// `.` outside a streamed aggregate.
    #[error("the end of a streamed aggregate that never began")]
    StrayEnd,
    /// A streamed map ended after a key.
    #[error("a map ends after a key without its value")]
    OddMap,
    /// An attribute is not followed by the value that it annotates.
    #[error("an attribute annotates nothing")]
    DanglingAttribute,
    /// A push inside another reply: pushes come between replies only.
    #[error("a push inside another reply")]
    NestedPush,
    /// More open aggregates than [`Limits::max_depth`](crate::Limits::max_depth).
    #[error("aggregates nest deeper than the limit")]
    TooDeep,
    /// A bulk string longer than [`Limits::max_bulk`](crate::Limits::max_bulk).
    #[error("a bulk string longer than the limit")]
    BulkTooLong,
    /// An aggregate with more elements than [`Limits::max_elements`](crate::Limits::max_elements),
    /// or a reply with 2³² elements in all.
    #[error("more elements than the limit")]
    TooManyElements,
    /// A line longer than [`Limits::max_line`](crate::Limits::max_line).
    #[error("a line longer than the limit")]
    LineTooLong,
    /// A reply that takes more than [`Limits::max_reply`](crate::Limits::max_reply).
    #[error("a reply longer than the limit")]
    ReplyTooLong,
}
