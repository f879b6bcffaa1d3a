use std::sync::Arc;

use bytes::Bytes;

use crate::index::{Entry, Kind};
use crate::view::View;

/// A complete reply that owns what it needs: its wire bytes, shared with the buffer in which they
/// arrived, and its index of 16 bytes an element. A clone shares both.
///
/// As long as a reply lives, so does the buffer in which it arrived. To keep a small part of a
/// large reply for long, copy that part.
///
/// ```
/// use redistrib_resp::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"$5\r\nhello\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// assert_eq!(reply.view().as_str(), Some("hello"));
/// assert_eq!(reply.wire(), &b"$5\r\nhello\r\n"[..]);
/// ```
#[derive(Clone)]
pub struct Reply {
    wire: Bytes,
    index: Index,
}

/// The index of one reply; a scalar's only entry needs no allocation.
#[derive(Clone)]
enum Index {
    One([Entry; 1]),
    Many(Arc<[Entry]>),
}

impl Reply {
    /// The reply that `wire` is; `index` is its index and not empty.
    #[inline]
    pub(crate) fn new(wire: Bytes, index: &[Entry]) -> Reply {
        let index = match index {
            [only] => Index::One([*only]),
            many => Index::Many(many.into()),
        };
        Reply { wire, index }
    }

    /// The reply's value.
    #[inline]
    pub fn view(&self) -> View<'_> {
        let index = match &self.index {
            Index::One(one) => &one[..],
            Index::Many(many) => many,
        };
        View::of_reply(&self.wire, index)
    }

    /// The type of the reply's value.
    #[inline]
    pub fn kind(&self) -> Kind {
        self.view().kind()
    }

    /// The bytes as they arrived, attributes included.
    #[inline]
    pub fn wire(&self) -> &Bytes {
        &self.wire
    }

    /// The text of a view of this reply (for what is no text, its wire form) as a slice of the
    /// same buffer, to be handed on without copying. A view of another reply is copied.
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
        let from = (text.as_ptr() as usize).wrapping_sub(self.wire.as_ptr() as usize);
        match from.checked_add(text.len()) {
            Some(to) if to <= self.wire.len() => self.wire.slice(from..to),
            _ => Bytes::copy_from_slice(text),
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}
