//! Bytes as text: quoted as redis-cli quotes them, or left as they are but for what would drive a terminal.

use std::io::{self, Write};

/// Writes bytes in double quotes with everything that is not printable ASCII escaped, as redis-cli does.
pub(crate) fn write_quoted(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"\"")?;
    write_escaped(bytes, out)?;
    out.write_all(b"\"")
}

/// How much of a text is escaped before it is written.
const CHUNK: usize = 16 << 10;

/// The inside of [`write_quoted`]. Escapes go into memory first: half a gigabyte of them one by one through
/// a `dyn Write` takes most of a minute.
fn write_escaped(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    let mut escaped = Vec::with_capacity(4 * bytes.len().min(CHUNK));
    for chunk in bytes.chunks(CHUNK) {
        escaped.clear();
        for &byte in chunk {
            match short_escape(byte) {
                Some(letter) => escaped.extend_from_slice(&[b'\\', letter]),
                None if is_plain(byte) => escaped.push(byte),
                None => escaped.extend_from_slice(&hex_escape(byte)),
            }
        }
        out.write_all(&escaped)?;
    }
    Ok(())
}

fn is_plain(byte: u8) -> bool {
    (b' '..=b'~').contains(&byte)
}

fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' => byte,
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x07 => b'a',
        0x08 => b'b',
        _ => return None,
    })
}

/// Which line ends [`write_harmless`] lets through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LineEnds {
    /// None: the text stays on one line.
    One,
    /// Line feeds, carriage returns before them, and tabs: a text of many lines.
    Many,
}

/// Writes text for a terminal as it is, but for control characters, characters that turn the direction of
/// writing, and bytes that are not UTF-8: those become `\xHH`. What a server says cannot move the cursor,
/// paint, or answer in the user's name.
pub(crate) fn write_harmless(bytes: &[u8], lines: LineEnds, out: &mut dyn Write) -> io::Result<()> {
    for chunk in bytes.utf8_chunks() {
        let text = chunk.valid();
        let mut from = 0;
        for (at, character) in text.char_indices() {
            if is_harmless(character, &text[at..], lines) {
                continue;
            }
            out.write_all(&text.as_bytes()[from..at])?;
            from = at + character.len_utf8();
            write_hex(&text.as_bytes()[at..from], out)?;
        }
        out.write_all(&text.as_bytes()[from..])?;
        write_hex(chunk.invalid(), out)?;
    }
    Ok(())
}

fn is_harmless(character: char, rest: &str, lines: LineEnds) -> bool {
    match character {
        '\n' | '\t' => lines == LineEnds::Many,
        '\r' => lines == LineEnds::Many && rest.starts_with("\r\n"),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
        _ => !character.is_control(),
    }
}

fn write_hex(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| out.write_all(&hex_escape(*byte)))
}

/// `\xHH`. Not by the formatter, whose ways are long for half a gigabyte.
fn hex_escape(byte: u8) -> [u8; 4] {
    let digit = |half: u8| if half < 10 { b'0' + half } else { b'a' + half - 10 };
    [b'\\', b'x', digit(byte >> 4), digit(byte & 15)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_quoted(bytes, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    fn harmless(bytes: &[u8], lines: LineEnds) -> String {
        let mut out = Vec::new();
        write_harmless(bytes, lines, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn quotes_as_redis_cli() {
        assert_eq!(quoted(b"tom"), "\"tom\"");
        assert_eq!(
            quoted(b"a\"b\\c\n\r\t\x07\x08\x00\xff~\x7f"),
            r#""a\"b\\c\n\r\t\a\b\x00\xff~\x7f""#
        );
        assert_eq!(quoted("é".as_bytes()), r#""\xc3\xa9""#);
    }

    #[test]
    fn no_text_drives_the_terminal() {
        assert_eq!(harmless(b"ERR \x1b]0;owned\x07 no", LineEnds::One), r"ERR \x1b]0;owned\x07 no");
        assert_eq!(
            harmless("a\u{9b}1mb\u{202e}c".as_bytes(), LineEnds::One),
            r"a\xc2\x9b1mb\xe2\x80\xaec"
        );
        assert_eq!(harmless(b"\xff\xfeok", LineEnds::One), r"\xff\xfeok");
        assert_eq!(harmless("grün ✓".as_bytes(), LineEnds::One), "grün ✓");
    }

    #[test]
    fn many_lines_stay_lines() {
        let info = b"# Server\r\nredis_version:7.0.15\r\n\rspoof\n";
        assert_eq!(
            harmless(info, LineEnds::Many),
            "# Server\r\nredis_version:7.0.15\r\n\\x0dspoof\n"
        );
        assert_eq!(harmless(b"a\r\nb", LineEnds::One), r"a\x0d\x0ab");
    }
}
