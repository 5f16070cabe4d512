//! What is sent: each message is compressed for itself, by a compressor of the thread.

use std::cell::RefCell;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::inflate::TAIL;

/// Compressors that a thread keeps, 270 KiB each: one for each level and window in use.
const KEPT: usize = 4;
/// The most memory for compressed bytes that is kept.
const KEPT_BYTES: usize = 64 * 1024;

#[derive(Default)]
struct Compressors {
    all: Vec<(u32, u8, Compress)>,
    out: Vec<u8>,
}

thread_local! {
    static COMPRESSORS: RefCell<Compressors> = RefCell::default();
}

/// Gives `send` the compressed message, if that is shorter. Says whether it was.
pub(crate) fn compressed(message: &[u8], level: u32, bits: u8, send: impl FnOnce(&[u8])) -> bool {
    COMPRESSORS.with_borrow_mut(|Compressors { all, out }| {
        let known = all.iter().position(|(of, with, _)| (*of, *with) == (level, bits));
        let compressor = match known {
            Some(index) => {
                // The one that was used last is the last.
                let known = all.remove(index);
                all.push(known);
                all.last_mut()
            }
            None => {
                if all.len() == KEPT {
                    all.remove(0);
                }
                all.push((level, bits, Compress::new_with_window_bits(Compression::new(level), false, bits)));
                all.last_mut()
            }
        };
        let Some((.., compressor)) = compressor else { return false };
        out.clear();
        let is_shorter = run(compressor, message, out);
        if is_shorter {
            send(out);
        }
        out.clear();
        out.shrink_to(KEPT_BYTES);
        is_shorter
    })
}

/// Appends the compressed message without its tail. Says whether that is shorter than the message.
fn run(compressor: &mut Compress, message: &[u8], out: &mut Vec<u8>) -> bool {
    compressor.reset();
    let mut rest = message;
    loop {
        out.reserve((rest.len() / 4).max(256));
        let before = compressor.total_in();
        let Ok(Status::Ok | Status::BufError) = compressor.compress_vec(rest, out, FlushCompress::Sync) else {
            return false;
        };
        rest = &rest[(compressor.total_in() - before) as usize..];
        if out.len() >= message.len() + TAIL.len() {
            return false;
        }
        if rest.is_empty() && out.len() < out.capacity() {
            break;
        }
    }
    if !out.ends_with(&TAIL) {
        return false;
    }
    out.truncate(out.len() - TAIL.len());
    out.len() < message.len()
}
