//! What comes: a message is inflated as it comes, within its limits.

use std::cell::RefCell;

use flate2::{Decompress, FlushDecompress, Status};

use super::{Agreed, Deflate, Window};
use crate::websocket::close::{CloseCode, Violation};

/// What a sender leaves out at the end of each message.
pub(crate) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];
/// The tail, and the end of a stream: only whole blocks end with it.
const END: [u8; 6] = [0, 0, 0xff, 0xff, 3, 0];

/// Inflaters that a thread keeps, 40 KiB each.
const KEPT: usize = 2;
/// The least and the most memory for what is inflated that is asked for at a time.
const STEPS: (usize, usize) = (512, 64 * 1024);

const BAD: Violation = Violation { code: CloseCode::INVALID_DATA, what: "compressed data that cannot be inflated" };
const TOO_MANY: Violation =
    Violation { code: CloseCode::TRY_AGAIN_LATER, what: "too many compressed messages are under way" };

thread_local! {
    static SPARE: RefCell<Vec<(u8, Decompress)>> = const { RefCell::new(Vec::new()) };
}

/// The messages of one session as they come.
#[derive(Debug)]
pub(crate) struct Inflation {
    deflate: Deflate,
    bits: u8,
    /// The peer keeps its window, so the inflater is kept too.
    keeps: bool,
    inflater: Option<Decompress>,
    /// The place of the inflater of a message that is under way.
    window: Option<Window>,
    /// Of the message that is under way: bytes that came, and bytes that they made.
    came: u64,
    made: u64,
}

impl Inflation {
    pub(crate) fn new(deflate: &Deflate, agreed: &Agreed) -> Inflation {
        Inflation {
            deflate: deflate.clone(),
            bits: agreed.receive_bits,
            keeps: agreed.kept.is_some(),
            inflater: None,
            window: None,
            came: 0,
            made: 0,
        }
    }

    /// A message begins.
    pub(crate) fn begin(&mut self) -> Result<(), Violation> {
        (self.came, self.made) = (0, 0);
        if !self.keeps {
            self.window = Some(self.deflate.window().ok_or(TOO_MANY)?);
        }
        if self.inflater.is_none() {
            let spare = SPARE.with_borrow_mut(|spare| {
                let at = spare.iter().position(|(bits, _)| *bits == self.bits)?;
                Some(spare.swap_remove(at).1)
            });
            self.inflater = Some(spare.unwrap_or_else(|| Decompress::new_with_window_bits(false, self.bits)));
        }
        Ok(())
    }

    /// Appends what the next piece of the message makes, at most so that `out` has `most` bytes. Of
    /// the last piece it is asked whether the message ends in order.
    pub(crate) fn push(
        &mut self,
        piece: &[u8],
        is_last: bool,
        out: &mut Vec<u8>,
        most: usize,
    ) -> Result<(), Violation> {
        self.came += piece.len() as u64;
        self.run(piece, out, most)?;
        if !is_last {
            return Ok(());
        }
        let before = out.len();
        if self.keeps {
            self.run(&TAIL, out, most)?;
        } else {
            let has_ended = self.run(&END, out, most)?;
            if !has_ended || out.len() > before {
                return Err(BAD);
            }
            self.end();
        }
        Ok(())
    }

    /// Says whether the stream of blocks has ended with the last of these bytes.
    fn run(&mut self, mut bytes: &[u8], out: &mut Vec<u8>, most: usize) -> Result<bool, Violation> {
        let Some(inflater) = &mut self.inflater else { return Err(BAD) };
        let mut has_ended = false;
        loop {
            if out.len() == out.capacity() {
                let more = out.len().clamp(STEPS.0, STEPS.1).min(most.saturating_sub(out.len()) + 1);
                out.reserve_exact(more);
            }
            let (before, began) = (inflater.total_in(), out.len());
            let status = inflater.decompress_vec(bytes, out, FlushDecompress::None).map_err(|_| BAD)?;
            let used = (inflater.total_in() - before) as usize;
            bytes = &bytes[used..];
            self.made += (out.len() - began) as u64;
            if out.len() > most || !self.deflate.may_expand(self.came, self.made) {
                return Err(Violation::TOO_BIG);
            }
            has_ended = match status {
                // A block may say that it is the last; another may come behind it.
                Status::StreamEnd => {
                    inflater.reset(false);
                    true
                }
                _ if used > 0 || out.len() > began => false,
                _ => has_ended,
            };
            let is_done = bytes.is_empty() && out.len() < out.capacity();
            let is_stuck = used == 0 && out.len() == began && status != Status::StreamEnd;
            if is_done || is_stuck {
                return if bytes.is_empty() { Ok(has_ended) } else { Err(BAD) };
            }
        }
    }

    /// No message is under way: the inflater is for the next one of the thread.
    fn end(&mut self) {
        self.window = None;
        let Some(mut inflater) = self.inflater.take() else { return };
        inflater.reset(false);
        SPARE.with_borrow_mut(|spare| {
            if spare.len() < KEPT {
                spare.push((self.bits, inflater));
            }
        });
    }
}
