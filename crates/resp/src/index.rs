//! The flat index over a reply's wire bytes: one entry of 16 bytes for each element, parents
//! before their children, in the order of the wire.

/// The types of RESP2 and RESP3, as [`View::kind`](crate::View::kind) returns them.
///
/// ```
/// use redistrib_resp::{Decoder, Kind};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"%1\r\n+role\r\n+master\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// assert_eq!(reply.view().kind(), Kind::Map);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Kind {
    /// `+` one line of text.
    Simple,
    /// `-` one line of error text.
    Error,
    /// `:` a signed 64-bit integer.
    Integer,
    /// `$` any bytes, their length first.
    Bulk,
    /// `_`, and RESP2's `$-1` and `*-1`.
    Null,
    /// `#` true or false.
    Boolean,
    /// `,` a floating-point number.
    Double,
    /// `(` an integer of any size.
    BigNumber,
    /// `!` error text of any bytes, its length first.
    BulkError,
    /// `=` text with a three-letter format.
    Verbatim,
    /// `$?` a string in chunks, whose length the server did not know when it began.
    Streamed,
    /// `*` values in order.
    Array,
    /// `%` pairs of key and value.
    Map,
    /// `~` values in no order.
    Set,
    /// `>` out-of-band data, such as an invalidation message.
    Push,
    /// `|` pairs about the value that follows it.
    Attribute,
}

impl Kind {
    /// Whether values of this kind have children, which [`View::elements`](crate::View::elements)
    /// visits. A streamed string counts: its children are its chunks.
    ///
    /// ```
    /// # use redistrib_resp::Kind;
    /// assert!(Kind::Map.is_aggregate() && !Kind::Bulk.is_aggregate());
    /// ```
    pub const fn is_aggregate(self) -> bool {
        self as u8 >= Kind::Streamed as u8
    }

    const ALL: [Kind; 16] = [
        Kind::Simple,
        Kind::Error,
        Kind::Integer,
        Kind::Bulk,
        Kind::Null,
        Kind::Boolean,
        Kind::Double,
        Kind::BigNumber,
        Kind::BulkError,
        Kind::Verbatim,
        Kind::Streamed,
        Kind::Array,
        Kind::Map,
        Kind::Set,
        Kind::Push,
        Kind::Attribute,
    ];

    pub(crate) const fn has_pairs(self) -> bool {
        matches!(self, Kind::Map | Kind::Attribute)
    }
}

/// One element: where it starts on the wire, and what is needed to read it without parsing again.
///
/// `body` is the payload's length for what is text, the value itself for integers, doubles and
/// booleans, and for aggregates the number of children with the place of the next sibling.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    /// From the lowest bit: 8 bits for the kind, 8 for the number of bytes before the payload
    /// (the type byte and, where there is one, the length's line), 48 for the place on the wire.
    head: u64,
    body: u64,
}

const _: () = assert!(size_of::<Entry>() == 16);

impl Entry {
    #[inline(always)]
    fn new(kind: Kind, start: usize, header: usize, body: u64) -> Entry {
        Entry { head: (start as u64) << 16 | (header as u64) << 8 | kind as u64, body }
    }

    #[inline(always)]
    pub(crate) fn kind(&self) -> Kind {
        Kind::ALL[(self.head & 15) as usize]
    }

    /// A value that the entry itself holds.
    #[inline]
    pub(crate) fn value(kind: Kind, start: usize, value: u64) -> Entry {
        Entry::new(kind, start, 1, value)
    }

    /// Text of `len` bytes that stands `header` bytes behind `start`.
    #[inline]
    pub(crate) fn text(kind: Kind, start: usize, header: usize, len: usize) -> Entry {
        Entry::new(kind, start, header, len as u64)
    }

    /// An aggregate that is still open; [`Entry::close`] completes it.
    pub(crate) fn open(kind: Kind, start: usize) -> Entry {
        Entry::new(kind, start, 1, 0)
    }

    /// Sets the number of children, and the place in the index where the next sibling stands.
    pub(crate) fn close(&mut self, count: u32, next: u32) {
        self.body = u64::from(next) << 32 | u64::from(count);
    }

    #[inline]
    pub(crate) fn start(&self) -> usize {
        (self.head >> 16) as usize
    }

    /// The payload's place on the wire; for text only.
    #[inline]
    pub(crate) fn payload(&self) -> std::ops::Range<usize> {
        let from = self.start() + (self.head >> 8 & 0xff) as usize;
        from..from + self.body as usize
    }

    /// The integer, the bits of the double, or 0 and 1 for a boolean.
    #[inline]
    pub(crate) fn bits(&self) -> u64 {
        self.body
    }

    /// The number of children; for aggregates only.
    #[inline]
    pub(crate) fn count(&self) -> usize {
        self.body as u32 as usize
    }

    /// Where in the index the next sibling stands, if this entry stands at `at`.
    #[inline]
    pub(crate) fn next(&self, at: usize) -> usize {
        if self.kind().is_aggregate() { (self.body >> 32) as usize } else { at + 1 }
    }
}
