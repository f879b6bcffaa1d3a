//! One long array, whole and in the pieces in which a socket would give it.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use redis_protocol::resp2::decode;
use redistrib_resp::Decoder;

use crate::report::{Report, Row};
use crate::{ours, rivals, workloads};

const PIECE: usize = 4 << 10;

type Decode = fn(&Bytes) -> u64;

/// Rivals that start again with every piece: too slow for criterion's samples, timed once by hand.
const BY_HAND: [(&str, Decode); 3] = [
    ("resp-rs", resp_rs),
    ("redis-protocol bytes", redis_protocol_bytes),
    ("redis-protocol ranges", redis_protocol_ranges),
];

pub(crate) fn bench(criterion: &mut Criterion, report: &mut Report) {
    let workload = workloads::long_array();
    let wire = &workload.wire;
    let expected = ours_in(wire, PIECE);
    let mut group = criterion.benchmark_group(workload.name);
    group.throughput(Throughput::Elements(workload.units)).sample_size(10);
    group.bench_function("decoder", |bencher| bencher.iter(|| ours_in(wire, PIECE)));
    group.bench_function("decoder, whole", |bencher| bencher.iter(|| ours_in(wire, wire.len())));
    assert_eq!(redis_crate(wire), expected);
    group.bench_function("redis", |bencher| {
        bencher.iter(|| redis_crate(wire));
    });
    group.finish();
    if report.times_slow_rivals() {
        for (name, decode) in BY_HAND {
            let start = Instant::now();
            assert_eq!(decode(wire), expected);
            report.note(workload.name, name, start.elapsed().as_secs_f64() * 1e9);
        }
    }
    let hiredis = report.time_hiredis(&workload, PIECE, expected);
    report.add(Row {
        workload: workload.name,
        unit: workload.unit,
        units: workload.units,
        ours: vec!["decoder"],
        rivals: BY_HAND.map(|(name, _)| name).into_iter().chain(["redis"]).chain(hiredis).collect(),
        limits: vec!["decoder, whole"],
    });
}

fn ours_in(wire: &[u8], piece: usize) -> u64 {
    let mut decoder = Decoder::new();
    let mut sum = 0u64;
    for piece in wire.chunks(piece) {
        decoder.feed(piece);
        while let Some(view) = decoder.next_view().expect("valid RESP") {
            sum = sum.wrapping_add(ours::weigh(view));
        }
    }
    sum
}

fn resp_rs(wire: &Bytes) -> u64 {
    let mut parser = resp_rs::resp3::Parser::new();
    let mut sum = 0u64;
    for from in (0..wire.len()).step_by(PIECE) {
        parser.feed(wire.slice(from..wire.len().min(from + PIECE)));
        while let Some(frame) = parser.next_frame().expect("valid RESP") {
            sum = sum.wrapping_add(rivals::resp_rs3(&frame));
        }
    }
    sum
}

fn redis_protocol_bytes(wire: &Bytes) -> u64 {
    let mut buffer = BytesMut::new();
    let mut sum = 0u64;
    for piece in wire.chunks(PIECE) {
        buffer.extend_from_slice(piece);
        while let Some((frame, ..)) = decode::decode_bytes_mut(&mut buffer).expect("valid RESP") {
            sum = sum.wrapping_add(rivals::bytes2(&frame));
        }
    }
    sum
}

fn redis_protocol_ranges(wire: &Bytes) -> u64 {
    let mut buffer = Vec::new();
    let mut sum = 0u64;
    for piece in wire.chunks(PIECE) {
        buffer.extend_from_slice(piece);
        while let Some((frame, len)) = decode::decode_range(&buffer).expect("valid RESP") {
            sum = sum.wrapping_add(rivals::ranges2(&frame));
            buffer.drain(..len);
        }
    }
    sum
}

/// Gives a piece at each read, as a socket does.
struct Pieces<'a>(&'a [u8]);

impl std::io::Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(PIECE);
        self.0.read(&mut buffer[..len])
    }
}

fn redis_crate(wire: &Bytes) -> u64 {
    let value = redis::Parser::new().parse_value(Pieces(wire)).expect("valid RESP");
    rivals::redis_value(&value)
}
