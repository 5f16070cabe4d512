//! The parts of a buffer that an operation still has to move.

use crate::buf::AnyBuf;

/// A buffer of at most so many parts is gone through anew each time that its operation goes on: no
/// system takes more at once.
const FEW_PARTS: usize = 1024;

/// Every backend offers its system so many bytes at once, if there are so many in as many parts as
/// above.
const MANY_BYTES: u64 = 16 << 20;

/// Is called with a part, or the rest of one; returns whether it wants the next one.
type See<'a> = dyn FnMut(*mut u8, usize) -> bool + 'a;

/// The parts of a buffer of many. They are found once, and an operation goes on where it stopped.
///
/// The buffer's memory stays where it is while the operation owns it, so they stay right.
#[derive(Debug)]
pub(crate) struct Rest {
    parts: Vec<(*mut u8, usize)>,
    /// Of the first part in which there is something to move.
    at: usize,
    /// Bytes in the parts before that one.
    before: u64,
}

impl Rest {
    /// For a buffer of many parts.
    pub(super) fn of(buf: &mut AnyBuf) -> Option<Rest> {
        let count = buf.parts();
        if count <= FEW_PARTS {
            return None;
        }
        let mut parts = Vec::with_capacity(count);
        buf.each(&mut |ptr, len| {
            parts.push((ptr, len));
            true
        });
        Some(Rest { parts, at: 0, before: 0 })
    }

    /// Calls `see` with the parts from byte `progress` on. It is never less than it was before.
    pub(super) fn each_from(&mut self, progress: u64, see: &mut See<'_>) {
        while let Some((_, len)) = self.parts.get(self.at).filter(|(_, len)| self.before + *len as u64 <= progress) {
            self.before += *len as u64;
            self.at += 1;
        }
        let mut see = skipping(progress - self.before, see);
        self.parts[self.at..].iter().all(|(ptr, len)| see(*ptr, *len));
    }
}

/// Leaves out the first `skip` bytes, and parts that are empty.
pub(super) fn skipping<'a>(mut skip: u64, see: &'a mut See<'_>) -> impl FnMut(*mut u8, usize) -> bool + 'a {
    move |ptr, len| {
        if skip >= len as u64 {
            skip -= len as u64;
            return true;
        }
        let skipped = std::mem::take(&mut skip) as usize;
        // SAFETY: within the part.
        see(unsafe { ptr.add(skipped) }, len - skipped)
    }
}

/// The bytes that every backend offers its system at once, of parts that `each` goes through.
pub(super) fn offered(each: impl FnOnce(&mut See<'_>)) -> u64 {
    let (mut parts, mut bytes) = (0, 0);
    each(&mut |_, len| {
        parts += 1;
        bytes += len as u64;
        parts < FEW_PARTS && bytes < MANY_BYTES
    });
    bytes.min(MANY_BYTES)
}
