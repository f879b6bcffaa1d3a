use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::index::{Entry, Kind};
use crate::view::View;

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

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}
