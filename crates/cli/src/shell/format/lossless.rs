//! JSON from which the reply can be had back, all RESP3 types distinguished.
//!
//! | RESP | JSON |
//! | --- | --- |
//! | bulk string | `"text"`, or `{"hex":"ff00"}` where it is not UTF-8 |
//! | integer, boolean, null, array | `1`, `true`, `null`, `[…]` |
//! | simple string, error, bulk error | `{"simple":…}`, `{"error":…}`, `{"bulk_error":…}` around a string as above |
//! | double, big number | `{"double":"1.5"}`, `{"big_number":"3492…"}`: the digits as they came |
//! | verbatim string | `{"verbatim":"txt","text":…}` |
//! | map, set, push | `{"map":[[key,value],…]}`, `{"set":[…]}`, `{"push":[…]}` |
//! | streamed string | `{"chunks":[…]}` |
//! | value with attributes | `{"attributes":[[key,value],…],"value":…}` |

use std::io::{self, Write};

use redistrib_ops::resp::{Elements, Pairs, Value, View};

use super::scalar::line;

/// Writes a reply as JSON that keeps everything, without a line's end.
pub(crate) fn write_lossless(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(attributes) = view.attributes() else { return write_value(view, out) };
    out.write_all(b"{\"attributes\":")?;
    write_pairs(attributes.pairs(), out)?;
    out.write_all(b",\"value\":")?;
    write_value(view, out)?;
    out.write_all(b"}")
}

fn write_value(view: View<'_>, out: &mut dyn Write) -> io::Result<()> {
    match view.value() {
        Value::Null => out.write_all(b"null"),
        Value::Integer(number) => write!(out, "{number}"),
        Value::Boolean(truth) => write!(out, "{truth}"),
        Value::Bulk(bytes) => write_string(bytes, out),
        Value::Array(elements) => write_list(elements, out),
        Value::Simple(text) => tagged("simple", out, |out| write_string(text, out)),
        Value::Error(text) => tagged("error", out, |out| write_string(text, out)),
        Value::BulkError(text) => tagged("bulk_error", out, |out| write_string(text, out)),
        Value::Double(_) => tagged("double", out, |out| write_string(line(view).as_bytes(), out)),
        Value::BigNumber(_) => {
            tagged("big_number", out, |out| write_string(line(view).as_bytes(), out))
        }
        Value::Verbatim { format, text } => tagged("verbatim", out, |out| {
            write_string(&format, out)?;
            out.write_all(b",\"text\":")?;
            write_string(text, out)
        }),
        Value::Streamed(chunks) => tagged("chunks", out, |out| write_list(chunks, out)),
        Value::Set(elements) => tagged("set", out, |out| write_list(elements, out)),
        Value::Push(elements) => tagged("push", out, |out| write_list(elements, out)),
        Value::Map(pairs) => tagged("map", out, |out| write_pairs(pairs, out)),
        // Attributes stand beside a value, never in its place; whatever else may come has its wire form.
        _ => tagged("wire", out, |out| write_string(view.wire(), out)),
    }
}

fn tagged(
    name: &str,
    out: &mut dyn Write,
    content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    write!(out, "{{\"{name}\":")?;
    content(out)?;
    out.write_all(b"}")
}

fn write_list(elements: Elements<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (position, element) in elements.enumerate() {
        out.write_all(if position > 0 { b"," } else { b"" })?;
        write_lossless(element, out)?;
    }
    out.write_all(b"]")
}

fn write_pairs(pairs: Pairs<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(b"[")?;
    for (position, (key, value)) in pairs.enumerate() {
        out.write_all(if position > 0 { b",[" } else { b"[" })?;
        write_lossless(key, out)?;
        out.write_all(b",")?;
        write_lossless(value, out)?;
        out.write_all(b"]")?;
    }
    out.write_all(b"]")
}

fn write_string(bytes: &[u8], out: &mut dyn Write) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => serde_json::to_writer(out, text).map_err(io::Error::from),
        Err(_) => {
            out.write_all(b"{\"hex\":\"")?;
            bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
            out.write_all(b"\"}")
        }
    }
}
