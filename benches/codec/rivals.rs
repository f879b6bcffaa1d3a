//! The rival decoders, each used the way its documentation shows, and what is done with their
//! results: every element is visited, and they must all come to the same sum.

use bytes::Bytes;
use redis_protocol::{resp2, resp3};

/// One decoder: takes all replies in the bytes, and returns the sum over their elements.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) decode: fn(&Bytes) -> u64,
}

const fn contestant(name: &'static str, decode: fn(&Bytes) -> u64) -> Contestant {
    Contestant { name, decode }
}

/// The rivals as they decode RESP2, for which some have a faster parser than for RESP3.
pub(crate) const RESP2: &[Contestant] = &[
    contestant("resp-rs", |wire| {
        let (mut rest, mut sum) = (wire.clone(), 0u64);
        while !rest.is_empty() {
            let (frame, after) = resp_rs::resp2::parse_frame(rest).expect("valid RESP2");
            sum = sum.wrapping_add(resp_rs2(&frame));
            rest = after;
        }
        sum
    }),
    contestant("redis-protocol bytes", |wire| {
        let (mut rest, mut sum) = (wire.clone(), 0u64);
        while let Ok(Some((frame, len))) = resp2::decode::decode_bytes(&rest) {
            sum = sum.wrapping_add(bytes2(&frame));
            rest = rest.slice(len..);
        }
        sum
    }),
    contestant("redis-protocol ranges", |wire| {
        let (mut rest, mut sum) = (&wire[..], 0u64);
        while let Ok(Some((frame, len))) = resp2::decode::decode_range(rest) {
            sum = sum.wrapping_add(ranges2(&frame));
            rest = &rest[len..];
        }
        sum
    }),
    contestant("redis", redis_crate),
];

/// The rivals as they decode RESP3.
pub(crate) const RESP3: &[Contestant] = &[
    contestant("resp-rs", |wire| {
        let (mut rest, mut sum) = (wire.clone(), 0u64);
        while !rest.is_empty() {
            let (frame, after) = resp_rs::resp3::parse_frame(rest).expect("valid RESP3");
            sum = sum.wrapping_add(resp_rs3(&frame));
            rest = after;
        }
        sum
    }),
    contestant("redis-protocol bytes", |wire| {
        let (mut rest, mut sum) = (wire.clone(), 0u64);
        while let Ok(Some((frame, len))) = resp3::decode::complete::decode_bytes(&rest) {
            sum = sum.wrapping_add(bytes3(&frame));
            rest = rest.slice(len..);
        }
        sum
    }),
    contestant("redis-protocol ranges", |wire| {
        let (mut rest, mut sum) = (&wire[..], 0u64);
        while let Ok(Some((frame, len))) = resp3::decode::complete::decode_range(rest) {
            sum = sum.wrapping_add(ranges3(&frame));
            rest = &rest[len..];
        }
        sum
    }),
    contestant("redis", redis_crate),
];

fn redis_crate(wire: &Bytes) -> u64 {
    let (mut rest, mut sum) = (&wire[..], 0u64);
    let mut parser = redis::Parser::new();
    while let Ok(value) = parser.parse_value(&mut rest) {
        sum = sum.wrapping_add(redis_value(&value));
    }
    sum
}

/// Adds up what is inside an aggregate. Scalars are weighed in the loop itself, for everybody.
#[inline(never)]
pub(crate) fn sum<T>(items: impl IntoIterator<Item = T>, weigh: impl Fn(T) -> u64) -> u64 {
    let mut sum = 0u64;
    for item in items {
        sum = sum.wrapping_add(weigh(item));
    }
    sum
}

#[inline(always)]
pub(crate) fn resp_rs2(frame: &resp_rs::resp2::Frame) -> u64 {
    use resp_rs::resp2::Frame::*;
    match frame {
        SimpleString(text) | Error(text) | BulkString(Some(text)) => text.len() as u64,
        Integer(number) => *number as u64,
        Array(Some(elements)) => sum(elements, resp_rs2),
        BulkString(None) | Array(None) => 0,
    }
}

#[inline(always)]
pub(crate) fn resp_rs3(frame: &resp_rs::resp3::Frame) -> u64 {
    use resp_rs::resp3::Frame::*;
    match frame {
        SimpleString(text) | Error(text) | BulkString(Some(text)) => text.len() as u64,
        Integer(number) => *number as u64,
        Boolean(truth) => u64::from(*truth),
        Array(Some(elements)) => sum(elements, resp_rs3),
        Map(pairs) => sum(pairs, |(key, value)| resp_rs3(key).wrapping_add(resp_rs3(value))),
        _ => 0,
    }
}

#[inline(always)]
pub(crate) fn bytes2(frame: &resp2::types::BytesFrame) -> u64 {
    use resp2::types::BytesFrame::*;
    match frame {
        SimpleString(text) | BulkString(text) => text.len() as u64,
        Error(text) => text.len() as u64,
        Integer(number) => *number as u64,
        Array(elements) => sum(elements, bytes2),
        Null => 0,
    }
}

#[inline(always)]
pub(crate) fn ranges2(frame: &resp2::types::RangeFrame) -> u64 {
    use resp2::types::RangeFrame::*;
    match frame {
        SimpleString(range) | BulkString(range) | Error(range) => (range.1 - range.0) as u64,
        Integer(number) => *number as u64,
        Array(elements) => sum(elements, ranges2),
        Null => 0,
    }
}

#[inline(always)]
fn bytes3(frame: &resp3::types::BytesFrame) -> u64 {
    use resp3::types::BytesFrame::*;
    match frame {
        SimpleString { data, .. } | BlobString { data, .. } => data.len() as u64,
        Number { data, .. } => *data as u64,
        Boolean { data, .. } => u64::from(*data),
        Array { data, .. } => sum(data, bytes3),
        Map { data, .. } => sum(data, |(key, value)| bytes3(key).wrapping_add(bytes3(value))),
        _ => 0,
    }
}

#[inline(always)]
fn ranges3(frame: &resp3::types::RangeFrame) -> u64 {
    use resp3::types::RangeFrame::*;
    match frame {
        SimpleString { data, .. } | BlobString { data, .. } => (data.1 - data.0) as u64,
        Number { data, .. } => *data as u64,
        Boolean { data, .. } => u64::from(*data),
        Array { data, .. } => sum(data, ranges3),
        Map { data, .. } => sum(data, |(key, value)| ranges3(key).wrapping_add(ranges3(value))),
        _ => 0,
    }
}

#[inline(always)]
pub(crate) fn redis_value(value: &redis::Value) -> u64 {
    use redis::Value::*;
    match value {
        Int(number) => *number as u64,
        BulkString(text) => text.len() as u64,
        SimpleString(text) => text.len() as u64,
        Okay => 2,
        Boolean(truth) => u64::from(*truth),
        Array(elements) | Set(elements) => sum(elements, redis_value),
        Map(pairs) => sum(pairs, |(key, value)| redis_value(key).wrapping_add(redis_value(value))),
        _ => 0,
    }
}
