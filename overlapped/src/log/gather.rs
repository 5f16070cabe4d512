//! One send of many pieces: own bytes, and slices of logs.

use std::fmt;
use std::ops::Range;

use crate::buf::SendBuf;

use super::segment::LogSlice;

enum Piece<M> {
    /// `len` bytes of `own`, from `start` on.
    Own {
        start: usize,
        len: usize,
    },
    Slice(LogSlice<M>),
}

/// A buffer for one send, put together of own bytes and [slices of logs](LogSlice). Pieces that lie
/// next to each other become one part.
///
/// It is as small as two vectors, so that an operation holds it without an allocation. It can be
/// used again after [`clear`](Gather::clear).
pub struct Gather<M> {
    own: Vec<u8>,
    pieces: Vec<Piece<M>>,
}

impl<M> Piece<M> {
    fn len(&self) -> usize {
        match self {
            Piece::Own { len, .. } => *len,
            Piece::Slice(slice) => slice.len(),
        }
    }
}

impl<M> Gather<M> {
    /// Appends a copy of bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        let start = self.own.len();
        self.own.extend_from_slice(bytes);
        self.push_own(start..start + bytes.len());
    }

    /// Gives it own bytes without a copy. [`push_own`](Gather::push_own) then makes pieces of them.
    ///
    /// # Panics
    /// If it is not empty.
    pub fn set_own(&mut self, own: Vec<u8>) {
        assert!(self.is_empty(), "pieces of other bytes would be lost");
        self.own = own;
    }

    /// Appends a range of the own bytes.
    ///
    /// # Panics
    /// If the range is out of bounds.
    pub fn push_own(&mut self, range: Range<usize>) {
        let bytes = self.own[range.clone()].len();
        match self.pieces.last_mut() {
            _ if bytes == 0 => {}
            Some(Piece::Own { start, len }) if *start + *len == range.start => *len += bytes,
            _ => self.pieces.push(Piece::Own { start: range.start, len: bytes }),
        }
    }

    /// The own bytes, whether they are in pieces or not.
    pub fn own(&self) -> &[u8] {
        &self.own
    }

    /// Appends a slice.
    pub fn push_slice(&mut self, slice: LogSlice<M>) {
        if let Some(Piece::Slice(last)) = self.pieces.last_mut()
            && last.join(&slice)
        {
            return;
        }
        self.pieces.push(Piece::Slice(slice));
    }

    /// Bytes in all pieces together. Its cost grows with the number of pieces.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// Whether it has no pieces.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The pieces' bytes, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(|piece| match piece {
            Piece::Own { start, len } => &self.own[*start..start + len],
            Piece::Slice(slice) => slice.as_ref(),
        })
    }

    /// How many parts its send has.
    pub fn pieces(&self) -> usize {
        self.pieces.len()
    }

    /// Empties it: drops the slices, keeps its memory for the next send, and returns the memory of
    /// the own bytes, empty.
    pub fn clear(&mut self) -> Vec<u8> {
        self.pieces.clear();
        let mut own = std::mem::take(&mut self.own);
        own.clear();
        own
    }
}

impl<M> Default for Gather<M> {
    fn default() -> Gather<M> {
        Gather { own: Vec::new(), pieces: Vec::new() }
    }
}

// SAFETY: own bytes are the vector's, on the heap, and are changed through `&mut self` only; slices
// keep the contract themselves.
unsafe impl<M: 'static> SendBuf for Gather<M> {
    fn parts(&self) -> usize {
        self.pieces.len()
    }
    fn part(&self, i: usize) -> (*const u8, usize) {
        match &self.pieces[i] {
            Piece::Own { start, len } => (self.own[*start..*start + *len].as_ptr(), *len),
            Piece::Slice(slice) => slice.part(0),
        }
    }
}

impl<M> fmt::Debug for Gather<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gather({} bytes in {} parts)", self.len(), self.pieces.len())
    }
}
