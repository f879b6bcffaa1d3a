//! Commands on their way out: from the same borrowed texts to one new buffer.

use bytes::{Bytes, BytesMut};
use criterion::{Criterion, Throughput};
use redis_protocol::resp2::encode::extend_encode_borrowed;
use redis_protocol::resp2::types::BorrowedFrame;
use redistrib_resp::Pipeline;

use crate::report::{Report, Row};
use crate::workloads;

/// The arguments of each command.
type Commands<'a> = [Vec<&'a [u8]>];

type Encode = fn(&Commands<'_>) -> Vec<u8>;

const RIVALS: [(&str, Encode); 3] =
    [("resp-rs", resp_rs), ("redis-protocol", redis_protocol), ("redis", redis_crate)];

pub(crate) fn bench(criterion: &mut Criterion, report: &mut Report) {
    let pairs = workloads::pairs();
    let sets: Vec<Vec<&[u8]>> = pairs
        .iter()
        .map(|(key, value)| vec![&b"SET"[..], key.as_bytes(), value.as_bytes()])
        .collect();
    run(criterion, report, "encoding a pipeline of 10,000 SETs", "command", 10_000, &sets);

    let mut migrate: Vec<&[u8]> =
        [&b"MIGRATE"[..], b"10.0.0.7", b"7000", b"", b"0", b"5000", b"KEYS"].to_vec();
    migrate.extend(pairs[..1_000].iter().map(|(key, _)| key.as_bytes()));
    run(criterion, report, "encoding MIGRATE with 1,000 keys", "key", 1_000, &[migrate]);
}

fn run(
    criterion: &mut Criterion,
    report: &mut Report,
    workload: &'static str,
    unit: &'static str,
    units: u64,
    commands: &Commands<'_>,
) {
    let mut group = criterion.benchmark_group(workload);
    group.throughput(Throughput::Elements(units));
    let wire = ours(commands);
    group.bench_function("pipeline", |bencher| bencher.iter(|| ours(commands)));
    for (name, encode) in RIVALS {
        assert!(encode(commands) == wire, "{name} encodes the same");
        group.bench_function(name, |bencher| bencher.iter(|| encode(commands)));
    }
    group.bench_function("memcpy", |bencher| bencher.iter(|| wire.clone()));
    group.finish();
    report.add(Row {
        workload,
        unit,
        units,
        ours: vec!["pipeline"],
        rivals: RIVALS.map(|(name, _)| name).to_vec(),
        limits: vec!["memcpy"],
    });
}

fn ours(commands: &Commands<'_>) -> Vec<u8> {
    let mut pipeline = Pipeline::new();
    for args in commands {
        pipeline.command(args);
    }
    pipeline.into_bytes()
}

fn resp_rs(commands: &Commands<'_>) -> Vec<u8> {
    use resp_rs::resp2::{Frame, frame_to_bytes};
    let bulk = |arg: &&[u8]| Frame::BulkString(Some(Bytes::copy_from_slice(arg)));
    let mut wire = Vec::new();
    for args in commands {
        let frame = Frame::Array(Some(args.iter().map(bulk).collect()));
        wire.extend_from_slice(&frame_to_bytes(&frame));
    }
    wire
}

fn redis_protocol(commands: &Commands<'_>) -> Vec<u8> {
    let mut wire = BytesMut::new();
    for args in commands {
        let args: Vec<_> = args.iter().map(|arg| BorrowedFrame::BulkString(arg)).collect();
        extend_encode_borrowed(&mut wire, &BorrowedFrame::Array(&args), false)
            .expect("the buffer grows");
    }
    wire.into()
}

fn redis_crate(commands: &Commands<'_>) -> Vec<u8> {
    let mut pipeline = redis::pipe();
    for args in commands {
        let mut command = redis::Cmd::new();
        args.iter().for_each(|arg| {
            command.arg(arg);
        });
        pipeline.add_command(command);
    }
    pipeline.get_packed_pipeline()
}
