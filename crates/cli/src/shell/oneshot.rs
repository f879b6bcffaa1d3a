//! One command from the arguments, as often as asked for.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, anyhow};

use super::failure::{is_goodbye, reason};
use super::options::Repeat;
use super::session::ShellSession;

/// Executes a command `repeat` times; returns whether no reply was an error. The first error of the connection
/// ends it, and with `until_error` the first error reply too.
pub(super) fn run(
    session: &mut ShellSession,
    words: &[Vec<u8>],
    repeat: Repeat,
    until_error: bool,
) -> Result<bool> {
    let mut fine = true;
    let mut left = repeat.times;
    while left != Some(0) {
        fine &= match session.execute(words) {
            Err(error) if is_goodbye(words, &error) => true,
            outcome => outcome?,
        };
        if !fine && until_error {
            break;
        }
        left = left.map(|left| left - 1);
        if left != Some(0) && !repeat.interval.is_zero() {
            thread::sleep(repeat.interval);
        }
    }
    Ok(fine)
}

/// The words of EVAL for a script in a file: keys stand before a `,`, arguments behind it.
///
/// # Errors
/// The file cannot be read.
pub(super) fn eval_words(file: &Path, words: &[Vec<u8>]) -> Result<Vec<Vec<u8>>> {
    let script = fs::read(file)
        .map_err(|error| anyhow!("Can't open file '{}': {}", file.display(), reason(&error)))?;
    let comma = words.iter().position(|word| word == b",");
    let (keys, arguments) = words.split_at(comma.unwrap_or(words.len()));
    let mut all = vec![b"EVAL".to_vec(), script, keys.len().to_string().into_bytes()];
    all.extend_from_slice(keys);
    all.extend(arguments.iter().skip(1).cloned());
    Ok(all)
}

/// Where standard input goes into the command (`-x`, `-X`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromStdin {
    /// Behind the last argument.
    Last,
    /// In the place of this argument.
    Tag(Vec<u8>),
}

/// Puts what stands on standard input into the command.
///
/// # Errors
/// The input cannot be read, or no argument is the tag.
pub fn fill_in(words: &mut Vec<Vec<u8>>, from: &FromStdin) -> Result<()> {
    let mut text = Vec::new();
    io::stdin().lock().read_to_end(&mut text).context("reading standard input")?;
    match from {
        FromStdin::Last => words.push(text),
        FromStdin::Tag(tag) => {
            let place = words.iter_mut().find(|word| *word == tag);
            *place.context("Using -X option but stdin tag not match.")? = text;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_comma_divides_keys_and_arguments() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script.lua");
        fs::write(&file, "return 1").unwrap();
        let eval = |line: &str| {
            let words = redistrib_ops::words::split(line.as_bytes()).unwrap();
            let words = eval_words(&file, &words).unwrap();
            String::from_utf8(words.join(&b' ')).unwrap()
        };
        assert_eq!(eval("k1 k2 , a1"), "EVAL return 1 2 k1 k2 a1");
        assert_eq!(eval("k1"), "EVAL return 1 1 k1");
        assert_eq!(eval(", a ,"), "EVAL return 1 0 a ,");
        assert_eq!(eval(""), "EVAL return 1 0");
        let missing = eval_words(&dir.path().join("no"), &[]).unwrap_err().to_string();
        assert!(missing.contains("Can't open file"));
    }
}
