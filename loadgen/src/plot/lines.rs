//! The plots of the page, as SVG.

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::{Area, Drawn, mark, svg};
use crate::echo::figures::{rate, time};
use crate::echo::record::Point;
use crate::echo::summary::Summary;

const SIZE: (u32, u32) = (960, 320);

const INK: RGBColor = RGBColor(0x33, 0x3a, 0x45);
const FAINT: RGBColor = RGBColor(0xe4, 0xe7, 0xec);
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xeb);
const ORANGE: RGBColor = RGBColor(0xe0, 0x7b, 0x1a);
const RED: RGBColor = RGBColor(0xc9, 0x2a, 0x2a);

/// Points of a line, at most: more are put together.
const MOST_POINTS: usize = 600;

/// From so many times the median on, latencies are drawn on a logarithmic scale.
const WIDE: f64 = 30.0;

/// One line of a plot.
struct Line {
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

/// Percentiles, spread out towards the end as in HDR histograms' plots.
pub(crate) fn percentiles(summary: &Summary) -> Result<String, String> {
    let curve = &summary.latency_curve;
    let spread = |percentile: f64| 1.0 / (1.0 - (percentile / 100.0));
    // The last has no place on this scale: it stands where there is one message in so many.
    let last = spread(100.0 - 100.0 / (summary.latency.count.max(2) as f64));
    let points = curve.iter().map(|point| (spread(point.percentile).min(last), point.latency_us)).collect();
    let decades = (1..10).map(|decade| 10f64.powi(decade)).take_while(|mark| *mark <= last);
    let marks: Vec<f64> = [1.0, 2.0, 4.0].into_iter().chain(decades).collect();
    let x = (1.0..last.max(10.0) * 1.1).log_scale().with_key_points(marks);
    let label = |spread: &f64| match spread {
        spread if *spread < 1.5 => "0 %".into(),
        spread if *spread < 3.0 => "50 %".into(),
        spread if *spread < 5.0 => "75 %".into(),
        spread => {
            let digits = (spread.log10().round() as usize).saturating_sub(2);
            format!("{:.digits$} %", 100.0 - 100.0 / spread)
        }
    };
    let line = Line { colour: BLUE, points };
    let (least, most) = (summary.latency.min_us, summary.latency.max_us.max(1.0));
    svg(SIZE, |area| latencies(area, x, &label, &[line], least, most, summary.latency.p50_us, &[]))
}

/// Messages answered a second, over time.
pub(crate) fn throughput(summary: &Summary) -> Result<String, String> {
    let points = thinned(&summary.series);
    let most = points.iter().map(|point| point.per_second).fold(1.0, f64::max);
    let line = Line { colour: BLUE, points: points.iter().map(|point| (point.middle, point.per_second)).collect() };
    svg(SIZE, |area| {
        let axis = Axis { label: &|per_second: &f64| mark(*per_second, rate), marks: 7 };
        draw(area, seconds(&points), &second, 0.0..most * 1.08, axis, &[line], &warm_up(&points, 0.0, most * 1.08))
    })
}

/// Latencies over time: the highest (red), p99 (orange) and the median (blue).
pub(crate) fn over_time(summary: &Summary) -> Result<String, String> {
    let points = thinned(&summary.series);
    let line = |colour, of: fn(&Thinned) -> Option<f64>| Line {
        colour,
        points: points.iter().filter_map(|point| Some((point.middle, of(point)?))).collect(),
    };
    let lines = [line(RED, |point| point.max_us), line(ORANGE, |point| point.p99_us), line(BLUE, |point| point.p50_us)];
    let all = || lines.iter().flat_map(|line| &line.points).map(|(_, us)| *us);
    let (least, most) = (all().fold(f64::MAX, f64::min), all().fold(1.0, f64::max));
    let least = if least > most { 0.1 } else { least };
    let shade = warm_up(&points, 0.0, most * 10.0);
    svg(SIZE, |area| latencies(area, seconds(&points), &second, &lines, least, most, summary.latency.p50_us, &shade))
}

struct Thinned {
    from: f64,
    middle: f64,
    to: f64,
    measured: bool,
    per_second: f64,
    p50_us: Option<f64>,
    p99_us: Option<f64>,
    max_us: Option<f64>,
}

/// The points of warm-up and window. Many points are merged, keeping the highest percentiles, so
/// that no peak is lost.
fn thinned(series: &[Point]) -> Vec<Thinned> {
    let end = series.iter().rposition(|point| point.measured).map_or(0, |last| last + 1);
    let series = &series[..end];
    let highest = |chunk: &[Point], of: fn(&Point) -> Option<f64>| chunk.iter().filter_map(of).reduce(f64::max);
    let chunks = series.chunk_by(|one, next| one.measured == next.measured);
    let chunks = chunks.flat_map(|part| part.chunks(series.len().div_ceil(MOST_POINTS)));
    chunks
        .map(|chunk| {
            let (first, last) = (&chunk[0], &chunk[chunk.len() - 1]);
            let (from, to) = (first.at, last.at + last.seconds);
            Thinned {
                from,
                middle: (from + to) / 2.0,
                to,
                measured: first.measured,
                per_second: chunk.iter().map(|point| point.answered).sum::<u64>() as f64 / (to - from).max(1e-9),
                p50_us: highest(chunk, |point| point.p50_us),
                p99_us: highest(chunk, |point| point.p99_us),
                max_us: highest(chunk, |point| point.max_us),
            }
        })
        .collect()
}

fn second(at: &f64) -> String {
    format!("{} s", (at * 1e3).round() / 1e3)
}

fn seconds(points: &[Thinned]) -> RangedCoordf64 {
    let (from, to) = (points.first().map_or(0.0, |point| point.from), points.last().map_or(1.0, |point| point.to));
    (from..to.max(from + 0.1)).into()
}

/// Where the warm-up is shaded.
fn warm_up(points: &[Thinned], low: f64, high: f64) -> Vec<[(f64, f64); 2]> {
    let end = points.iter().filter(|point| !point.measured).map(|point| point.to).reduce(f64::max);
    points.first().zip(end).map(|(first, end)| [(first.from, low), (end, high)]).into_iter().collect()
}

struct Axis<'f> {
    label: &'f dyn Fn(&f64) -> String,
    marks: usize,
}

/// A plot whose y axis is of latencies.
#[expect(clippy::too_many_arguments, reason = "what a plot is made of")]
fn latencies<X>(
    area: &Area<'_>,
    x: X,
    x_label: &dyn Fn(&f64) -> String,
    lines: &[Line],
    least: f64,
    most: f64,
    median: f64,
    shade: &[[(f64, f64); 2]],
) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let label = |us: &f64| mark(*us, time);
    let axis = |marks| Axis { label: &label, marks };
    if most <= WIDE * median.max(0.1) {
        return draw(area, x, x_label, 0.0..most * 1.08, axis(7), lines, shade);
    }
    let low = 10f64.powf(least.max(0.1).log10().floor());
    let high = 10f64.powf(most.log10().ceil()).max(low * 10.0);
    // A rectangle down to nothing has no place on this scale.
    let shade: Vec<_> = shade.iter().map(|[(x1, _), (x2, _)]| [(*x1, low), (*x2, high)]).collect();
    draw(area, x, x_label, (low..high).log_scale(), axis(8), lines, &shade)
}

fn draw<X, Y>(
    area: &Area<'_>,
    x: X,
    x_label: &dyn Fn(&f64) -> String,
    y: Y,
    axis: Axis<'_>,
    lines: &[Line],
    shade: &[[(f64, f64); 2]],
) -> Drawn
where
    X: AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let font = ("sans-serif", 14).into_font().color(&INK);
    let mut chart = ChartBuilder::on(area)
        .margin(14)
        .margin_right(36)
        .x_label_area_size(26)
        .y_label_area_size(78)
        .build_cartesian_2d(x, y)?;
    chart.draw_series(shade.iter().map(|corners| Rectangle::new(*corners, FAINT.mix(0.6).filled())))?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(FAINT)
        .axis_style(FAINT)
        .x_labels(10)
        .y_labels(axis.marks)
        .x_label_formatter(&x_label)
        .y_label_formatter(&axis.label)
        .label_style(font)
        .draw()?;
    for line in lines {
        chart.draw_series(LineSeries::new(line.points.iter().copied(), line.colour.stroke_width(2)))?;
        // One point alone is no line.
        if let [point] = line.points[..] {
            chart.draw_series([Circle::new(point, 3, line.colour.filled())])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: f64, measured: bool, answered: u64, p99_us: f64) -> Point {
        Point {
            at,
            seconds: 1.0,
            measured,
            connections: 1,
            errors: 0,
            sent: answered,
            answered,
            bytes_sent: 0,
            bytes_received: 0,
            p50_us: None,
            p99_us: Some(p99_us),
            max_us: None,
        }
    }

    #[test]
    fn a_long_series_is_thinned_without_losing_its_peaks() {
        let mut series: Vec<Point> = (-5..5_000).map(|at| point(f64::from(at), at >= 0, 7, 1.0)).collect();
        series[3_333].p99_us = Some(99.0);
        series.push(point(5_000.0, false, 1, 1.0));
        let thinned = thinned(&series);
        assert!(thinned.len() <= MOST_POINTS + 1);
        assert_eq!((thinned[0].from, thinned[0].to), (-5.0, 0.0), "the warm-up is by itself");
        assert_eq!(thinned.last().unwrap().to, 5_000.0, "what comes after is not shown");
        assert!(thinned.iter().all(|point| (point.per_second - 7.0).abs() < 1e-9));
        assert!(thinned.iter().any(|point| point.p99_us == Some(99.0)));
    }
}
