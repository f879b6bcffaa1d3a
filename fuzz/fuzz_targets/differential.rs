//! What is valid is read as `redis-protocol` reads it. The differences that stay are listed, with
//! their reasons, in the README beside this folder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use redis_protocol::resp3::decode::complete::decode_range;
use redis_protocol::resp3::types::{RangeFrame, VerbatimStringFormat};
use redistrib_resp::{DecodeErrorKind, Kind, Parser, Value, View};

fuzz_target!(|data: &[u8]| {
    let (mut parser, mut rest) = (Parser::new(), data);
    let ours = parser.next_view(&mut rest);
    let theirs = decode_range(data);
    match (ours, theirs) {
        (Ok(Some(view)), _) if goes_beyond(view) => {}
        (Ok(Some(view)), Ok(Some((frame, len)))) => {
            assert_eq!(len, data.len() - rest.len());
            assert!(same(view, &frame, data), "{view:?} is {frame:?}");
        }
        (Ok(Some(view)), theirs) => panic!("{view:?} is {theirs:?}"),
        (Ok(None), Ok(Some((frame, _)))) => panic!("incomplete is {frame:?}"),
        (Err(error), Ok(Some((frame, _)))) if !is_stricter(error.kind()) => {
            panic!("{error} is {frame:?}")
        }
        (Ok(None) | Err(_), _) => {}
    }
});

/// Whether the reply has something that is valid, and that they refuse or cannot hold.
fn goes_beyond(view: View<'_>) -> bool {
    let attributes = view.attributes();
    let unusual = match view.value() {
        Value::Streamed(_) => true,
        Value::Null => view.wire() != b"_\r\n" || attributes.is_some(),
        Value::Verbatim { format, .. } => !matches!(&format, b"txt" | b"mkd"),
        Value::Map(pairs) => is_streamed(view) || pairs.clone().any(|(key, _)| !can_be_key(key)),
        Value::Set(elements) => is_streamed(view) || !elements.clone().all(can_be_key),
        Value::Array(_) => is_streamed(view),
        _ => false,
    };
    let within_attributes = attributes.is_some_and(|attributes| {
        attributes.attributes().is_some()
            || attributes.pairs().any(|(key, _)| !can_be_key(key))
            || attributes.elements().any(goes_beyond)
    });
    unusual || within_attributes || view.elements().any(goes_beyond)
}

fn is_streamed(view: View<'_>) -> bool {
    view.wire().get(1) == Some(&b'?')
}

/// Whether they can hash it; of equal values they keep one.
fn can_be_key(view: View<'_>) -> bool {
    !matches!(view.kind(), Kind::Array | Kind::Map | Kind::Set | Kind::Push)
}

/// Whether they let pass what is an error for us.
fn is_stricter(kind: DecodeErrorKind) -> bool {
    use DecodeErrorKind::*;
    match kind {
        MissingCrlf | BadNumber | NegativeLength | BadNull | BadDouble | BadBigNumber
        | BadVerbatim => true,
        TooDeep | BulkTooLong | TooManyElements | LineTooLong | ReplyTooLong => true,
        NestedPush | StrayChunk | StrayEnd => true,
        UnknownType(byte) => byte == b'H',
        _ => false,
    }
}

fn same(view: View<'_>, frame: &RangeFrame, data: &[u8]) -> bool {
    let text = |range: &(usize, usize)| data.get(range.0..range.1);
    match (view.value(), frame) {
        (Value::Simple(ours), RangeFrame::SimpleString { data, .. })
        | (Value::Error(ours), RangeFrame::SimpleError { data, .. })
        | (Value::Bulk(ours), RangeFrame::BlobString { data, .. })
        | (Value::BulkError(ours), RangeFrame::BlobError { data, .. })
        | (Value::BigNumber(ours), RangeFrame::BigNumber { data, .. }) => text(data) == Some(ours),
        (
            Value::Verbatim { format, text: ours },
            RangeFrame::VerbatimString { data, format: theirs, .. },
        ) => {
            let theirs = match theirs {
                VerbatimStringFormat::Text => b"txt",
                VerbatimStringFormat::Markdown => b"mkd",
            };
            text(data) == Some(ours) && *theirs == format
        }
        (Value::Integer(ours), RangeFrame::Number { data, .. }) => ours == *data,
        (Value::Boolean(ours), RangeFrame::Boolean { data, .. }) => ours == *data,
        (Value::Double(ours), RangeFrame::Double { data, .. }) => {
            ours == *data || (ours.is_nan() && data.is_nan())
        }
        (Value::Null, RangeFrame::Null) => true,
        (Value::Array(ours), RangeFrame::Array { data: theirs, .. })
        | (Value::Push(ours), RangeFrame::Push { data: theirs, .. }) => {
            ours.len() == theirs.len()
                && ours.zip(theirs).all(|(ours, theirs)| same(ours, theirs, data))
        }
        (Value::Set(mut ours), RangeFrame::Set { data: theirs, .. }) => {
            ours.all(|ours| theirs.iter().any(|theirs| same(ours, theirs, data)))
        }
        (Value::Map(mut ours), RangeFrame::Map { data: theirs, .. }) => ours.all(|(key, _)| {
            // Of equal keys they keep one, with the value of another.
            theirs.keys().any(|theirs| same(key, theirs, data))
        }),
        _ => false,
    }
}
