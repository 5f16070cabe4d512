//! Plots of one case: a row per contestant, with its name on the left and its value on the right.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, mark, svg};
use crate::echo::figures::time;

const WIDTH: i32 = 580;
const ROW: i32 = 24;
const TOP: i32 = 6;
/// Room for the axis and its numbers.
const BOTTOM: i32 = 26;
/// Room for the names, and for the values.
const LEFT: i32 = 140;
const RIGHT: i32 = 84;

const TEXT: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);

/// Colours of the contestants, as 0xRRGGBB. Neighbours differ, also in lightness for the
/// colour-blind.
const COLOURS: [u32; 20] = [
    0x1f5fb4, 0x7fb2e5, 0xd95f02, 0xf6b26b, 0x2a8a4a, 0x92cf8c, 0xb82e3c, 0xf09797, 0x6f4aa8, 0xbda7dc, 0x7a503c,
    0xc4a08c, 0xc04f9b, 0xeeb4d6, 0x555b63, 0xafb5bc, 0x8f8b1a, 0xd3cf6f, 0x128a99, 0x8fd2dc,
];

/// The colour of the contestant with this number, as a style sheet has it.
pub fn css(number: usize) -> String {
    format!("#{:06x}", COLOURS[number % COLOURS.len()])
}

pub(super) fn colour(number: usize) -> RGBColor {
    let [_, red, green, blue] = COLOURS[number % COLOURS.len()].to_be_bytes();
    RGBColor(red, green, blue)
}

/// A value with its interval, and how much of it is set apart in a darker tone.
pub struct Bar {
    pub name: String,
    /// The number of its contestant.
    pub number: usize,
    pub value: f64,
    pub low: f64,
    pub high: f64,
    pub dark: Option<f64>,
}

/// Horizontal bars from zero. One that is many times as long as most is cut, its value is not.
pub fn bars(bars: &[Bar]) -> String {
    let mut values: Vec<f64> = bars.iter().map(|bar| bar.value).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().unwrap_or(1.0);
    let longest = bars.iter().map(|bar| bar.high).fold(0.0, f64::max);
    let most = longest.min(middle * 5.0).max(f64::MIN_POSITIVE);
    let step = nice_step(most);
    let end = (most / step).ceil() * step;
    let x = |value: f64| LEFT + (f64::from(WIDTH - LEFT - RIGHT) * (value / end).clamp(0.0, 1.0)).round() as i32;
    let ticks = (0..).map(|number| f64::from(number) * step).take_while(|&tick| tick <= end * 1.001);
    let ticks: Vec<_> = ticks.map(|tick| (x(tick), number(tick, step))).collect();
    draw(bars.len(), &ticks, |canvas, row| {
        let bar = &bars[row];
        let tone = colour(bar.number);
        let middle = TOP + row as i32 * ROW + ROW / 2;
        let (top, bottom) = (middle - 8, middle + 8);
        let dark = bar.dark.unwrap_or(bar.value).min(bar.value);
        canvas.rectangle((x(0.0), top), (x(bar.value), bottom), tone.mix(0.55));
        canvas.rectangle((x(0.0), top), (x(dark), bottom), tone.to_rgba());
        let mut after = x(bar.value);
        if bar.value > end {
            // Two white strokes: it goes on.
            for shift in [18, 10] {
                let at = x(end) - shift;
                canvas.line((at - 4, bottom + 1), (at + 2, top - 1), WHITE, 3);
            }
        } else {
            let (low, high) = (x(bar.low), x(bar.high));
            canvas.line((low, middle), (high, middle), TEXT, 1);
            canvas.line((low, middle - 4), (low, middle + 4), TEXT, 1);
            canvas.line((high, middle - 4), (high, middle + 4), TEXT, 1);
            after = after.max(high);
        }
        canvas.name(row, &bar.name);
        canvas.text(&significant(bar.value), (after + 8, middle), TEXT, HPos::Left);
    })
}

/// Percentiles of one contestant, in microseconds.
pub struct Range {
    pub name: String,
    /// The number of its contestant.
    pub number: usize,
    pub p50: f64,
    pub p99: f64,
    pub p999: f64,
}

/// From the middle to the far end of what a message takes, on a logarithmic scale.
pub fn ranges(ranges: &[Range]) -> String {
    let least = ranges.iter().map(|range| range.p50).fold(f64::INFINITY, f64::min).clamp(0.1, 1e9);
    let most = ranges.iter().map(|range| range.p999).fold(least * 2.0, f64::max);
    let ticks = log_ticks(least, most);
    let (begin, end) = (ticks[0].log10(), ticks[ticks.len() - 1].log10());
    let span = f64::from(WIDTH - LEFT - 30);
    let x = |value: f64| {
        LEFT + 8 + (span * ((value.max(0.01).log10() - begin) / (end - begin)).clamp(0.0, 1.0)).round() as i32
    };
    let ticks: Vec<_> = ticks.iter().map(|&tick| (x(tick), mark(tick, time))).collect();
    draw(ranges.len(), &ticks, |canvas, row| {
        let range = &ranges[row];
        let tone = colour(range.number);
        let middle = TOP + row as i32 * ROW + ROW / 2;
        canvas.line((x(range.p50), middle), (x(range.p999), middle), tone, 4);
        canvas.line((x(range.p99), middle - 8), (x(range.p99), middle + 8), tone, 4);
        canvas.circle((x(range.p999), middle), 5, WHITE, true);
        canvas.circle((x(range.p999), middle), 5, tone, false);
        canvas.circle((x(range.p50), middle), 6, tone, true);
        canvas.name(row, &range.name);
    })
}

struct Canvas<'a, 'b> {
    area: &'a Area<'b>,
}

type At = (i32, i32);

/// Drawing into a string cannot fail.
const INFALLIBLE: &str = "a string takes all that is drawn";

impl Canvas<'_, '_> {
    fn rectangle(&self, from: At, to: At, colour: RGBAColor) {
        self.area.draw(&Rectangle::new([from, to], colour.filled())).expect(INFALLIBLE);
    }

    fn line(&self, from: At, to: At, colour: RGBColor, width: u32) {
        self.area.draw(&PathElement::new([from, to], colour.stroke_width(width))).expect(INFALLIBLE);
    }

    fn circle(&self, at: At, radius: u32, colour: RGBColor, filled: bool) {
        let style = if filled { colour.filled() } else { colour.stroke_width(2) };
        self.area.draw(&Circle::new(at, radius, style)).expect(INFALLIBLE);
    }

    fn text(&self, text: &str, at: At, colour: RGBColor, side: HPos) {
        let font = ("sans-serif", 13).into_font();
        let style = font.color(&colour).pos(Pos::new(side, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), at, style)).expect(INFALLIBLE);
    }

    fn name(&self, row: usize, name: &str) {
        self.text(name, (LEFT - 10, TOP + row as i32 * ROW + ROW / 2), TEXT, HPos::Right);
    }
}

fn draw(rows: usize, ticks: &[(i32, String)], row: impl Fn(&Canvas<'_, '_>, usize)) -> String {
    let height = TOP + rows as i32 * ROW + BOTTOM;
    let drawn = svg((WIDTH as u32, height as u32), |area| {
        let canvas = Canvas { area };
        let foot = height - BOTTOM;
        for (x, label) in ticks {
            canvas.line((*x, TOP), (*x, foot), GRID, 1);
            canvas.text(label, (*x, foot + 13), FAINT, HPos::Center);
        }
        (0..rows).for_each(|number| row(&canvas, number));
        Ok(())
    });
    drawn.expect(INFALLIBLE)
}

/// A step of 1, 2 or 5 by which about five reach so far.
pub(super) fn nice_step(most: f64) -> f64 {
    let rough = most / 5.0;
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().find(|step| step * power >= rough * 0.999);
    step.unwrap_or(10.0) * power
}

/// With as many digits as the step has.
pub(super) fn number(value: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

/// Three digits that count.
pub(super) fn significant(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

/// Ticks at 1, 2 and 5 times the powers of ten, fewer where they would overlap.
fn log_ticks(least: f64, most: f64) -> Vec<f64> {
    let decades = (most / least).log10();
    let marks: &[f64] = match decades {
        ..1.5 => &[1.0, 2.0, 5.0],
        ..2.5 => &[1.0, 3.0],
        _ => &[1.0],
    };
    let power = least.log10().floor() as i32;
    let all: Vec<f64> =
        (power..power + 12).flat_map(|power| marks.iter().map(move |mark| mark * 10_f64.powi(power))).collect();
    let begin = all.iter().rposition(|&tick| tick <= least).unwrap_or(0);
    let end = all.iter().position(|&tick| tick >= most).unwrap_or(all.len() - 1);
    all[begin..=end.max(begin + 1)].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_enclose_the_drawn_values() {
        for (least, most) in [(1.0, 2.0), (15.0, 7000.0), (270.0, 280.0), (0.5, 3e6), (10.0, 10.0)] {
            let ticks = log_ticks(least, most);
            assert!(ticks.len() >= 2 && ticks.len() <= 9, "{ticks:?}");
            assert!(ticks[0] <= least && ticks[ticks.len() - 1] >= most, "{ticks:?}");
        }
    }

    #[test]
    fn steps_are_round_and_few() {
        assert_eq!(nice_step(5.0), 1.0);
        assert_eq!(nice_step(0.9), 0.2);
        assert_eq!(nice_step(17_000.0), 5_000.0);
        assert_eq!(number(0.4, 0.2), "0.4");
        assert_eq!(number(15_000.0, 5_000.0), "15000");
    }

    #[test]
    fn every_row_has_its_name_and_value_even_if_it_is_cut() {
        let bar = |name: &str, value| Bar { name: name.into(), number: 0, value, low: value, high: value, dark: None };
        let svg = bars(&[bar("short", 1.0), bar("usual", 1.2), bar("long", 90.0)]);
        for text in ["short", "usual", "long", "90.0", "1.20"] {
            assert!(svg.contains(text), "{text}");
        }
        assert!(bars(&[]).starts_with("<svg"));
        assert!(ranges(&[]).starts_with("<svg"));
    }
}
