//! The forms for programs as redis-cli has them: raw, CSV, and its JSON.

use std::io::{self, Write};

use redistrib_ops::resp::View;

use super::scalar::{Many, Shape, shape};
use super::text::write_quoted;

/// Writes the values alone, as `--raw` does: nothing escaped, elements divided by `delimiter` (`-d`), a
/// map's value set off from its key by a blank. An error text ends its line.
pub(crate) fn write_raw(view: View<'_>, delimiter: &[u8], out: &mut dyn Write) -> io::Result<()> {
    match shape(view) {
        Shape::Error(text) => {
            out.write_all(text)?;
            out.write_all(b"\n")
        }
        Shape::Status(text) | Shape::Verbatim(text) => out.write_all(text),
        Shape::Text(bytes) => out.write_all(&bytes),
        Shape::Number(_, digits) => out.write_all(digits.as_bytes()),
        Shape::Nil => Ok(()),
        Shape::Boolean(truth) => write!(out, "({truth})"),
        Shape::Many(many) => {
            for (position, element) in view.elements().enumerate() {
                if many == Many::Map && position % 2 == 1 {
                    out.write_all(b" ")?;
                } else if position > 0 {
                    out.write_all(delimiter)?;
                }
                write_raw(element, delimiter, out)?;
            }
            Ok(())
        }
    }
}

/// Writes a reply on one line with commas between the values of all depths, as `--csv` does, without the
/// line's end.
pub(crate) fn write_csv(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    match shape(view) {
        Shape::Error(text) => {
            out.write_all(b"ERROR,")?;
            write_quoted(text, out)
        }
        Shape::Status(text) | Shape::Verbatim(text) => write_quoted(text, out),
        Shape::Text(bytes) => write_quoted(&bytes, out),
        Shape::Number(_, digits) => out.write_all(digits.as_bytes()),
        Shape::Nil => out.write_all(b"NULL"),
        Shape::Boolean(truth) => write!(out, "{truth}"),
        Shape::Many(_) => {
            for (position, element) in view.elements().enumerate() {
                if position > 0 {
                    out.write_all(b",")?;
                }
                write_csv(element, out)?;
            }
            Ok(())
        }
    }
}

/// How redis-cli's JSON writes strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strings {
    /// As they are, control characters escaped (`--json`). What is not UTF-8 goes out as it is.
    Unicode,
    /// Quoted as for a terminal, then once more for JSON (`--quoted-json`): ASCII only.
    Quoted,
}

/// Writes a reply as redis-cli's `--json` does, without a line's end. As there, an error is not JSON
/// (`error:"…"`), nor are `inf` and `nan`; [`super::write_lossless`] has neither fault.
pub(crate) fn write_json(view: View<'_>, strings: Strings, out: &mut dyn Write) -> io::Result<()> {
    match shape(view) {
        Shape::Error(text) => {
            out.write_all(b"error:")?;
            write_json_string(text, strings, out)
        }
        Shape::Status(text) | Shape::Verbatim(text) => write_json_string(text, strings, out),
        Shape::Text(bytes) => write_json_string(&bytes, strings, out),
        Shape::Number(_, digits) => out.write_all(digits.as_bytes()),
        Shape::Nil => out.write_all(b"null"),
        Shape::Boolean(truth) => write!(out, "{truth}"),
        Shape::Many(Many::Map) => write_json_object(view, strings, out),
        Shape::Many(_) => {
            out.write_all(b"[")?;
            for (position, element) in view.elements().enumerate() {
                out.write_all(if position > 0 { b"," } else { b"" })?;
                write_json(element, strings, out)?;
            }
            out.write_all(b"]")
        }
    }
}

fn write_json_object(view: View<'_>, strings: Strings, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (position, (key, value)) in view.pairs().enumerate() {
        out.write_all(if position > 0 { b"," } else { b"" })?;
        match shape(key) {
            Shape::Status(_) | Shape::Text(_) | Shape::Verbatim(_) => {
                write_json(key, strings, out)?
            }
            _ => {
                let mut name = Vec::new();
                write_json(key, strings, &mut name)?;
                write_json_string(&name, Strings::Unicode, out)?;
            }
        }
        out.write_all(b":")?;
        write_json(value, strings, out)?;
    }
    out.write_all(b"}")
}

fn write_json_string(bytes: &[u8], strings: Strings, out: &mut dyn Write) -> io::Result<()> {
    if strings == Strings::Quoted {
        let mut quoted = Vec::new();
        write_quoted(bytes, &mut quoted)?;
        // The outer quotes are JSON's own.
        let inner = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        return write_json_string(inner, Strings::Unicode, out);
    }
    out.write_all(b"\"")?;
    for piece in bytes.split_inclusive(|&byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let Some((&last, before)) = piece.split_last() else { continue };
        out.write_all(before)?;
        write_json_byte(last, out)?;
    }
    out.write_all(b"\"")
}

fn write_json_byte(byte: u8, out: &mut dyn Write) -> io::Result<()> {
    match byte {
        b'"' | b'\\' => out.write_all(&[b'\\', byte]),
        b'\n' => out.write_all(b"\\n"),
        b'\r' => out.write_all(b"\\r"),
        b'\t' => out.write_all(b"\\t"),
        0x08 => out.write_all(b"\\b"),
        0x0c => out.write_all(b"\\f"),
        0..b' ' => write!(out, "\\u{byte:04x}"),
        _ => out.write_all(&[byte]),
    }
}
