//! A bench as a picture: how long servers were held up, and how fast keys moved, over time.

use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use plotters::coord::Shift;
use plotters::prelude::*;
use redistrib_ops::bench::{BenchReport, Timeline};
use redistrib_ops::model::NodeId;

const SIZE: (u32, u32) = (1000, 640);
/// The height of the upper picture.
const UPPER: u32 = 340;
/// Into how many parts time is cut; each shows its worst.
const PARTS: usize = 250;
/// How much of the idle time before the first slot is drawn, as a part of all that follows.
const IDLE_PART: f64 = 0.1;
/// How many times as high as the highest point a picture with a legend is.
const LEGEND_ROOM: f64 = 1.45;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Points = Vec<(f64, f64)>;

/// Makes sure that a plot can be written to this file, which is left as it is.
///
/// # Errors
/// A file of another kind than SVG, or one that cannot be written.
pub fn check(path: &Path) -> anyhow::Result<()> {
    let is_svg = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("svg"));
    ensure!(is_svg, "{}: plots are SVG: give a file that ends in .svg", path.display());
    let is_new = !path.exists();
    let opened = OpenOptions::new().append(true).create(true).open(path);
    let tried = opened.and_then(|_| if is_new { fs::remove_file(path) } else { Ok(()) });
    tried.with_context(|| format!("{}: the plot cannot be written", path.display()))
}

/// Draws the bench.
///
/// # Errors
/// When the file cannot be written.
pub fn draw(report: &BenchReport, path: &Path) -> anyhow::Result<()> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    paint(report, &root).map_err(|error| anyhow!("{}: {error}", path.display()))
}

type Painted = Result<(), Box<dyn std::error::Error>>;

fn paint(report: &BenchReport, root: &Area<'_>) -> Painted {
    root.fill(&WHITE)?;
    let (upper, lower) = root.split_vertically(UPPER);
    let time = time_of(report);
    let pair = report.pair;
    let hold_up = |which: &dyn Fn(NodeId) -> bool| worst(&report.timeline, &time, which);
    let curves = [
        ("first source", RED, hold_up(&|id| id == pair.from)),
        ("first target", BLUE, hold_up(&|id| id == pair.to)),
        ("bystanders", GREEN, hold_up(&|id| id != pair.from && id != pair.to)),
    ];
    chart(&upper, "PING, longest wait in ms", &time, report, &curves)?;
    let speed = [("keys", BLACK, speed(&report.timeline, &time))];
    chart(&lower, "Keys moved a second", &time, report, &speed)?;
    root.present()?;
    Ok(())
}

/// Draws curves over the time of the bench, with a line where each way begins.
fn chart(
    area: &Area<'_>,
    title: &str,
    time: &Range<f64>,
    report: &BenchReport,
    curves: &[(&str, RGBColor, Points)],
) -> Painted {
    let points = || curves.iter().flat_map(|(_, _, points)| points);
    let highest = points().map(|(_, y)| *y).fold(1.0, f64::max);
    // The legend stands above all points.
    let top = highest * if curves.len() > 1 { LEGEND_ROOM } else { 1.05 };
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(70)
        .build_cartesian_2d(time.clone(), 0.0..top)?;
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
        let labels = &mut chart.configure_series_labels();
        let labels = labels.position(SeriesLabelPosition::UpperRight);
        labels.background_style(WHITE).border_style(BLACK).draw()?;
    }
    Ok(())
}

/// The time that is drawn, in seconds: from a little before the first slot moves, of which the idle time before is a
/// sample, to the last sample.
fn time_of(report: &BenchReport) -> Range<f64> {
    let samples = report.timeline.tracks.iter().filter_map(|track| track.samples.last());
    let last = samples.map(|sample| sample.at).max().unwrap_or_default();
    let begun = report.there.begun;
    let end = last.max(begun + Duration::from_millis(1));
    let start = begun.saturating_sub((end - begun).mul_f64(IDLE_PART));
    start.as_secs_f64()..end.as_secs_f64()
}

/// In which part of the time something falls, if in any.
fn part(at: Duration, time: &Range<f64>) -> Option<usize> {
    let since = at.as_secs_f64() - time.start;
    let part = (since / (time.end - time.start) * PARTS as f64) as usize;
    (since >= 0.0).then_some(part.min(PARTS - 1))
}

/// The middle of a part, in seconds.
fn middle(part: usize, time: &Range<f64>) -> f64 {
    time.start + (part as f64 + 0.5) * (time.end - time.start) / PARTS as f64
}

/// The longest hold-up of some nodes in each part of the time, in milliseconds.
fn worst(timeline: &Timeline, time: &Range<f64>, which: &dyn Fn(NodeId) -> bool) -> Points {
    let mut parts = vec![None; PARTS];
    let tracks = timeline.tracks.iter().filter(|track| which(track.node));
    for sample in tracks.flat_map(|track| &track.samples) {
        let Some(part) = part(sample.at, time) else { continue };
        let worst: &mut Option<Duration> = &mut parts[part];
        *worst = Some(sample.held.max(worst.unwrap_or_default()));
    }
    let points = parts.into_iter().enumerate();
    points
        .filter_map(|(part, held)| Some((middle(part, time), held?.as_secs_f64() * 1000.0)))
        .collect()
}

/// Keys a second in each part of the time.
fn speed(timeline: &Timeline, time: &Range<f64>) -> Points {
    let mut parts = vec![0; PARTS];
    for progress in &timeline.progress {
        if let Some(part) = part(progress.at, time) {
            parts[part] += progress.keys;
        }
    }
    let length = (time.end - time.start) / PARTS as f64;
    let points = parts.into_iter().enumerate();
    points.map(|(part, keys)| (middle(part, time), keys as f64 / length)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_is_told_beforehand_and_one_that_can_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name| folder.path().join(name);
        fs::write(file("old.svg"), "old").unwrap();
        check(&file("old.svg")).unwrap();
        check(&file("new.svg")).unwrap();
        assert_eq!(fs::read(file("old.svg")).unwrap(), b"old");
        assert!(!file("new.svg").exists());
        for name in ["no-such-folder/a.svg", "plot.png"] {
            let error = check(&file(name)).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_was_long_before_the_first_slot_is_not_drawn() {
        let at = Duration::from_millis;
        assert_eq!(part(at(900), &(1.0..3.0)), None);
        assert_eq!(part(at(1000), &(1.0..3.0)), Some(0));
        assert_eq!(part(at(2000), &(1.0..3.0)), Some(PARTS / 2));
        assert_eq!(part(at(9000), &(1.0..3.0)), Some(PARTS - 1));
    }
}
