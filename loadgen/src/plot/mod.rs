//! Plots as SVG: lines over time and percentiles for one run, rows of bars and ranges for a
//! comparison.

use std::error::Error;

use plotters::coord::Shift;
use plotters::prelude::*;

pub mod growth;
pub(crate) mod lines;
pub mod rows;

type Drawn = Result<(), Box<dyn Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Drawn) -> Result<String, String> {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
    let drawn = draw(&area).and_then(|()| Ok(area.present()?));
    drop(area);
    drawn.map_err(|error| format!("--html: a plot could not be drawn: {error}"))?;
    // As a part of a page it needs no name space, and is as wide as there is room.
    let begin = text.find("<svg").unwrap_or_default();
    let fluid = format!("<svg viewBox=\"0 0 {} {}\" role=\"img\">", size.0, size.1);
    let rest = text[begin..].split_once('>').map_or("", |(_, rest)| rest);
    Ok(fluid + rest)
}

/// A number beside an axis. It is round, so zeros after the point are left out.
fn mark(number: f64, shown: impl Fn(f64) -> String) -> String {
    let text = shown(number);
    let end = text.find(|sign: char| !sign.is_ascii_digit() && sign != '.').unwrap_or(text.len());
    match text.split_at(end) {
        _ if number == 0.0 => "0".to_owned(),
        (digits, unit) if digits.contains('.') => {
            format!("{}{unit}", digits.trim_end_matches('0').trim_end_matches('.'))
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::mark;
    use crate::echo::figures::{rate, time};

    #[test]
    fn marks_have_no_zeros_after_the_point() {
        assert_eq!(
            [0.0, 8_000.0, 8_500.0, 100.0, 10_000.0].map(|us| mark(us, time)),
            ["0", "8 ms", "8.5 ms", "100 µs", "10 ms"]
        );
        assert_eq!([0.0, 50.0, 1_000.0].map(|per_second| mark(per_second, rate)), ["0", "50", "1,000"]);
        let ticks = [0.1, 0.5, 3.0, 10.0, 200.0, 1e3, 2e4, 5e5, 1e6, 3e7].map(|us| mark(us, time));
        assert_eq!(ticks, ["0.1 µs", "0.5 µs", "3 µs", "10 µs", "200 µs", "1 ms", "20 ms", "500 ms", "1 s", "30 s"]);
    }
}
