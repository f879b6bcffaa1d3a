use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::index::{Entry, Kind};
use crate::view::{Elements, View};

/// A complete reply that owns what it needs: its wire bytes, shared with the buffer in which they
/// arrived, and its index of 16 bytes an element. A clone shares both.
///
/// A short scalar (`+OK`, a number, a small value; up to [`Reply::SHORT`] bytes on the wire) is kept
/// in the reply itself. As long as any other reply lives, so does the buffer in which it arrived:
/// to keep a small part of a large reply for long, copy that part.
///
/// ```
/// use redistrib_resp::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"$5\r\nhello\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// assert_eq!(reply.view().as_str(), Some("hello"));
/// assert_eq!(reply.wire(), b"$5\r\nhello\r\n");
/// ```
#[derive(Clone)]
pub struct Reply {
    form: Form,
}

#[derive(Clone)]
enum Form {
    /// The first `len` bytes of `wire`; what is behind them has no meaning.
    Short {
        entry: [Entry; 1],
        len: usize,
        wire: ShortWire,
    },
    Scalar {
        entry: [Entry; 1],
        wire: Bytes,
    },
    Aggregate {
        index: Arc<[Entry]>,
        wire: Bytes,
    },
}

/// Aligned as its neighbours are: otherwise a reply is moved in pieces that straddle those in which
/// it was written, and the processor waits until they are in the cache.
#[derive(Clone, Copy)]
#[repr(align(8))]
struct ShortWire([u8; Reply::SHORT]);

const _: () = assert!(size_of::<Reply>() == 64);

impl Reply {
    /// Scalars of up to this many bytes on the wire are kept without allocating or sharing.
    pub const SHORT: usize = 32;

    /// The scalar that the first `len` of `bytes` are, at most [`Reply::SHORT`], sharing nothing.
    #[inline(always)]
    pub(crate) fn short(bytes: &[u8], len: usize, entry: Entry) -> Reply {
        // Copying as many bytes every time is faster than copying as many as are needed.
        let wire = bytes.first_chunk().copied().unwrap_or_else(|| {
            let mut wire = [0; Reply::SHORT];
            wire[..len].copy_from_slice(&bytes[..len]);
            wire
        });
        Reply { form: Form::Short { entry: [entry], len, wire: ShortWire(wire) } }
    }

    /// The scalar that `wire` is.
    #[inline]
    pub(crate) fn scalar(wire: Bytes, entry: Entry) -> Reply {
        Reply { form: Form::Scalar { entry: [entry], wire } }
    }

    /// The reply that `wire` is, with an index of more than one entry.
    pub(crate) fn aggregate(wire: Bytes, index: &[Entry]) -> Reply {
        Reply { form: Form::Aggregate { index: index.into(), wire } }
    }

    /// The reply's value.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b":7\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.view().as_int(), Some(7));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn view(&self) -> View<'_> {
        match &self.form {
            Form::Short { entry, len, wire } => View::of_reply(&wire.0[..*len], entry),
            Form::Scalar { entry, wire } => View::of_reply(wire, entry),
            Form::Aggregate { index, wire } => View::of_reply(wire, index),
        }
    }

    /// The type of the reply's value.
    ///
    /// ```
    /// # use redistrib_resp::{Decoder, Kind};
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b":7\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.kind(), Kind::Integer);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn kind(&self) -> Kind {
        self.view().kind()
    }

    /// The text of a simple, bulk or verbatim string: [`View::as_bytes`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"$3\r\nyes\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_bytes(), Some(&b"yes"[..]));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        self.view().as_bytes()
    }

    /// The same, if the bytes are UTF-8: [`View::as_str`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"$3\r\nyes\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_str(), Some("yes"));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        self.view().as_str()
    }

    /// The number, if this is an integer: [`View::as_int`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b":42\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_int(), Some(42));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        self.view().as_int()
    }

    /// The number, if this is a double or an integer: [`View::as_double`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b",1.5\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_double(), Some(1.5));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_double(&self) -> Option<f64> {
        self.view().as_double()
    }

    /// The truth, if this is a boolean: [`View::as_bool`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"#t\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_bool(), Some(true));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_bool(&self) -> Option<bool> {
        self.view().as_bool()
    }

    /// The text of an error without its minus: [`View::as_error`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"-ERR no\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.as_error(), Some(&b"ERR no"[..]));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_error(&self) -> Option<&[u8]> {
        self.view().as_error()
    }

    /// Whether this is the simple string `OK`: [`View::is_ok`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"+OK\r\n");
    /// assert!(decoder.next_reply()?.unwrap().is_ok());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn is_ok(&self) -> bool {
        self.view().is_ok()
    }

    /// Whether this is a null of either protocol: [`View::is_null`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"$-1\r\n");
    /// assert!(decoder.next_reply()?.unwrap().is_null());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn is_null(&self) -> bool {
        self.view().is_null()
    }

    /// The children of an aggregate: [`View::elements`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"*2\r\n:1\r\n:2\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.elements().len(), 2);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn elements(&self) -> Elements<'_> {
        self.view().elements()
    }

    /// The value of the first pair whose key is this text: [`View::get`].
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b"%1\r\n+proto\r\n:3\r\n");
    /// let hello = decoder.next_reply()?.unwrap();
    /// assert_eq!(hello.get("proto").unwrap().as_int(), Some(3));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<View<'_>> {
        self.view().get(key)
    }

    /// The bytes as they arrived, attributes included.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// # let mut decoder = Decoder::new();
    /// decoder.feed(b":7\r\n");
    /// let reply = decoder.next_reply()?.unwrap();
    /// assert_eq!(reply.wire(), b":7\r\n");
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn wire(&self) -> &[u8] {
        match &self.form {
            Form::Short { len, wire, .. } => &wire.0[..*len],
            Form::Scalar { wire, .. } | Form::Aggregate { wire, .. } => wire,
        }
    }

    /// The text of a view of this reply (for what is no text, its wire form) as a slice of the
    /// same buffer, to be handed on without copying. That of a short scalar is copied, and so is
    /// a view of another reply.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    /// let reply = decoder.next_reply().unwrap().unwrap();
    /// let keys: Vec<_> = reply.view().elements().map(|key| reply.bytes_of(key)).collect();
    /// assert_eq!(keys, ["a", "b"]);
    /// ```
    pub fn bytes_of(&self, view: View<'_>) -> Bytes {
        let text = view.text_or_wire();
        let wire = match &self.form {
            Form::Short { .. } => return Bytes::copy_from_slice(text),
            Form::Scalar { wire, .. } | Form::Aggregate { wire, .. } => wire,
        };
        let from = (text.as_ptr() as usize).wrapping_sub(wire.as_ptr() as usize);
        match from.checked_add(text.len()) {
            Some(to) if to <= wire.len() => wire.slice(from..to),
            _ => Bytes::copy_from_slice(text),
        }
    }
}

/// The children of an aggregate.
///
/// ```
/// # use redistrib_resp::Decoder;
/// # let mut decoder = Decoder::new();
/// decoder.feed(b"*2\r\n+a\r\n+b\r\n");
/// let reply = decoder.next_reply()?.unwrap();
/// for element in &reply {
///     assert!(element == "a" || element == "b");
/// }
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
impl<'a> IntoIterator for &'a Reply {
    type Item = View<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.elements()
    }
}

/// Whether the reply is a simple, bulk or verbatim string of this text.
///
/// ```
/// # use redistrib_resp::Decoder;
/// # let mut decoder = Decoder::new();
/// decoder.feed(b"+PONG\r\n-PONG\r\n");
/// assert_eq!(decoder.next_reply()?.unwrap(), "PONG");
/// assert_ne!(decoder.next_reply()?.unwrap(), "PONG");
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Reply {
    fn eq(&self, text: &T) -> bool {
        self.view() == *text
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
