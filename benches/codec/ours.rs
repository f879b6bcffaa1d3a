//! Our decoder, in its two forms: views that borrow, and replies that own.

use bytes::Bytes;
use redistrib_resp::{Parser, Value, View};

use crate::rivals::sum;

/// Every reply as a view.
pub(crate) fn views(wire: &Bytes) -> u64 {
    let (mut rest, mut sum) = (&wire[..], 0u64);
    let mut parser = Parser::new();
    while let Some(view) = parser.next_view(&mut rest).expect("valid RESP") {
        sum = sum.wrapping_add(weigh(view));
    }
    sum
}

/// Every reply as one that owns its index and shares the buffer, as the rivals' frames do.
pub(crate) fn replies(wire: &Bytes) -> u64 {
    let (mut rest, mut sum) = (wire.clone(), 0u64);
    let mut parser = Parser::new();
    while let Some(reply) = parser.next_reply(&mut rest).expect("valid RESP") {
        sum = sum.wrapping_add(weigh(reply.view()));
    }
    sum
}

#[inline(always)]
pub(crate) fn weigh(view: View<'_>) -> u64 {
    match view.value() {
        Value::Simple(text) | Value::Error(text) | Value::Bulk(text) => text.len() as u64,
        Value::Integer(number) => number as u64,
        Value::Boolean(truth) => u64::from(truth),
        Value::Array(elements) => sum(elements, weigh),
        Value::Map(pairs) => sum(pairs, |(key, value)| weigh(key).wrapping_add(weigh(value))),
        _ => 0,
    }
}
