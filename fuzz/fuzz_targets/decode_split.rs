//! The same bytes in any pieces come to the same replies, and to the same error at the same place.
#![no_main]

mod visit;

use libfuzzer_sys::fuzz_target;
use redistrib_resp::{Decoder, Parser};

fuzz_target!(|data: &[u8]| {
    let (mut whole, mut rest) = (Parser::new(), data);
    let (mut decoder, mut fed) = (Decoder::new(), Pieces::of(data));
    loop {
        let expected = whole.next_view(&mut rest).map(|view| view.map(visit::digest));
        let seen = loop {
            match next(&mut decoder, data.len()) {
                Ok(None) => match fed.next() {
                    Some(piece) => decoder.feed(piece),
                    None => break Ok(None),
                },
                seen => break seen,
            }
        };
        assert_eq!(seen, expected);
        if !matches!(seen, Ok(Some(_))) {
            break;
        }
    }
});

/// The next reply, as a view or as one that owns, whichever the length decides.
fn next(decoder: &mut Decoder, len: usize) -> Result<Option<u64>, redistrib_resp::DecodeError> {
    if len.is_multiple_of(2) {
        Ok(decoder.next_view()?.map(visit::digest))
    } else {
        Ok(decoder.next_reply()?.map(|reply| visit::digest(reply.view())))
    }
}

/// Cuts bytes into pieces whose lengths the last byte decides.
struct Pieces<'a> {
    rest: &'a [u8],
    state: u32,
}

impl<'a> Pieces<'a> {
    fn of(rest: &'a [u8]) -> Pieces<'a> {
        Pieces { rest, state: u32::from(rest.last().copied().unwrap_or_default()) }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        self.state = self.state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Short pieces most of the time, and now and then a long one.
        let most = if self.state >> 28 == 0 { 256 } else { 8 };
        let (piece, rest) =
            self.rest.split_at(self.rest.len().min((self.state >> 16) as usize % most));
        self.rest = rest;
        Some(piece)
    }
}
