//! A line into words, by the quoting rules of inline commands and of redis-cli's prompt.

use std::fmt;

/// A quote that is not closed, or is closed in the middle of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unbalanced;

impl fmt::Display for Unbalanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // redis-cli's own words.
        f.write_str("Invalid argument(s)")
    }
}

impl std::error::Error for Unbalanced {}

/// What a closing quote means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// The word ends: for redis-cli, and for servers of its kind.
    Ends,
    /// The word may go on, as in a shell: for valkey-cli since 9.1.
    Joins,
}

/// Splits a line at its blanks.
///
/// ```
/// let words = redistrib_ops::words::split(br#"SET stu:1 "max\x20ie" 'tom'"#)?;
/// assert_eq!(words, [&b"SET"[..], b"stu:1", b"max ie", b"tom"]);
/// # Ok::<(), redistrib_ops::words::Unbalanced>(())
/// ```
///
/// In double quotes `\n \r \t \a \b`, `\xHH` and a backslash before anything
/// else are understood; in single quotes `\'` alone. A closing quote ends the word.
///
/// # Errors
/// [`Unbalanced`].
pub fn split(line: &[u8]) -> Result<Vec<Vec<u8>>, Unbalanced> {
    split_with(line, Closing::Ends)
}

/// As [`split`], with what a closing quote means.
///
/// ```
/// use redistrib_ops::words::{Closing, split, split_with};
/// let line = br#"get ""k'e'"y""#;
/// assert_eq!(split_with(line, Closing::Joins)?, [b"get", b"key"]);
/// assert!(split(line).is_err());
/// # Ok::<(), redistrib_ops::words::Unbalanced>(())
/// ```
///
/// # Errors
/// [`Unbalanced`].
pub fn split_with(line: &[u8], closing: Closing) -> Result<Vec<Vec<u8>>, Unbalanced> {
    let mut words = Vec::new();
    let mut at = 0;
    loop {
        at += line.iter().skip(at).take_while(|&&byte| is_blank(byte)).count();
        if at >= line.len() {
            return Ok(words);
        }
        let (word, end) = read_word(line, at, closing)?;
        words.push(word);
        at = end;
    }
}

fn is_blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b || byte == 0
}

/// Reads the word at `at`; returns it and the place after it.
fn read_word(line: &[u8], mut at: usize, closing: Closing) -> Result<(Vec<u8>, usize), Unbalanced> {
    let mut word = Vec::new();
    while let Some(&byte) = line.get(at) {
        match byte {
            _ if is_blank(byte) => break,
            b'"' | b'\'' => {
                at = read_quoted(line, at + 1, byte, &mut word)?;
                let is_end = line.get(at).is_none_or(|&next| is_blank(next));
                if !is_end && closing == Closing::Ends {
                    return Err(Unbalanced);
                }
            }
            _ => {
                word.push(byte);
                at += 1;
            }
        }
    }
    Ok((word, at))
}

/// Reads up to the closing `quote` into `word`; returns the place after it.
fn read_quoted(
    line: &[u8],
    mut at: usize,
    quote: u8,
    word: &mut Vec<u8>,
) -> Result<usize, Unbalanced> {
    loop {
        match line.get(at..).unwrap_or_default() {
            [] => return Err(Unbalanced),
            [byte, ..] if *byte == quote => return Ok(at + 1),
            [b'\\', b'x', high, low, ..]
                if quote == b'"' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                word.push(hex(*high) << 4 | hex(*low));
                at += 4;
            }
            [b'\\', escaped, ..] if quote == b'"' || *escaped == b'\'' => {
                word.push(if quote == b'"' { unescape(*escaped) } else { b'\'' });
                at += 2;
            }
            [byte, ..] => {
                word.push(*byte);
                at += 1;
            }
        }
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).map_or(0, |value| value as u8)
}

fn unescape(letter: u8) -> u8 {
    match letter {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'a' => 0x07,
        b'b' => 0x08,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<Vec<Vec<u8>>, Unbalanced> {
        split(line.as_bytes())
    }

    #[test]
    fn splits_as_redis_cli() {
        for (line, expected) in [
            ("", &[][..]),
            ("  set\tmykey \r\n tom ", &[&b"set"[..], b"mykey", b"tom"]),
            (r#"set k "a b""#, &[b"set", b"k", b"a b"]),
            (r#"set k "" ''"#, &[b"set", b"k", b"", b""]),
            (r#""\x41\xff\xZZ\n\r\t\a\b\\\"\q""#, &[b"A\xffxZZ\n\r\t\x07\x08\\\"q"]),
            (r#"'a "b" \' \n'"#, &[br#"a "b" ' \n"#]),
            (r#"pre"fix" x"#, &[b"prefix", b"x"]),
            ("HSET stu name 'maxie'", &[b"HSET", b"stu", b"name", b"maxie"]),
        ] {
            assert_eq!(words(line).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn unbalanced_quotes_are_an_error() {
        for line in [
            r#"""#,
            "'",
            r#"set k "a"#,
            r#""a"b"#,
            "'a'b",
            r#""a\"#,
            r#""a\""#,
            r"'a\'",
            r#"a"b"c"#,
        ] {
            assert_eq!(words(line), Err(Unbalanced), "{line}");
        }
    }
}
