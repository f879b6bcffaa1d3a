//! What the forms have in common: values that need no children.

use std::borrow::Cow;

use redistrib_ops::resp::{Kind, Value, View};

/// A reply's value reduced to what the forms distinguish. A streamed string is a string that came in
/// pieces, and a bulk error an error.
pub(super) enum Shape<'a> {
    Status(&'a [u8]),
    Error(&'a [u8]),
    /// An integer, double or big number as the server wrote it.
    Number(&'static str, Cow<'a, str>),
    Text(Cow<'a, [u8]>),
    Verbatim(&'a [u8]),
    Nil,
    Boolean(bool),
    Many(Many),
}

/// The sorts of aggregates.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    Array,
    Map,
    Set,
    Push,
}

/// What to print for a value.
pub(super) fn shape(view: View<'_>) -> Shape<'_> {
    match view.value() {
        Value::Simple(text) => Shape::Status(text),
        Value::Error(text) | Value::BulkError(text) => Shape::Error(text),
        Value::Integer(number) => Shape::Number("integer", number.to_string().into()),
        Value::Double(_) => Shape::Number("double", line(view)),
        Value::BigNumber(_) => Shape::Number("big number", line(view)),
        Value::Bulk(bytes) => Shape::Text(bytes.into()),
        Value::Streamed(_) => Shape::Text(view.joined().unwrap_or_default()),
        Value::Verbatim { text, .. } => Shape::Verbatim(text),
        Value::Null => Shape::Nil,
        Value::Boolean(truth) => Shape::Boolean(truth),
        Value::Map(_) | Value::Attribute(_) => Shape::Many(Many::Map),
        Value::Set(_) => Shape::Many(Many::Set),
        Value::Push(_) => Shape::Many(Many::Push),
        _ => Shape::Many(Many::Array),
    }
}

/// What stands between the type byte and the line's end: a number with all the digits the server sent.
pub(super) fn line(view: View<'_>) -> Cow<'_, str> {
    debug_assert!(matches!(view.kind(), Kind::Double | Kind::BigNumber));
    let line = view.wire().get(1..).unwrap_or_default();
    String::from_utf8_lossy(line.trim_ascii_end())
}
