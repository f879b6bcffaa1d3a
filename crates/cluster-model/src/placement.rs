//! Where a key lives in a sharded fleet: plain servers among which clients choose by checksum, as
//! rediscluster-py and rediscluster-php do.
//!
//! The masters are called `node_1` to `node_n`. The rules are those of rediscluster-py 0.5, read off
//! `rediscluster/cluster_client.py`.

/// The number of the master, from 1 to `masters`, that a hashed text belongs to: its CRC-32 (the one of
/// zlib, unsigned) modulo the number of masters, plus one. With no masters there is no place.
///
/// ```
/// use redistrib_cluster_model::placement::node_number;
///
/// assert_eq!(node_number(b"foo", 2), Some(2));
/// assert_eq!(node_number(b"bar", 2), Some(1));
/// assert_eq!(node_number(b"foobar", 2), Some(2));
/// assert_eq!(node_number(b"foo", 0), None);
/// ```
pub fn node_number(hashed: &[u8], masters: usize) -> Option<usize> {
    let masters = u32::try_from(masters).ok().filter(|&masters| masters > 0)?;
    Some((crc32fast::hash(hashed) % masters) as usize + 1)
}

/// A key as an application writes it, taken apart: what decides its place, and its name there.
///
/// ```
/// use redistrib_cluster_model::placement::WrittenKey;
///
/// let key = WrittenKey::parse(b"bar{foo}");
/// assert_eq!((key.hashed, key.stored), (&b"foo"[..], &b"bar"[..]));
/// let key = WrittenKey::parse(b"foo");
/// assert_eq!((key.hashed, key.stored), (&b"foo"[..], &b"foo"[..]));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenKey<'a> {
    /// The text whose checksum decides the place.
    pub hashed: &'a [u8],
    /// The name under which the server keeps the key.
    pub stored: &'a [u8],
    /// Where the hash tag's brace stands, if there is a tag.
    tag_at: Option<usize>,
}

impl<'a> WrittenKey<'a> {
    /// Reads the notation `a{b}`: `b` is hashed, `a` is stored.
    ///
    /// The library looks for the first `{` alone. What stands before it is stored; what follows it, but
    /// for the key's last byte whatever that is, is hashed. So `{b}` is kept under the empty name, and
    /// `a{b}c` is hashed as `b}`. Data lie where these rules put them, so they are kept to the letter.
    pub fn parse(written: &'a [u8]) -> Self {
        match memchr::memchr(b'{', written) {
            None => Self::literal(written),
            Some(open) => {
                let (stored, braced) = written.split_at(open);
                let hashed = braced.get(1..braced.len() - 1).unwrap_or_default();
                Self { hashed, stored, tag_at: Some(open) }
            }
        }
    }

    /// A key in which braces mean nothing: hashed and stored as it is.
    pub fn literal(name: &'a [u8]) -> Self {
        Self { hashed: name, stored: name, tag_at: None }
    }

    /// Whether the key carries a hash tag.
    pub fn is_tagged(&self) -> bool {
        self.tag_at.is_some()
    }

    /// Whether this key, as the first of a command on several keys, sends the whole command to its place,
    /// with the other keys taken by their names as they stand. The library tests the position of the
    /// brace for truth, so a tag at the very start does not count: each key then goes its own way.
    pub fn leads(&self) -> bool {
        self.tag_at.is_some_and(|position| position > 0)
    }

    /// The number of the master that has this key, from 1 to `masters`.
    pub fn node_number(&self, masters: usize) -> Option<usize> {
        node_number(self.hashed, masters)
    }
}

/// What becomes of a stored key when a fleet gets another number of masters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resettled {
    /// It belongs to the master with this number.
    At(usize),
    /// Its name does not lead to where it lies: it was written with a hash tag, which is not kept with
    /// it, or by something else. Where its application will look for it cannot be seen from its name.
    Stray,
}

/// The place in a fleet of `masters` for a stored key that was found at the first number's master in a
/// fleet of the second number; a key from outside any fleet (`None`) is placed by its name.
///
/// ```
/// use redistrib_cluster_model::placement::{Resettled, resettle};
///
/// assert_eq!(resettle(b"foo", Some((2, 2)), 3), Some(Resettled::At(3)));
/// assert_eq!(resettle(b"foo", Some((1, 2)), 3), Some(Resettled::Stray));
/// assert_eq!(resettle(b"foo", None, 3), Some(Resettled::At(3)));
/// ```
pub fn resettle(stored: &[u8], found: Option<(usize, usize)>, masters: usize) -> Option<Resettled> {
    let place = node_number(stored, masters)?;
    match found {
        Some((number, of)) if of == masters => Some(Resettled::At(number)),
        Some((number, of)) if node_number(stored, of) != Some(number) => Some(Resettled::Stray),
        _ => Some(Resettled::At(place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(written: &[u8]) -> (&[u8], &[u8], bool) {
        let key = WrittenKey::parse(written);
        (key.hashed, key.stored, key.leads())
    }

    /// What the library's slices answer, each tried in a Python interpreter.
    #[test]
    fn braces_are_read_as_the_library_reads_them() {
        for (written, hashed, stored, leads) in [
            ("foo", "foo", "foo", false),
            ("bar{foo}", "foo", "bar", true),
            ("{foo}", "foo", "", false),
            ("a{b}c", "b}", "a", true),
            ("a{b", "", "a", true),
            ("a{", "", "a", true),
            ("a{}", "", "a", true),
            ("{", "", "", false),
            ("a{b}{c}", "b}{c", "a", true),
            ("a}b", "a}b", "a}b", false),
            ("", "", "", false),
        ] {
            let expected = (hashed.as_bytes(), stored.as_bytes(), leads);
            assert_eq!(parsed(written.as_bytes()), expected, "{written}");
        }
    }

    /// `(abs(binascii.crc32(key) & 0xffffffff) % n) + 1`, computed with Python.
    #[test]
    fn places_are_those_of_the_formula() {
        for (key, of_two, of_three, of_seven) in TABLE {
            let places = [2, 3, 7].map(|masters| node_number(key.as_bytes(), masters));
            assert_eq!(places, [Some(of_two), Some(of_three), Some(of_seven)], "{key}");
        }
    }

    const TABLE: [(&str, usize, usize, usize); 8] = [
        ("", 1, 1, 1),
        ("foo", 2, 3, 3),
        ("bar", 1, 3, 1),
        ("foobar", 2, 3, 7),
        ("a", 2, 1, 5),
        ("user:1000", 2, 1, 4),
        ("123456789", 1, 3, 6),
        ("zap", 1, 3, 5),
    ];

    proptest::proptest! {
        #[test]
        fn every_key_has_a_place(key: Vec<u8>, masters in 1usize..2000) {
            let place = WrittenKey::parse(&key).node_number(masters);
            assert!(place.is_some_and(|place| (1..=masters).contains(&place)));
        }

        #[test]
        fn a_fleet_of_the_same_size_moves_nothing(key: Vec<u8>, masters in 1usize..50) {
            let place = node_number(&key, masters).unwrap();
            let moved = resettle(&key, Some((place, masters)), masters);
            assert_eq!(moved, Some(Resettled::At(place)));
        }
    }
}
