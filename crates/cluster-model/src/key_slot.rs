//! How a key maps to a slot: the hash tag, and the checksum of it.

/// CRC-16/XMODEM, the checksum of keys: polynomial 0x1021, start 0, no reflection.
///
/// Source: the cluster specification, appendix A.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| (crc << 8) ^ TABLE[usize::from((crc >> 8) as u8 ^ byte)])
}

/// The part of a key that decides its slot: what stands between the first `{` and the first `}`
/// after it, unless that is empty; otherwise the whole key.
///
/// ```
/// use redistrib_cluster_model::hash_tag;
///
/// assert_eq!(hash_tag(b"{user1000}.following"), b"user1000");
/// assert_eq!(hash_tag(b"foo{}{bar}"), b"foo{}{bar}");
/// assert_eq!(hash_tag(b"foo{{bar}}zap"), b"{bar");
/// ```
pub fn hash_tag(key: &[u8]) -> &[u8] {
    let Some(open) = memchr::memchr(b'{', key) else { return key };
    let rest = &key[open + 1..];
    match memchr::memchr(b'}', rest) {
        None | Some(0) => key,
        Some(close) => &rest[..close],
    }
}

const TABLE: [u16; 256] = table();

const fn table() -> [u16; 256] {
    let mut table = [0u16; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x1021 } else { crc << 1 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;

    #[test]
    fn checksum_matches_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn keys_of_the_transcripts_land_where_servers_put_them() {
        for (key, slot) in [("foo", 12182), ("hello", 866), ("mykey", 14687), ("weather", 8949)] {
            assert_eq!(Slot::of_key(key.as_bytes()).get(), slot, "{key}");
        }
    }

    #[test]
    fn odd_braces_do_not_make_a_tag() {
        for key in ["{", "}", "{}", "a{", "a}{b", "{}x", "x{}"] {
            assert_eq!(hash_tag(key.as_bytes()), key.as_bytes(), "{key}");
        }
        assert_eq!(hash_tag(b"foo{bar}{zap}"), b"bar");
    }
}
