//! Reading a reply: views over its wire bytes and its index, which borrow and never allocate.

mod elements;

use std::borrow::Cow;
use std::fmt;

pub use elements::{Elements, Pairs};

use crate::index::{Entry, Kind};

/// One value in a reply: the reply itself, or an element at any depth of it.
///
/// A view is two borrowed slices and a place; copy it as you like.
///
/// ```
/// use redistrib_resp::Decoder;
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b"*2\r\n$4\r\nkeys\r\n:75\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// let mut elements = reply.view().elements();
/// assert_eq!(elements.next().unwrap().as_bytes(), Some(&b"keys"[..]));
/// assert_eq!(elements.next().unwrap().as_int(), Some(75));
/// ```
#[derive(Clone, Copy)]
pub struct View<'a> {
    wire: &'a [u8],
    index: &'a [Entry],
    /// The entry of the value.
    at: usize,
    /// The entry of the first attribute before the value, or again that of the value.
    first: usize,
}

/// What a [`View`] shows, for matching.
///
/// ```
/// use redistrib_resp::{Decoder, Value};
///
/// let mut decoder = Decoder::new();
/// decoder.feed(b",1.5\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// assert!(matches!(reply.view().value(), Value::Double(number) if number == 1.5));
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub enum Value<'a> {
    /// `+` one line of text.
    Simple(&'a [u8]),
    /// `-` one line of error text, without the minus.
    Error(&'a [u8]),
    /// `:` an integer.
    Integer(i64),
    /// `$` any bytes.
    Bulk(&'a [u8]),
    /// `_`, `$-1` or `*-1`.
    Null,
    /// `#t` or `#f`.
    Boolean(bool),
    /// `,` a floating-point number.
    Double(f64),
    /// `(` the digits of an integer of any size, with the sign if there is one.
    BigNumber(&'a [u8]),
    /// `!` error text.
    BulkError(&'a [u8]),
    /// `=` text with a format, such as `txt` or `mkd`.
    Verbatim {
        /// The three characters before the colon.
        format: [u8; 3],
        /// What follows the colon.
        text: &'a [u8],
    },
    /// `$?` the chunks of a streamed string; [`View::joined`] puts them together.
    Streamed(Elements<'a>),
    /// `*` values in order.
    Array(Elements<'a>),
    /// `%` pairs of key and value, in the order of the wire.
    Map(Pairs<'a>),
    /// `~` values in no order.
    Set(Elements<'a>),
    /// `>` out-of-band data; the first element names its sort.
    Push(Elements<'a>),
    /// `|` what [`View::attributes`] returns.
    Attribute(Pairs<'a>),
}

impl<'a> View<'a> {
    /// The reply whose index this is. An index is never empty, and a value ends it.
    #[inline]
    pub(crate) fn of_reply(wire: &'a [u8], index: &'a [Entry]) -> View<'a> {
        View::at(wire, index, 0)
    }

    /// The value at `first`, or behind the attributes that stand there.
    #[inline]
    fn at(wire: &'a [u8], index: &'a [Entry], first: usize) -> View<'a> {
        let mut at = first;
        while index[at].kind() == Kind::Attribute {
            at = index[at].next(at);
        }
        View { wire, index, at, first }
    }

    #[inline]
    fn entry(&self) -> &'a Entry {
        &self.index[self.at]
    }

    /// The type of the value.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"~0\r\n"[..])?.unwrap();
    /// assert_eq!(view.kind(), redistrib_resp::Kind::Set);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn kind(&self) -> Kind {
        self.entry().kind()
    }

    /// The bytes of a value that is text of some sort, its three-letter format included.
    #[inline]
    fn payload(&self) -> &'a [u8] {
        &self.wire[self.entry().payload()]
    }

    /// The value, for matching on all types.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"#t\r\n"[..])?.unwrap();
    /// assert!(matches!(view.value(), redistrib_resp::Value::Boolean(true)));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    // Inlined for sure: where it is matched at once, no value is ever built.
    #[inline(always)]
    pub fn value(&self) -> Value<'a> {
        match self.kind() {
            Kind::Simple => Value::Simple(self.payload()),
            Kind::Error => Value::Error(self.payload()),
            Kind::Integer => Value::Integer(self.entry().bits() as i64),
            Kind::Bulk => Value::Bulk(self.payload()),
            Kind::Null => Value::Null,
            Kind::Boolean => Value::Boolean(self.entry().bits() != 0),
            Kind::Double => Value::Double(f64::from_bits(self.entry().bits())),
            Kind::BigNumber => Value::BigNumber(self.payload()),
            Kind::BulkError => Value::BulkError(self.payload()),
            Kind::Verbatim => self.verbatim(),
            Kind::Streamed => Value::Streamed(self.elements()),
            Kind::Array => Value::Array(self.elements()),
            Kind::Map => Value::Map(self.pairs()),
            Kind::Set => Value::Set(self.elements()),
            Kind::Push => Value::Push(self.elements()),
            Kind::Attribute => Value::Attribute(self.pairs()),
        }
    }

    #[cold]
    fn verbatim(&self) -> Value<'a> {
        match self.payload() {
            [a, b, c, b':', text @ ..] => Value::Verbatim { format: [*a, *b, *c], text },
            text => Value::Bulk(text),
        }
    }

    /// The text of a simple, bulk or verbatim string; `None` for anything else, errors included.
    /// A streamed string is not in one piece: see [`View::joined`].
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"=7\r\ntxt:yes\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_bytes(), Some(&b"yes"[..]));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_bytes(&self) -> Option<&'a [u8]> {
        match self.kind() {
            Kind::Simple | Kind::Bulk => Some(self.payload()),
            Kind::Verbatim => self.payload().get(4..),
            _ => None,
        }
    }

    /// As [`View::as_bytes`], if the bytes are UTF-8.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"$3\r\nyes\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_str(), Some("yes"));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_str(&self) -> Option<&'a str> {
        std::str::from_utf8(self.as_bytes()?).ok()
    }

    /// The text of a simple, bulk, verbatim or streamed string, copied only if it came in chunks.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"$?\r\n;4\r\nred \r\n;4\r\npill\r\n;0\r\n");
    /// let reply = decoder.next_reply().unwrap().unwrap();
    /// assert_eq!(reply.view().joined().unwrap(), &b"red pill"[..]);
    /// ```
    pub fn joined(&self) -> Option<Cow<'a, [u8]>> {
        if self.kind() != Kind::Streamed {
            return self.as_bytes().map(Cow::Borrowed);
        }
        let chunks: Vec<&[u8]> = self.elements().filter_map(|chunk| chunk.as_bytes()).collect();
        Some(Cow::Owned(chunks.concat()))
    }

    /// The number, if this is an integer; digits in a string are text.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b":-42\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_int(), Some(-42));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_int(&self) -> Option<i64> {
        (self.kind() == Kind::Integer).then(|| self.entry().bits() as i64)
    }

    /// The number, if this is a double or an integer.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b",1.5e3\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_double(), Some(1500.0));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_double(&self) -> Option<f64> {
        match self.value() {
            Value::Double(number) => Some(number),
            Value::Integer(number) => Some(number as f64),
            _ => None,
        }
    }

    /// The truth, if this is a boolean.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"#f\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_bool(), Some(false));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn as_bool(&self) -> Option<bool> {
        (self.kind() == Kind::Boolean).then(|| self.entry().bits() != 0)
    }

    /// Whether this is a null of either protocol.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"*-1\r\n"[..])?.unwrap();
    /// assert!(view.is_null());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn is_null(&self) -> bool {
        self.kind() == Kind::Null
    }

    /// The text of an error, simple or bulk, without the minus: `ERR unknown command …`.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"-ERR no\r\n"[..])?.unwrap();
    /// assert_eq!(view.as_error(), Some(&b"ERR no"[..]));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn as_error(&self) -> Option<&'a [u8]> {
        matches!(self.kind(), Kind::Error | Kind::BulkError).then(|| self.payload())
    }

    /// Whether this is the simple string `OK`.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"+OK\r\n"[..])?.unwrap();
    /// assert!(view.is_ok());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn is_ok(&self) -> bool {
        self.kind() == Kind::Simple && self.payload() == b"OK"
    }

    /// The number of children: elements, twice the pairs of a map, or chunks. Zero for scalars.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"%1\r\n+key\r\n+value\r\n"[..])?.unwrap();
    /// assert_eq!(view.len(), 2);
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        if self.kind().is_aggregate() { self.entry().count() } else { 0 }
    }

    /// Whether there are no children.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"*0\r\n"[..])?.unwrap();
    /// assert!(view.is_empty());
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The children of any aggregate; those of a map and an attribute are key, value, key, value.
    /// Empty for scalars.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"*2\r\n:1\r\n:2\r\n"[..])?.unwrap();
    /// assert_eq!(view.elements().map(|one| one.as_int()).sum::<Option<i64>>(), Some(3));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn elements(&self) -> Elements<'a> {
        Elements { wire: self.wire, index: self.index, next: self.at + 1, left: self.len() }
    }

    /// The children two by two: keys and values of a map, or of an array in which RESP2 sends one.
    /// An odd child at the end is left out.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"*2\r\n+slots\r\n:16384\r\n"[..])?.unwrap();
    /// let (key, value) = view.pairs().next().unwrap();
    /// assert_eq!((key.as_str(), value.as_int()), (Some("slots"), Some(16384)));
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    #[inline]
    pub fn pairs(&self) -> Pairs<'a> {
        Pairs { elements: self.elements() }
    }

    /// The value of the first pair whose key is this text.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"%2\r\n+server\r\n+redis\r\n+proto\r\n:3\r\n");
    /// let hello = decoder.next_reply().unwrap().unwrap();
    /// assert_eq!(hello.view().get("proto").unwrap().as_int(), Some(3));
    /// ```
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<View<'a>> {
        let key = key.as_ref();
        self.pairs().find(|(name, _)| name.as_bytes() == Some(key)).map(|(_, value)| value)
    }

    /// What the server says about this value (`|`), if it does: a view with pairs.
    ///
    /// ```
    /// # use redistrib_resp::Decoder;
    /// let mut decoder = Decoder::new();
    /// decoder.feed(b"|1\r\n+ttl\r\n:3600\r\n$5\r\nvalue\r\n");
    /// let reply = decoder.next_reply().unwrap().unwrap();
    /// assert_eq!(reply.view().as_str(), Some("value"));
    /// let attributes = reply.view().attributes().unwrap();
    /// assert_eq!(attributes.get(b"ttl").unwrap().as_int(), Some(3600));
    /// ```
    pub fn attributes(&self) -> Option<View<'a>> {
        if self.first == self.at {
            return None;
        }
        let mut last = self.first;
        while self.index[last].next(last) != self.at {
            last = self.index[last].next(last);
        }
        Some(View { at: last, ..*self })
    }

    /// The bytes that carry this value on the wire, its attributes not included.
    ///
    /// ```
    /// # let mut parser = redistrib_resp::Parser::new();
    /// let view = parser.next_view(&mut &b"*1\r\n:7\r\n"[..])?.unwrap();
    /// assert_eq!(view.elements().next().unwrap().wire(), b":7\r\n");
    /// # Ok::<(), redistrib_resp::DecodeError>(())
    /// ```
    pub fn wire(&self) -> &'a [u8] {
        let next = self.index.get(self.entry().next(self.at));
        &self.wire[self.entry().start()..next.map_or(self.wire.len(), Entry::start)]
    }

    /// The bytes worth keeping of this value: its text, or for what has none its wire form.
    pub(crate) fn text_or_wire(&self) -> &'a [u8] {
        self.as_bytes().or_else(|| self.as_error()).unwrap_or_else(|| self.wire())
    }
}

/// The children of an aggregate.
///
/// ```
/// # let mut parser = redistrib_resp::Parser::new();
/// let view = parser.next_view(&mut &b"*2\r\n:1\r\n:2\r\n"[..])?.unwrap();
/// let mut sum = 0;
/// for element in view {
///     sum += element.as_int().unwrap();
/// }
/// assert_eq!(sum, 3);
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
impl<'a> IntoIterator for View<'a> {
    type Item = View<'a>;
    type IntoIter = Elements<'a>;

    fn into_iter(self) -> Elements<'a> {
        self.elements()
    }
}

/// Whether the value is a simple, bulk or verbatim string of this text.
///
/// ```
/// # let mut parser = redistrib_resp::Parser::new();
/// let view = parser.next_view(&mut &b"$3\r\nyes\r\n"[..])?.unwrap();
/// assert!(view == "yes" && view != b"no");
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for View<'_> {
    fn eq(&self, text: &T) -> bool {
        self.as_bytes() == Some(text.as_ref())
    }
}

/// Deeper than this, `Debug` shows dots: it calls itself, and the depth is the peer's choice.
const SHOWN_DEPTH: usize = 16;

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug(*self, f, SHOWN_DEPTH)
    }
}

/// As a [`View`] shows itself: bytes as text.
///
/// ```
/// # let mut parser = redistrib_resp::Parser::new();
/// let view = parser.next_view(&mut &b"$3\r\nyes\r\n"[..])?.unwrap();
/// assert_eq!(format!("{:?}", view.value()), r#"Bulk("yes")"#);
/// # Ok::<(), redistrib_resp::DecodeError>(())
/// ```
impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text =
            |kind: Kind, bytes: &[u8]| write!(f, "{kind:?}(\"{}\")", bytes.escape_ascii());
        match self {
            Value::Simple(bytes) => text(Kind::Simple, bytes),
            Value::Error(bytes) => text(Kind::Error, bytes),
            Value::Bulk(bytes) => text(Kind::Bulk, bytes),
            Value::BigNumber(bytes) => text(Kind::BigNumber, bytes),
            Value::BulkError(bytes) => text(Kind::BulkError, bytes),
            Value::Verbatim { format, text: bytes } => {
                text(Kind::Verbatim, &[format, &b":"[..], bytes].concat())
            }
            Value::Null => f.write_str("Null"),
            Value::Integer(number) => write!(f, "Integer({number})"),
            Value::Boolean(truth) => write!(f, "Boolean({truth})"),
            Value::Double(number) => write!(f, "Double({number})"),
            Value::Streamed(elements) => write!(f, "Streamed({elements:?})"),
            Value::Array(elements) => write!(f, "Array({elements:?})"),
            Value::Map(pairs) => write!(f, "Map({pairs:?})"),
            Value::Set(elements) => write!(f, "Set({elements:?})"),
            Value::Push(elements) => write!(f, "Push({elements:?})"),
            Value::Attribute(pairs) => write!(f, "Attribute({pairs:?})"),
        }
    }
}

fn debug(view: View<'_>, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
    match view.value() {
        value if !view.kind().is_aggregate() => write!(f, "{value:?}"),
        _ if depth == 0 => f.write_str("…"),
        _ => {
            write!(f, "{:?}[", view.kind())?;
            for (n, element) in view.elements().enumerate() {
                f.write_str(if n == 0 { "" } else { ", " })?;
                debug(element, f, depth - 1)?;
            }
            f.write_str("]")
        }
    }
}
