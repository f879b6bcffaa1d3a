//! `--intrinsic-latency`: how long the system leaves a program without a chance to run. No server is asked.

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::Result;
use redistrib_ops::Stop;
use serde_json::json;

use super::format::ReplyForm;
use super::options::Options;
use super::printer::Printer;
use crate::interrupt;

/// How many steps a run has: so few that a run takes microseconds at most where nothing comes between.
const STEPS: u64 = 1000;

/// Runs for so long, or until Ctrl-C.
pub(super) fn run(options: &Options, duration: Duration) -> Result<bool> {
    let printer = Printer::new(&options.output);
    let is_json = printer.form() == ReplyForm::Lossless;
    let cancel = interrupt::quietly()?;
    let begun = Instant::now();
    let (mut runs, mut worst) = (0_u64, 0);
    while begun.elapsed() < duration && cancel.requested() == Stop::No {
        let began = Instant::now();
        black_box((0..STEPS).fold(0, |sum: u64, step| black_box(sum.wrapping_mul(31) ^ step)));
        let took = began.elapsed().as_micros();
        runs += 1;
        if took > worst {
            worst = took;
            if !is_json {
                printer.line(&format!("Max latency so far: {worst} microseconds."))?;
            }
        }
    }
    let average = begun.elapsed().as_secs_f64() * 1e6 / runs.max(1) as f64;
    if is_json {
        let document = json!({ "runs": runs, "average_us": average, "worst_us": worst });
        printer.line(&document.to_string())?;
        return Ok(true);
    }
    printer.line(&format!(
        "\n{runs} total runs (avg latency: {average:.4} microseconds / {:.2} nanoseconds per run).",
        average * 1e3
    ))?;
    printer.line(&format!(
        "Worst run took {:.0}x longer than the average latency.",
        worst as f64 / average
    ))?;
    Ok(true)
}
