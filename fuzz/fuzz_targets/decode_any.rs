//! Any bytes are replies or an error, and nothing of it is read outside the bytes.
#![no_main]

mod visit;

use libfuzzer_sys::fuzz_target;
use redistrib_resp::Parser;

fuzz_target!(|data: &[u8]| {
    let (mut parser, mut rest) = (Parser::new(), data);
    loop {
        let before = rest;
        match parser.next_view(&mut rest) {
            Ok(Some(view)) => {
                visit::digest(view);
                assert!(rest.len() < before.len());
            }
            Ok(None) => break assert_eq!(rest, before),
            Err(error) => {
                assert!(error.offset() <= data.len() as u64);
                break assert_eq!(parser.next_view(&mut rest).err(), Some(error));
            }
        }
    }
});
