//! Any words are a command line, a complaint or a call for help, in whichever dialect; and a line that is
//! understood reads back as itself in ours.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use redistrib_cli::args::parse;
use redistrib_cli::dialect::translate;

fuzz_target!(|data: &[u8]| {
    // The program's name is the first word: two of the dialects hang on it.
    let words = data.split(|byte| matches!(byte, 0 | b'\n')).take(64);
    let argv: Vec<OsString> = words.map(|word| OsString::from_vec(word.to_vec())).collect();
    match parse(argv.clone()) {
        Ok(_) => {
            let line = translate(argv).expect("it was understood");
            let again = translate(line.argv()).expect("our own dialect is understood");
            assert_eq!(again.argv(), line.argv());
            parse(line.argv()).expect("it means what it meant");
        }
        Err(error) => {
            assert!(!error.text().is_empty());
            assert_eq!(error.exit_code(), if error.was_asked_for() { 0 } else { 2 });
        }
    }
});
