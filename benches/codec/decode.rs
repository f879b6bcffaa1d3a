//! Replies that are there in full, one after the other.

use bytes::Bytes;
use criterion::{Criterion, Throughput};

use crate::report::{Report, Row};
use crate::workloads::{self, Workload};
use crate::{ours, rivals};

const OURS: [&str; 2] = ["views", "replies"];
const LIMITS: [&str; 2] = ["memchr", "memcpy"];

/// What hiredis reads from a socket at a time.
const HIREDIS_READS: usize = 16 << 10;

pub(crate) fn bench(criterion: &mut Criterion, report: &mut Report) {
    for workload in workloads::decoding() {
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(workload.units));
        let mut run = |name: &str, decode: fn(&Bytes) -> u64| {
            group.bench_function(name, |bencher| bencher.iter(|| decode(&workload.wire)));
        };
        let expected = ours::views(&workload.wire);
        run(OURS[0], ours::views);
        run(OURS[1], ours::replies);
        let rivals = if workload.resp3 { rivals::RESP3 } else { rivals::RESP2 };
        for rival in rivals {
            assert_eq!((rival.decode)(&workload.wire), expected, "{} reads the same", rival.name);
            run(rival.name, rival.decode);
        }
        run(LIMITS[0], line_ends);
        run(LIMITS[1], copy);
        let names = rivals.iter().map(|rival| rival.name);
        // The hiredis at hand knows RESP2 only.
        let hiredis = if workload.resp3 {
            None
        } else {
            report.time_hiredis(&workload, HIREDIS_READS, expected)
        };
        report.add(row(&workload, names.chain(hiredis).collect()));
    }
}

fn row(workload: &Workload, rivals: Vec<&'static str>) -> Row {
    Row {
        workload: workload.name,
        unit: workload.unit,
        units: workload.units,
        ours: OURS.to_vec(),
        rivals,
        limits: LIMITS.to_vec(),
    }
}

/// The physical limit of all that looks at every byte.
pub(crate) fn line_ends(wire: &Bytes) -> u64 {
    memchr::memchr_iter(b'\n', wire).count() as u64
}

/// The physical limit of all that copies.
pub(crate) fn copy(wire: &Bytes) -> u64 {
    std::hint::black_box(wire.to_vec()).len() as u64
}
