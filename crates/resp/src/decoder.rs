use std::io;

use bytes::{Buf, Bytes, BytesMut};

use crate::error::DecodeError;
use crate::limits::Limits;
use crate::parser::{Front, Parser};
use crate::reply::Reply;
use crate::view::View;

/// How many bytes [`Decoder::read_from`] makes room for.
const READ: usize = 16 << 10;

/// Turns bytes, as they arrive in pieces of any size, into replies.
///
/// It keeps its place in a half-arrived reply, so that a reply in many pieces costs what it costs
/// in one. It allocates for bytes that have arrived, never for those that a peer announces.
///
/// ```
/// use redistrib_resp::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"*2\r\n:1\r\n$3\r\nfo");
/// assert!(decoder.next_reply()?.is_none());
/// decoder.feed(b"o\r\n+OK\r\n");
/// assert_eq!(decoder.next_reply()?.unwrap().view().len(), 2);
/// assert!(decoder.next_reply()?.unwrap().view().is_ok());
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
#[derive(Debug)]
pub struct Decoder {
    /// What has arrived, and behind it initialised room for more.
    buffer: BytesMut,
    /// Where in the buffer the first reply not yet given out begins.
    start: usize,
    /// Where in the buffer the bytes that have arrived end.
    filled: usize,
    parser: Parser,
}

impl Default for Decoder {
    fn default() -> Decoder {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder with the default [`Limits`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// assert!(decoder.next_reply()?.is_none());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn new() -> Decoder {
        Decoder::with_limits(Limits::default())
    }

    /// A decoder with limits of your own.
    ///
    /// ```
    /// # use redistrib_resp::{Decoder, Limits};
    /// let mut decoder = Decoder::with_limits(Limits { max_depth: 0, ..Limits::default() });
    /// decoder.feed(b"*1\r\n");
    /// assert!(decoder.next_reply().is_err());
    /// ```
    pub fn with_limits(limits: Limits) -> Decoder {
        Decoder {
            buffer: BytesMut::new(),
            start: 0,
            filled: 0,
            parser: Parser::with_limits(limits),
        }
    }

    /// Sets the limits for what is still to come, of a reply under way, too.
    ///
    /// ```
    /// # use redistrib_resp::{Decoder, Limits};
    /// let mut decoder = Decoder::new();
    /// decoder.set_limits(Limits { max_bulk: 16, ..Limits::default() });
    /// decoder.feed(b"$17\r\n");
    /// assert!(decoder.next_reply().is_err());
    /// ```
    pub fn set_limits(&mut self, limits: Limits) {
        self.parser.set_limits(limits);
    }

    /// Adds bytes that have arrived.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"+O");
    /// decoder.feed(b"K\r\n");
    /// assert!(decoder.next_reply()?.unwrap().view().is_ok());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn feed(&mut self, bytes: &[u8]) {
        self.drop_given();
        let room = bytes.len().min(self.buffer.len() - self.filled);
        let (now, later) = bytes.split_at(room);
        self.buffer[self.filled..self.filled + room].copy_from_slice(now);
        self.buffer.extend_from_slice(later);
        self.filled += bytes.len();
    }

    /// Reads once from a stream and adds what came; returns the number of bytes, 0 at the
    /// stream's end.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut stream = &b":1\r\n"[..];
    /// let mut decoder = Decoder::new();
    /// assert_eq!(decoder.read_from(&mut stream).unwrap(), 4);
    /// assert_eq!(decoder.read_from(&mut stream).unwrap(), 0);
    /// ```
    ///
    /// # Errors
    /// Those of the stream, `WouldBlock` and `Interrupted` among them; nothing is lost by any.
    pub fn read_from(&mut self, stream: &mut impl io::Read) -> io::Result<usize> {
        self.drop_given();
        if self.buffer.len() == self.filled {
            self.buffer.reserve(READ);
            // The room is in use from now on: zero it once, not before every read.
            self.buffer.resize(self.buffer.capacity(), 0);
        }
        let count = stream.read(&mut self.buffer[self.filled..])?;
        self.filled += count.min(self.buffer.len() - self.filled);
        Ok(count)
    }

    /// The next reply, or `None` if more bytes are needed.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b":1\r\n:2");
    /// assert_eq!(decoder.next_reply()?.unwrap().view().as_int(), Some(1));
    /// assert!(decoder.next_reply()?.is_none());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// The stream is not RESP or breaks a limit; the same error comes until [`Decoder::reset`].
    #[inline]
    pub fn next_reply(&mut self) -> Result<Option<Reply>, DecodeError> {
        let bytes = &self.buffer[self.start..self.filled];
        Ok(match self.parser.step(bytes)? {
            Front::Scalar(entry, len) if len <= Reply::SHORT => {
                self.start += len;
                Some(Reply::short(bytes, len, entry))
            }
            Front::Scalar(entry, len) => Some(Reply::scalar(self.take(len), entry)),
            Front::Indexed(len) => {
                let wire = self.take(len);
                Some(self.parser.reply(wire))
            }
            Front::Starved => None,
        })
    }

    /// Takes the first bytes that were not given out out of the buffer, which they keep sharing.
    fn take(&mut self, len: usize) -> Bytes {
        self.drop_given();
        self.filled -= len;
        self.buffer.split_to(len).freeze()
    }

    /// The next reply as a view that borrows from the decoder, or `None` if more bytes are needed.
    /// Nothing is allocated for it or shared with it: the fastest way for replies that are looked
    /// at and forgotten.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"+OK\r\n+OK\r\n-ERR no\r\n");
    /// let mut refused = 0;
    /// while let Some(reply) = decoder.next_view()? {
    ///     refused += usize::from(!reply.is_ok());
    /// }
    /// assert_eq!(refused, 1);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    ///
    /// # Errors
    /// As for [`Decoder::next_reply`].
    #[inline]
    pub fn next_view(&mut self) -> Result<Option<View<'_>>, DecodeError> {
        let mut rest = &self.buffer[self.start..self.filled];
        let before = rest.len();
        let view = self.parser.next_view(&mut rest)?;
        self.start += before - rest.len();
        Ok(view)
    }

    /// Forgets everything: the bytes, the place, and the error. The offsets of errors to come
    /// count from here.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"HTTP/1.1 200 OK\r\n");
    /// assert!(decoder.next_reply().is_err());
    /// decoder.reset();
    /// assert!(decoder.next_reply()?.is_none());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn reset(&mut self) {
        self.buffer.clear();
        self.parser.reset();
        (self.start, self.filled) = (0, 0);
    }

    /// Gives the room for more bytes back, where no bytes wait: after a reply that was much larger than those to come.
    /// What replies share stays as long as they do.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"+OK\r\n");
    /// assert!(decoder.next_reply()?.unwrap().is_ok());
    /// decoder.shrink();
    /// assert_eq!(decoder.buffered(), 0);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn shrink(&mut self) {
        if self.buffered() == 0 {
            self.buffer = BytesMut::new();
            (self.start, self.filled) = (0, 0);
        }
    }

    /// The number of bytes that have arrived and were not given out in a reply.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"$5\r\nhel");
    /// assert_eq!(decoder.buffered(), 7);
    /// ```
    pub fn buffered(&self) -> usize {
        self.filled - self.start
    }

    /// Lets go of the bytes before the first reply not yet given out.
    fn drop_given(&mut self) {
        self.buffer.advance(self.start);
        self.filled -= self.start;
        self.start = 0;
    }
}
