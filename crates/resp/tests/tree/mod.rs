//! Replies made from any bytes, their encoding, and what a view of them must show: an oracle that
//! shares no code with the codec. The fuzz targets use it too.

use redistrib_resp::{Kind, Value, View};

/// A reply as a tree.
#[derive(Clone, Debug)]
pub(crate) enum Tree {
    Simple(Vec<u8>),
    Error(Vec<u8>),
    Integer(i64),
    Bulk(Vec<u8>),
    /// One of the three ways to write a null.
    Null(&'static str),
    Boolean(bool),
    Double(f64),
    BigNumber(String),
    BulkError(Vec<u8>),
    Verbatim([u8; 3], Vec<u8>),
    /// The chunks of a streamed string.
    Streamed(Vec<Vec<u8>>),
    /// An array, map, set or push; a map's children are keys and values in turn.
    Aggregate {
        kind: Kind,
        streamed: bool,
        children: Vec<Tree>,
    },
    /// Attributes, keys and values in turn, and what they annotate.
    Annotated(Vec<Tree>, Box<Tree>),
}

/// Bytes that decide how a tree grows; when they are used up, zeros do.
pub(crate) struct Seed<'a>(pub(crate) &'a [u8]);

impl Seed<'_> {
    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let bytes = std::array::from_fn(|_| self.byte());
        // Small numbers are as frequent as large ones.
        u64::from_le_bytes(bytes) >> (self.byte() % 64)
    }

    fn text(&mut self) -> Vec<u8> {
        let len = usize::from(self.byte() % 40).min(self.0.len());
        let (text, rest) = self.0.split_at(len);
        self.0 = rest;
        text.to_vec()
    }

    /// Text without line ends.
    fn line(&mut self) -> Vec<u8> {
        self.text().into_iter().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect()
    }

    fn trees(&mut self, depth: usize) -> Vec<Tree> {
        let count = if depth == 0 { 0 } else { self.byte() % 6 };
        (0..count).map(|_| Tree::grow(self, depth - 1, false)).collect()
    }

    fn pairs(&mut self, depth: usize) -> Vec<Tree> {
        let mut children = self.trees(depth);
        children.truncate(children.len() / 2 * 2);
        children
    }
}

impl Tree {
    /// The tree that the seed decides, of at most `depth` levels. Only at the top may it be a push.
    pub(crate) fn grow(seed: &mut Seed<'_>, depth: usize, top: bool) -> Tree {
        match seed.byte() % 16 {
            0 => Tree::Simple(seed.line()),
            1 => Tree::Error(seed.line()),
            2 => Tree::Integer(seed.number() as i64),
            3 => Tree::Null(["_\r\n", "$-1\r\n", "*-1\r\n"][usize::from(seed.byte() % 3)]),
            4 => Tree::Boolean(seed.byte().is_multiple_of(2)),
            5 => Tree::Double(f64::from_bits(seed.number() | seed.number() << 32)),
            6 => Tree::BigNumber(format!("{}{}", seed.number() as i64, seed.number())),
            7 => Tree::BulkError(seed.text()),
            8 => Tree::Verbatim(*b"txt", seed.text()),
            9 => Tree::Streamed((0..seed.byte() % 4).map(|_| seed.text()).collect()),
            10 => Tree::aggregate(Kind::Map, seed, depth),
            11 => Tree::aggregate(Kind::Set, seed, depth),
            12 if top => Tree::aggregate(Kind::Push, seed, depth),
            13 if depth > 0 => {
                let attributes = seed.pairs(depth);
                Tree::Annotated(attributes, Tree::grow(seed, depth - 1, top).into())
            }
            14 => Tree::aggregate(Kind::Array, seed, depth),
            _ => Tree::Bulk(seed.text()),
        }
    }

    fn aggregate(kind: Kind, seed: &mut Seed<'_>, depth: usize) -> Tree {
        let streamed = kind != Kind::Push && seed.byte() % 4 == 1;
        let children = if kind == Kind::Map { seed.pairs(depth) } else { seed.trees(depth) };
        Tree::Aggregate { kind, streamed, children }
    }

    /// Appends the tree as it goes over the wire.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Tree::Simple(text) => line(out, '+', text),
            Tree::Error(text) => line(out, '-', text),
            Tree::Integer(number) => line(out, ':', number.to_string().as_bytes()),
            Tree::Bulk(text) => bulk(out, '$', text),
            Tree::Null(form) => out.extend_from_slice(form.as_bytes()),
            Tree::Boolean(truth) => line(out, '#', if *truth { b"t" } else { b"f" }),
            // Rust writes NaN where RESP3 has nan.
            Tree::Double(number) => line(out, ',', number.to_string().to_lowercase().as_bytes()),
            Tree::BigNumber(digits) => line(out, '(', digits.as_bytes()),
            Tree::BulkError(text) => bulk(out, '!', text),
            Tree::Verbatim(format, text) => bulk(out, '=', &[&format[..], b":", text].concat()),
            Tree::Streamed(chunks) => {
                out.extend_from_slice(b"$?\r\n");
                let chunks = chunks.iter().filter(|chunk| !chunk.is_empty());
                chunks.for_each(|chunk| bulk(out, ';', chunk));
                out.extend_from_slice(b";0\r\n");
            }
            Tree::Aggregate { kind, streamed, children } => {
                let (tag, each) = match kind {
                    Kind::Map => ('%', 2),
                    Kind::Set => ('~', 1),
                    Kind::Push => ('>', 1),
                    _ => ('*', 1),
                };
                let count = (children.len() / each).to_string();
                line(out, tag, if *streamed { b"?" } else { count.as_bytes() });
                children.iter().for_each(|child| child.encode(out));
                out.extend_from_slice(if *streamed { b".\r\n" } else { b"" });
            }
            Tree::Annotated(attributes, value) => {
                line(out, '|', (attributes.len() / 2).to_string().as_bytes());
                attributes.iter().for_each(|child| child.encode(out));
                value.encode(out);
            }
        }
    }

    /// Whether the view shows this tree.
    pub(crate) fn is_shown_by(&self, view: View<'_>) -> bool {
        match (self, view.value()) {
            (Tree::Annotated(attributes, value), _) => {
                // Of several attributes a value knows the nearest, and each the one before.
                let nearest = view.attributes().is_some_and(|last| {
                    let mut first = last;
                    while let Some(before) = first.attributes() {
                        first = before;
                    }
                    are_shown_by(attributes, first)
                });
                nearest && value.bare().is_shown_by(view)
            }
            (Tree::Simple(text), Value::Simple(seen)) => text == seen,
            (Tree::Error(text), Value::Error(seen)) => text == seen,
            (Tree::Integer(number), Value::Integer(seen)) => *number == seen,
            (Tree::Bulk(text), Value::Bulk(seen)) => text == seen,
            (Tree::Null(_), Value::Null) => true,
            (Tree::Boolean(truth), Value::Boolean(seen)) => *truth == seen,
            (Tree::Double(number), Value::Double(seen)) => {
                *number == seen || (number.is_nan() && seen.is_nan())
            }
            (Tree::BigNumber(digits), Value::BigNumber(seen)) => digits.as_bytes() == seen,
            (Tree::BulkError(text), Value::BulkError(seen)) => text == seen,
            (Tree::Verbatim(wanted, text), Value::Verbatim { format, text: seen }) => {
                *wanted == format && text == seen
            }
            (Tree::Streamed(chunks), Value::Streamed(_)) => {
                view.joined().is_some_and(|joined| joined == chunks.concat())
            }
            (Tree::Aggregate { kind, children, .. }, _) => {
                view.kind() == *kind && are_shown_by(children, view)
            }
            _ => false,
        }
    }

    /// The value behind its attributes.
    fn bare(&self) -> &Tree {
        match self {
            Tree::Annotated(_, value) => value.bare(),
            tree => tree,
        }
    }
}

fn are_shown_by(trees: &[Tree], view: View<'_>) -> bool {
    let children = view.elements();
    children.len() == trees.len()
        && trees.iter().zip(children).all(|(it, view)| it.is_shown_by(view))
}

fn line(out: &mut Vec<u8>, tag: char, text: &[u8]) {
    out.push(tag as u8);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn bulk(out: &mut Vec<u8>, tag: char, text: &[u8]) {
    line(out, tag, text.len().to_string().as_bytes());
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
