//! Buffers of many parts: the system takes 1,024 of them at once, and the driver goes on behind
//! those. Each part is looked at a fixed number of times, however many calls that takes.

use std::cell::Cell;
use std::rc::Rc;

use overlapped::buf::{RecvBuf, SendBuf};
use overlapped::driver::Flags;
use overlapped::{Op, Outcome};

use crate::harness::pattern;
use crate::harness::place::On;

rules! {
    a_send_of_many_parts_looks_at_each_a_few_times,
    a_receive_into_many_parts_looks_at_each_a_few_times,
    empty_parts_and_parts_of_several_lengths_arrive_in_order,
}

const PARTS: usize = 20_000;
/// How often a part may be looked at: to check and to count the buffer, and to hand it over.
const LOOKS: usize = 12;

/// One part, which counts how often it is asked for.
struct Asked {
    bytes: Box<[u8]>,
    asked: Rc<Cell<usize>>,
}

impl Asked {
    fn list(bytes: &[u8], asked: &Rc<Cell<usize>>) -> Vec<Asked> {
        bytes.chunks(2).map(|part| Asked { bytes: part.into(), asked: Rc::clone(asked) }).collect()
    }

    fn up(&self) {
        self.asked.set(self.asked.get() + 1);
    }
}

// SAFETY: as the box's own.
unsafe impl SendBuf for Asked {
    fn parts(&self) -> usize {
        self.up();
        1
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        self.up();
        self.bytes.part(i)
    }
}

// SAFETY: as the box's own.
unsafe impl RecvBuf for Asked {
    fn parts(&self) -> usize {
        self.up();
        1
    }
    fn part_mut(&mut self, i: usize) -> (*mut u8, usize) {
        self.up();
        self.bytes.part_mut(i)
    }
    unsafe fn set_received(&mut self, bytes: usize) {
        // SAFETY: as the caller says.
        unsafe { self.bytes.set_received(bytes) }
    }
}

fn a_send_of_many_parts_looks_at_each_a_few_times(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let (bytes, asked) = (pattern(2 * PARTS), Rc::default());
    let send = bench.submit(Op::send(socket, Asked::list(&bytes, &asked)));
    let other = bench.adopt_peer(peer);
    let recv = bench.submit(Op::recv_with(other, vec![0u8; bytes.len()], Flags::WAIT_ALL));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(sent)) if sent == bytes.len() as u64));
    assert!(bench.bytes_of(recv) == bytes);
    assert!(asked.get() <= LOOKS * PARTS, "{PARTS} parts were asked for {} times", asked.get());
    bench.close(socket);
    bench.close(other);
    bench.finish();
}

fn a_receive_into_many_parts_looks_at_each_a_few_times(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    let (bytes, asked) = (pattern(2 * PARTS), Rc::default());
    let recv = bench.submit(Op::recv_with(socket, Asked::list(&vec![0; bytes.len()], &asked), Flags::WAIT_ALL));
    let other = bench.adopt_peer(peer);
    // In pieces that end within parts.
    for piece in bytes.chunks(3333) {
        let send = bench.submit(Op::send(other, piece.to_vec()));
        assert!(bench.outcome_of(send).is_ok());
    }
    let end = bench.end_of(recv);
    assert!(matches!(end.result, Ok(Outcome::Received(got)) if got == bytes.len()), "{:?}", end.result);
    assert!(asked.get() <= LOOKS * PARTS, "{PARTS} parts were asked for {} times", asked.get());
    let got = end.buf.unwrap().take::<Vec<Asked>>().unwrap();
    assert!(got.iter().flat_map(|part| part.bytes.iter()).eq(&bytes));
    bench.close(socket);
    bench.close(other);
    bench.finish();
}

fn empty_parts_and_parts_of_several_lengths_arrive_in_order(on: &On) {
    let mut bench = on.bench();
    let (socket, peer) = bench.pair();
    // Thousands of empty parts at the start, at the end and between; long parts among short ones.
    let length = |i: usize| match i {
        3000..=3999 | 6000..=6999 => i % 7,
        5000 => 300_000,
        _ => 0,
    };
    let parts = || (0..9000).map(|i| pattern(length(i) + i % 251).split_off(i % 251)).collect::<Vec<_>>();
    let bytes = parts().concat();
    let send = bench.submit(Op::send(socket, parts()));
    let other = bench.adopt_peer(peer);
    let boxes: Vec<Box<[u8]>> = (0..9000).map(|i| vec![0; length(i)].into()).collect();
    let recv = bench.submit(Op::recv_with(other, boxes, Flags::WAIT_ALL));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(sent)) if sent == bytes.len() as u64));
    let end = bench.end_of(recv);
    assert!(matches!(end.result, Ok(Outcome::Received(got)) if got == bytes.len()), "{:?}", end.result);
    assert!(end.buf.unwrap().take::<Vec<Box<[u8]>>>().unwrap().concat() == bytes);
    bench.close(socket);
    bench.close(other);
    bench.finish();
}
