//! The codec beside its rivals: `make bench-codec`.
//!
//! Criterion measures; what it found is written to `target/bench/codec.json` and shown as a table.

mod decode;
mod encode;
mod fragments;
mod hiredis;
mod ours;
mod report;
mod rivals;
mod topology;
mod workloads;

use std::time::Duration;

use criterion::Criterion;

/// All contestants are measured so many times in turns, and the best turn of each counts: what else a
/// machine does only ever makes a turn slower, and rarely all of them.
const ROUNDS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut report = report::Report::new();
    for _ in 0..if report::measures() { ROUNDS } else { 1 } {
        let mut criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(100))
            .measurement_time(Duration::from_millis(300))
            .sample_size(20)
            .nresamples(2_000)
            .output_directory(&report::target().join("criterion"))
            .configure_from_args();
        decode::bench(&mut criterion, &mut report);
        topology::bench(&mut criterion, &mut report);
        fragments::bench(&mut criterion, &mut report);
        encode::bench(&mut criterion, &mut report);
        criterion.final_summary();
        report.end_round()?;
    }
    report.write()
}
