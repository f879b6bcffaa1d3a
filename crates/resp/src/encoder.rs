//! Replies: bytes out, as a server writes them.

use crate::command::{Arg, write_bulk, write_header};
use crate::view::View;

/// Replies, encoded one after the other: for whoever stands in for a server, a proxy or a test.
///
/// An aggregate is written as its length; its elements follow. Whether as many follow is up to the caller.
///
/// ```
/// use redistrib_resp::{Decoder, ReplyEncoder};
///
/// let wire = ReplyEncoder::new().array(2).bulk("key").integer(-7).into_bytes();
/// assert_eq!(wire, b"*2\r\n$3\r\nkey\r\n:-7\r\n");
/// let mut decoder = Decoder::new();
/// decoder.feed(&wire);
/// assert_eq!(decoder.next_reply()?.unwrap().elements().len(), 2);
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplyEncoder {
    wire: Vec<u8>,
}

impl ReplyEncoder {
    /// An encoder that has written nothing.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert!(ReplyEncoder::new().into_bytes().is_empty());
    /// ```
    pub fn new() -> ReplyEncoder {
        ReplyEncoder::default()
    }

    /// A simple string. It is a line: line breaks in it become blanks.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().simple("OK").into_bytes(), b"+OK\r\n");
    /// ```
    #[must_use]
    pub fn simple(self, text: impl Arg) -> ReplyEncoder {
        self.line(b'+', text)
    }

    /// An error, code first: `ERR no such key`. It is a line: line breaks in it become blanks.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().error("ERR a\nb").into_bytes(), b"-ERR a b\r\n");
    /// ```
    #[must_use]
    pub fn error(self, text: impl Arg) -> ReplyEncoder {
        self.line(b'-', text)
    }

    /// An integer.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().integer(42).into_bytes(), b":42\r\n");
    /// ```
    #[must_use]
    pub fn integer(self, number: i64) -> ReplyEncoder {
        self.line(b':', number)
    }

    /// A bulk string.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().bulk("a\r\n").into_bytes(), b"$3\r\na\r\n\r\n");
    /// ```
    #[must_use]
    pub fn bulk(mut self, bytes: impl Arg) -> ReplyEncoder {
        bytes.with_bytes(|bytes| write_bulk(&mut self.wire, bytes));
        self
    }

    /// RESP2's null, which RESP3 takes as well.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().null().into_bytes(), b"$-1\r\n");
    /// ```
    #[must_use]
    pub fn null(mut self) -> ReplyEncoder {
        self.wire.extend_from_slice(b"$-1\r\n");
        self
    }

    /// The beginning of an array with so many elements.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().array(1).null().into_bytes(), b"*1\r\n$-1\r\n");
    /// ```
    #[must_use]
    pub fn array(mut self, length: usize) -> ReplyEncoder {
        write_header(&mut self.wire, b'*', length);
        self
    }

    /// The beginning of a RESP3 map with so many pairs: twice as many elements follow.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// let wire = ReplyEncoder::new().map(1).bulk("proto").integer(3).into_bytes();
    /// assert_eq!(wire, b"%1\r\n$5\r\nproto\r\n:3\r\n");
    /// ```
    #[must_use]
    pub fn map(mut self, pairs: usize) -> ReplyEncoder {
        write_header(&mut self.wire, b'%', pairs);
        self
    }

    /// A value of another reply, as it arrived; its attributes are left out.
    ///
    /// ```
    /// # use redistrib_resp::{Decoder, ReplyEncoder};
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"~1\r\n:7\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(ReplyEncoder::new().view(reply.view()).into_bytes(), b"~1\r\n:7\r\n");
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[must_use]
    pub fn view(mut self, view: View<'_>) -> ReplyEncoder {
        self.wire.extend_from_slice(view.wire());
        self
    }

    /// What has been written.
    ///
    /// ```
    /// # use redistrib_resp::ReplyEncoder;
    /// assert_eq!(ReplyEncoder::new().integer(1).integer(2).into_bytes(), b":1\r\n:2\r\n");
    /// ```
    pub fn into_bytes(self) -> Vec<u8> {
        self.wire
    }

    fn line(mut self, tag: u8, text: impl Arg) -> ReplyEncoder {
        self.wire.push(tag);
        let unbroken = |byte: &u8| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte };
        text.with_bytes(|text| self.wire.extend(text.iter().map(unbroken)));
        self.wire.extend_from_slice(b"\r\n");
        self
    }
}
