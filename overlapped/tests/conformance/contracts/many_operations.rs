//! Many operations on one socket: each is cancelled at the same cost, wherever it waits.

use std::time::{Duration, Instant};

use overlapped::driver::OpId;
use overlapped::{ErrorKind, Op};

use crate::harness::bench::Bench;
use crate::harness::place::On;

rules! {
    cancelling_the_newest_first_costs_what_cancelling_the_oldest_first_costs,
}

const MANY: usize = 30_000;

fn cancelling_the_newest_first_costs_what_cancelling_the_oldest_first_costs(on: &On) {
    let mut bench = on.bench_with(on.config().queue(MANY));
    let (socket, _peer) = bench.pair();
    let receives =
        |bench: &mut Bench| -> Vec<OpId> { (0..MANY).map(|_| bench.submit(Op::recv(socket, vec![0u8; 1]))).collect() };
    let oldest_first = receives(&mut bench);
    let cost = cancel(&mut bench, oldest_first);
    // Another process may take the time of a measurement, and not of each.
    let is_cheap = (0..3).any(|_| {
        let mut newest_first = receives(&mut bench);
        newest_first.reverse();
        cancel(&mut bench, newest_first) <= 20 * cost + Duration::from_millis(500)
    });
    assert!(is_cheap, "it costs more than 20 times {cost:?}");
    bench.close(socket);
    bench.finish();
}

/// Cancels them, sees that each ends with that, and returns how long it took to ask.
fn cancel(bench: &mut Bench, ids: Vec<OpId>) -> Duration {
    bench.settle();
    let start = Instant::now();
    for id in &ids {
        assert!(bench.driver.cancel(*id));
    }
    let cost = start.elapsed();
    bench.until("all have ended", |seen| (seen.len() == ids.len()).then_some(()));
    for completion in bench.seen.drain(..) {
        assert_eq!(completion.result.unwrap_err().kind(), ErrorKind::Cancelled);
    }
    cost
}
