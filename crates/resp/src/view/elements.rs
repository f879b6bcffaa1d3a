//! The children of an aggregate, one by one and two by two.

use std::fmt;

use super::View;
use crate::index::Entry;

/// The children of an aggregate, in the order of the wire. Knows how many are left.
///
/// ```
/// # use redistrib_resp::Decoder;
/// let mut decoder = Decoder::new();
/// decoder.feed(b"~3\r\n:1\r\n:2\r\n:3\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// let elements = reply.view().elements();
/// assert_eq!(elements.len(), 3);
/// assert_eq!(elements.filter_map(|element| element.as_int()).sum::<i64>(), 6);
/// ```
#[derive(Clone)]
pub struct Elements<'a> {
    pub(super) wire: &'a [u8],
    pub(super) index: &'a [Entry],
    pub(super) next: usize,
    pub(super) left: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = View<'a>;

    #[inline]
    fn next(&mut self) -> Option<View<'a>> {
        self.left = self.left.checked_sub(1)?;
        let view = View::at(self.wire, self.index, self.next);
        self.next = view.entry().next(view.at);
        Some(view)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}

impl std::iter::FusedIterator for Elements<'_> {}

impl fmt::Debug for Elements<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// The children of a map two by two, in the order of the wire.
///
/// ```
/// # use redistrib_resp::Decoder;
/// let mut decoder = Decoder::new();
/// decoder.feed(b"%1\r\n+slots\r\n:16384\r\n");
/// let reply = decoder.next_reply().unwrap().unwrap();
/// let (key, value) = reply.view().pairs().next().unwrap();
/// assert_eq!((key.as_str(), value.as_int()), (Some("slots"), Some(16384)));
/// ```
#[derive(Clone)]
pub struct Pairs<'a> {
    pub(super) elements: Elements<'a>,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (View<'a>, View<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some((self.elements.next()?, self.elements.next()?))
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let pairs = self.elements.len() / 2;
        (pairs, Some(pairs))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl std::iter::FusedIterator for Pairs<'_> {}

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.clone()).finish()
    }
}
