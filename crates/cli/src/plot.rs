//! A bench as a picture: how long servers were held up, and how fast keys moved, over time.

use std::path::Path;
use std::time::Duration;

use anyhow::{anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use redistrib_ops::bench::{BenchReport, Timeline};
use redistrib_ops::model::NodeId;

const SIZE: (u32, u32) = (1000, 640);
/// The height of the upper picture.
const UPPER: u32 = 340;
/// Into how many parts time is cut; each shows its worst.
const PARTS: usize = 250;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

/// Whether a plot can be written to this file.
///
/// # Errors
/// A file of another kind than SVG.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    ensure!(is_svg, "{}: plots are SVG: give a file that ends in .svg", path.display());
    Ok(())
}

/// Draws the bench.
///
/// # Errors
/// Those of [`check`], and when the file cannot be written.
pub fn draw(report: &BenchReport, path: &Path) -> anyhow::Result<()> {
    check(path)?;
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    paint(report, &root).map_err(|error| anyhow!("{}: {error}", path.display()))
}

type Painted = Result<(), Box<dyn std::error::Error>>;

fn paint(report: &BenchReport, root: &Area<'_>) -> Painted {
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(UPPER);
    let end = end_of(&report.timeline);
    let pair = report.pair;
    let hold_up = |which: &dyn Fn(NodeId) -> bool| worst(&report.timeline, end, which);
    let curves = [
        ("first source", RED, hold_up(&|id| id == pair.from)),
        ("first target", BLUE, hold_up(&|id| id == pair.to)),
        ("bystanders", GREEN, hold_up(&|id| id != pair.from && id != pair.to)),
    ];
    chart(&upper, "PING, longest wait in ms", end, report, &curves)?;
    let speed = [("keys", BLACK, speed(&report.timeline, end))];
    chart(&lower, "Keys moved a second", end, report, &speed)?;
    root.present()?;
    Ok(())
}

/// Draws curves over the time of the bench, with a line where each way begins.
fn chart(
    area: &Area<'_>,
    title: &str,
    end: f64,
    report: &BenchReport,
    curves: &[(&str, RGBColor, Points)],
) -> Painted {
    let points = || curves.iter().flat_map(|(_, _, points)| points);
    let top = points().map(|(_, y)| *y).fold(1.0, f64::max) * 1.05;
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    chart.configure_mesh().x_desc("seconds").light_line_style(WHITE).draw()?;
    for leg in [&report.there, &report.back] {
        for at in [leg.begun, leg.begun + leg.took] {
            let x = at.as_secs_f64();
            chart.draw_series(LineSeries::new([(x, 0.0), (x, top)], BLACK.mix(0.3)))?;
        }
    }
    for (name, color, points) in curves {
        let color = *color;
        chart
            .draw_series(LineSeries::new(points.iter().copied(), color))?
            .label(*name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
    }
    if curves.len() > 1 {
        chart.configure_series_labels().background_style(WHITE).border_style(BLACK).draw()?;
    }
    Ok(())
}

/// The time of the last sample, in seconds.
fn end_of(timeline: &Timeline) -> f64 {
    let samples = timeline.tracks.iter().filter_map(|track| track.samples.last());
    let last = samples.map(|sample| sample.at).max().unwrap_or_default();
    last.max(Duration::from_millis(1)).as_secs_f64()
}

/// In which part of the time something falls.
fn part(at: Duration, end: f64) -> usize {
    ((at.as_secs_f64() / end * PARTS as f64) as usize).min(PARTS - 1)
}

/// The middle of a part, in seconds.
fn middle(part: usize, end: f64) -> f64 {
    (part as f64 + 0.5) * end / PARTS as f64
}

/// The longest hold-up of some nodes in each part of the time, in milliseconds.
fn worst(timeline: &Timeline, end: f64, which: &dyn Fn(NodeId) -> bool) -> Points {
    let mut parts = vec![None; PARTS];
    let tracks = timeline.tracks.iter().filter(|track| which(track.node));
    for sample in tracks.flat_map(|track| &track.samples) {
        let worst = &mut parts[part(sample.at, end)];
        *worst = Some(sample.held.max(worst.unwrap_or_default()));
    }
    let points = parts.into_iter().enumerate();
    points
        .filter_map(|(part, held)| Some((middle(part, end), held?.as_secs_f64() * 1000.0)))
        .collect()
}

/// Keys a second in each part of the time.
fn speed(timeline: &Timeline, end: f64) -> Points {
    let mut parts = vec![0; PARTS];
    for progress in &timeline.progress {
        parts[part(progress.at, end)] += progress.keys;
    }
    let length = end / PARTS as f64;
    let points = parts.into_iter().enumerate();
    points.map(|(part, keys)| (middle(part, end), keys as f64 / length)).collect()
}
