/// What a peer may ask of the decoder. A breach is a [`DecodeError`](crate::DecodeError).
///
/// The sizes a peer announces are promises: whatever the limits, nothing is allocated ahead of
/// the bytes that have arrived. The limits bound what a patient peer may make us collect.
///
/// ```
/// use redistrib_resp::{Decoder, Limits};
///
/// let mut decoder = Decoder::with_limits(Limits { max_bulk: 16, ..Limits::default() });
/// decoder.feed(b"$17\r\n");
/// assert!(decoder.next_reply().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many aggregates may be open one inside the other. Default 128; servers nest less than ten.
    pub max_depth: usize,
    /// Bytes in one bulk string, bulk error, verbatim string, or all chunks of a streamed string.
    /// Default 512 MiB, the servers' own `proto-max-bulk-len`.
    pub max_bulk: usize,
    /// Elements in one aggregate; the pairs of a map count twice. Default 2³⁰, at most 2³² − 2.
    pub max_elements: usize,
    /// Bytes in one line, its type byte and CRLF not counted. Default 1 MiB.
    pub max_line: usize,
    /// Bytes that the elements of one reply may take, 16 of an index for each of them included; attributes before it count.
    /// Default 2 GiB: some 40 million names of keys.
    pub max_reply: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_depth: 128,
            max_bulk: 512 << 20,
            max_elements: 1 << 30,
            max_line: 1 << 20,
            max_reply: 2 << 30,
        }
    }
}
