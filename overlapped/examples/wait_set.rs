//! The cost of a wait on a `WaitSet` by the number of its events.
//! `cargo run --release -p overlapped --example wait_set`
//!
//! One event is signalled at a time, each time another one. The wait finds it, and it is reset.
//! Each round measures every size. Printed are the medians over the rounds, and the median of the
//! ratios to the smallest set of the same round.

use std::io::Write;
use std::time::Instant;

use overlapped::driver::Wait;
use overlapped::{Error, Event, WaitSet};

const SIZES: [usize; 3] = [10, 1_000, 10_000];
const ROUNDS: usize = 21;
const WAITS: usize = 200_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut stdout = std::io::stdout();
    let sets: Vec<(WaitSet, Vec<Event>)> = SIZES.iter().map(|&size| filled(size)).collect::<Result<_, _>>()?;
    // A step that is coprime to every size visits all events in scattered order: this shows the
    // cost of cache misses.
    for (order, step) in [("one after the other", 1), ("scattered", 7_919)] {
        let mut costs = vec![Vec::new(); SIZES.len()];
        for round in 0..ROUNDS {
            for turn in 0..SIZES.len() {
                let at = (round + turn) % SIZES.len();
                costs[at].push(cost(&sets[at].0, &sets[at].1, step)?);
            }
        }
        writeln!(stdout, "{order}:")?;
        for (at, size) in SIZES.iter().enumerate() {
            let ratios = costs[at].iter().zip(&costs[0]).map(|(cost, least)| cost / least).collect();
            writeln!(
                stdout,
                "{size:>6} events: {:>6.1} ns a wait, {:.2} x",
                median(costs[at].clone()),
                median(ratios)
            )?;
        }
    }
    Ok(())
}

fn filled(size: usize) -> Result<(WaitSet, Vec<Event>), Error> {
    let set = WaitSet::new(size);
    let events: Vec<Event> = (0..size).map(|_| Event::new()).collect();
    for event in &events {
        set.add(event)?;
    }
    Ok((set, events))
}

/// Nanoseconds for one set, wait and reset.
fn cost(set: &WaitSet, events: &[Event], step: usize) -> Result<f64, Error> {
    let mut signalled = Vec::new();
    let began = Instant::now();
    for i in 0..WAITS {
        let at = i * step % events.len();
        events[at].set();
        assert!(set.wait(Wait::Forever, &mut signalled)? && signalled == [at]);
        events[at].reset();
    }
    Ok(began.elapsed().as_nanos() as f64 / WAITS as f64)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
