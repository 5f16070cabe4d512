//! Plots as SVG: lines over time and percentiles for one run, rows of bars and ranges for a
//! comparison.

pub(crate) mod lines;
pub mod rows;
