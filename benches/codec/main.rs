//! The codec beside its rivals: `make bench-codec`.
//!
//! Criterion measures; what it found is written to `target/bench/codec.json` and shown as a table.

mod decode;
mod encode;
mod fragments;
mod ours;
mod report;
mod rivals;
mod topology;
mod workloads;

use std::time::Duration;

use criterion::Criterion;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .sample_size(20)
        .output_directory(&report::target().join("criterion"))
        .configure_from_args();
    let mut report = report::Report::default();
    decode::bench(&mut criterion, &mut report);
    topology::bench(&mut criterion, &mut report);
    fragments::bench(&mut criterion, &mut report);
    encode::bench(&mut criterion, &mut report);
    criterion.final_summary();
    report.write()
}
