//! The hash tags of a fleet's keys, which the servers do not keep.

use std::collections::HashMap;

use bytes::Bytes;
use redistrib_cluster_model::placement::{WrittenKey, node_number};

/// Keys as their application writes them, `a{b}`, to find the places of keys that were written with a hash
/// tag: the servers know such a key as `a` alone.
///
/// ```
/// use redistrib_ops::transfer::Tags;
///
/// let tags = Tags::parse(b"bar{foo}\nbasket{user1}\n");
/// assert_eq!(tags.len(), 2);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Tags {
    /// For each stored name the texts that were hashed for it.
    by_name: HashMap<Bytes, Vec<Bytes>>,
}

impl Tags {
    /// Reads one key a line. Lines without a tag say nothing and are passed over.
    pub fn parse(text: &[u8]) -> Self {
        let mut tags = Self::default();
        for line in text.split(|&byte| byte == b'\n') {
            let key = WrittenKey::parse(line.strip_suffix(b"\r").unwrap_or(line));
            if key.is_tagged() {
                let names = tags.by_name.entry(Bytes::copy_from_slice(key.stored)).or_default();
                names.push(Bytes::copy_from_slice(key.hashed));
            }
        }
        tags
    }

    /// How many stored names have tags.
    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The tag that explains why a stored key lies where it was found (master number of how many); for a
    /// key from outside any fleet the first tag there is.
    pub(super) fn explain(&self, stored: &[u8], found: Option<(usize, usize)>) -> Option<&[u8]> {
        let tags = self.by_name.get(stored)?;
        let explains =
            |tag: &&Bytes| found.is_none_or(|(number, of)| node_number(tag, of) == Some(number));
        tags.iter().find(explains).map(|tag| &tag[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_tags_the_one_counts_that_leads_to_the_place() {
        let tags = Tags::parse(b"x{foo}\r\nx{bar}\nplain\n\n");
        assert_eq!(tags.len(), 1);
        assert_eq!(tags.explain(b"x", Some((2, 2))), Some(&b"foo"[..]));
        assert_eq!(tags.explain(b"x", Some((1, 2))), Some(&b"bar"[..]));
        assert_eq!(tags.explain(b"x", None), Some(&b"foo"[..]));
        assert_eq!(tags.explain(b"plain", None), None);
    }
}
