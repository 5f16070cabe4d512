//! How a cost grows with a number: a line per contestant, over the values that were measured.
//!
//! The values stand side by side at equal distances, since they usually begin with none and go up
//! by tenfold. A flat line costs the same at every one.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::rows::{colour, nice_step, number as shown, significant};
use super::{Area, svg};

const SIZE: (i32, i32) = (580, 260);
const LEFT: i32 = 54;
const RIGHT: i32 = 20;
const TOP: i32 = 14;
const BOTTOM: i32 = 30;

const TEXT: RGBColor = RGBColor(0x1f, 0x23, 0x28);
const FAINT: RGBColor = RGBColor(0x59, 0x63, 0x6e);
const GRID: RGBColor = RGBColor(0xe3, 0xe6, 0xea);

/// What one contestant cost at one value.
pub struct Point {
    /// The value's place among those that were measured.
    pub place: usize,
    pub cost: f64,
    pub low: f64,
    pub high: f64,
}

/// One contestant.
pub struct Line {
    /// The number of the contestant.
    pub number: usize,
    pub points: Vec<Point>,
}

/// Lines over values with these names, from a cost of zero.
pub fn growth(values: &[String], lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let most = points().map(|point| point.high).fold(f64::MIN_POSITIVE, f64::max);
    let step = nice_step(most);
    let end = (most / step).ceil() * step;
    let (width, height) = (f64::from(SIZE.0 - LEFT - RIGHT), f64::from(SIZE.1 - TOP - BOTTOM));
    let x = |place: usize| LEFT + (width * (place as f64 + 0.5) / values.len().max(1) as f64).round() as i32;
    let y = |cost: f64| TOP + (height * (1.0 - (cost / end).clamp(0.0, 1.0))).round() as i32;
    let drawn = svg((SIZE.0 as u32, SIZE.1 as u32), |area| {
        for tick in (0..).map(|tick| f64::from(tick) * step).take_while(|tick| *tick <= end * 1.001) {
            line(area, &[(LEFT, y(tick)), (SIZE.0 - RIGHT, y(tick))], GRID, 1)?;
            text(area, &shown(tick, step), (LEFT - 8, y(tick)), FAINT, HPos::Right)?;
        }
        for (place, value) in values.iter().enumerate() {
            text(area, value, (x(place), SIZE.1 - BOTTOM + 14), FAINT, HPos::Center)?;
        }
        for one in lines {
            let tone = colour(one.number);
            let path: Vec<(i32, i32)> = one.points.iter().map(|point| (x(point.place), y(point.cost))).collect();
            line(area, &path, tone, 2)?;
            for (point, at) in one.points.iter().zip(&path) {
                line(area, &[(at.0, y(point.low)), (at.0, y(point.high))], tone, 1)?;
                area.draw(&Circle::new(*at, 4, tone.filled()))?;
            }
            if let Some((point, at)) = one.points.last().zip(path.last()) {
                text(area, &significant(point.cost), (at.0, at.1 - 12), TEXT, HPos::Center)?;
            }
        }
        Ok(())
    });
    drawn.unwrap_or_default()
}

fn line(area: &Area<'_>, path: &[(i32, i32)], colour: RGBColor, width: u32) -> super::Drawn {
    Ok(area.draw(&PathElement::new(path.to_vec(), colour.stroke_width(width)))?)
}

fn text(area: &Area<'_>, text: &str, at: (i32, i32), colour: RGBColor, side: HPos) -> super::Drawn {
    let style = ("sans-serif", 13).into_font().color(&colour).pos(Pos::new(side, VPos::Center));
    Ok(area.draw(&Text::new(text.to_owned(), at, style))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_cost_is_a_level_line_and_twice_the_cost_is_half_way_up() {
        let line = |number, costs: [f64; 3]| Line {
            number,
            points: costs
                .iter()
                .enumerate()
                .map(|(place, &cost)| Point { place, cost, low: cost, high: cost })
                .collect(),
        };
        let values = ["0", "1,000", "200,000"].map(String::from);
        let plot = growth(&values, &[line(0, [2.0; 3]), line(1, [2.0, 3.0, 4.0])]);
        assert!(values.iter().all(|value| plot.contains(value.as_str())), "{plot}");
        // Circles are drawn where the costs are: those of the first line at one height.
        let heights: Vec<f64> = plot
            .split("<circle")
            .skip(1)
            .filter_map(|circle| circle.split("cy=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        let [a, b, c, d, e, f] = heights[..] else { panic!("{plot}") };
        assert!(a == b && b == c && c == d, "{heights:?}");
        assert!(d > e && e > f && ((d - e) - (e - f)).abs() <= 1.0, "{heights:?}");
    }
}
