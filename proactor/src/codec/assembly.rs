//! From pieces of a stream to packets.

use std::cell::Cell;
use std::ops::{Deref, Range};

use bytes::Bytes;

use super::decoded::{Decoded, FrameError};
use super::framing::{Codec, Framing};

/// Bytes of a stream that have come and are not yet handed over: the beginning of a frame, or what
/// waits while its reader is held.
///
/// A packet that lies in one piece is a slice of that piece. If it lies across pieces, its
/// beginning is kept, and only what the frame still needs is copied behind it. While it waits for
/// more it holds no more than [`Codec::max_bytes`], and between frames it holds nothing.
///
/// The reader may stop after any packet. It then [keeps](Assembly::keep) the rest of the piece, up
/// to a limit of its own, and goes on from there with the next call.
///
/// The module [`codec`](crate::codec) has an example.
#[derive(Debug)]
pub struct Assembly {
    /// What is kept, in a box: an idle session has nothing, and pays for a pointer.
    kept: Option<Box<Kept>>,
    /// While nothing is kept: the codec has no packet before more bytes come.
    needs_more: bool,
    /// The codec is being asked what the end of the stream means.
    ending: bool,
}

/// Bytes that are kept.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// The first byte that is not consumed.
    start: usize,
    /// The codec is asked again when there are so many unconsumed bytes.
    need: usize,
}

impl Kept {
    #[inline]
    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Adds bytes. Memory grows with what has come, at most twofold; never with what a header
    /// promises, and never over `most` bytes.
    fn append(&mut self, bytes: &[u8], most: usize) {
        let len = self.len() + bytes.len();
        let capacity = self.bytes.capacity();
        if capacity < self.bytes.len() + bytes.len() || capacity > most {
            // A new buffer in any case: consumed bytes stay behind.
            let roomy = if len <= capacity { len } else { len.max(2 * capacity).min(most.max(len)) };
            let mut moved = Vec::with_capacity(roomy);
            moved.extend_from_slice(&self.bytes[self.start..]);
            (self.bytes, self.start) = (moved, 0);
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes to add to those of an unfinished frame before its codec is asked again.
    fn step(&self, codec: &Framing) -> usize {
        let len = self.len();
        match self.need - len {
            1 => len.max(FIRST_STEP).min(codec.max_bytes().saturating_sub(len)).max(1),
            known => known,
        }
    }

    /// Puts back bytes that were copied from the piece and are behind the frame.
    fn give_back<'p>(&mut self, before: usize, consumed: usize, whole: &'p [u8], piece: &mut &'p [u8]) {
        let taken = consumed.max(before) - before;
        *piece = &whole[taken..];
        self.bytes.truncate(self.start + before + taken);
    }

    fn consume<'p>(&mut self, packet: Range<usize>, consumed: usize) -> Found<'p> {
        let start = self.start;
        self.start += consumed;
        Found::InKept(start + packet.start..start + packet.end)
    }
}

/// A packet in the hands of its reader. Dereferences to its bytes.
#[derive(Clone, Debug)]
pub enum Payload<'a> {
    /// It lies in a piece of the stream.
    Slice(&'a [u8]),
    /// The codec made it.
    Made(Bytes),
}

impl Deref for Payload<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Payload::Slice(bytes) => bytes,
            Payload::Made(bytes) => bytes,
        }
    }
}

/// A stream has more bytes to keep than its caller's limit. None were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BacklogFull;

/// Where a packet was found.
enum Found<'p> {
    InPiece(&'p [u8]),
    InKept(Range<usize>),
    Made(Bytes),
}

/// A codec that asks for one more byte does not know where the frame ends. It is given so many at
/// first, then as many again as there are, so that it is asked seldom. Bytes that turn out to be
/// behind the frame are put back.
const FIRST_STEP: usize = 64;

impl Assembly {
    /// Nothing has come.
    pub const fn new() -> Assembly {
        Assembly { kept: None, needs_more: true, ending: false }
    }

    /// The next packet of what was kept and, behind it, `piece`. Afterwards `piece` is what is left
    /// of it. `None`: more bytes must come, and the piece is used up.
    ///
    /// # Errors
    /// The codec's. The stream is at its end then.
    pub fn next<'f, 'p: 'f>(
        &'f mut self,
        codec: &mut Framing,
        piece: &mut &'p [u8],
    ) -> Result<Option<Payload<'f>>, FrameError> {
        if let Some((packet, rest)) = self.first_of(codec, piece) {
            *piece = rest;
            return Ok(Some(Payload::Slice(packet)));
        }
        let found = self.find(codec, piece)?;
        Ok(found.map(|found| self.payload(found)))
    }

    /// The next packet that the end of the stream makes of what is left, after
    /// [`next`](Assembly::next) has returned `None`. `None`: the stream may end here.
    ///
    /// # Errors
    /// The stream may not end here.
    pub fn end(&mut self, codec: &mut Framing) -> Result<Option<Payload<'_>>, FrameError> {
        let found = self.find_at_end(codec)?;
        Ok(found.map(|found| self.payload(found)))
    }

    /// The [`next`](Assembly::next) packet; if the stream has ended, then those of its
    /// [`end`](Assembly::end).
    pub(crate) fn next_or_end<'f, 'p: 'f>(
        &'f mut self,
        codec: &mut Framing,
        piece: &mut &'p [u8],
        ended: bool,
    ) -> Result<Option<Payload<'f>>, FrameError> {
        let found = if self.ending { None } else { self.find(codec, piece)? };
        let found = match found {
            None if ended => self.find_at_end(codec)?,
            found => found,
        };
        Ok(found.map(|found| self.payload(found)))
    }

    /// The [`next`](Assembly::next) packet and the rest, if nothing is kept and the piece begins
    /// with a packet that can be seen at once. That is so for most short packets.
    #[inline]
    pub(crate) fn first_of<'p>(&mut self, codec: &Framing, piece: &'p [u8]) -> Option<(&'p [u8], &'p [u8])> {
        if self.kept.is_some() || self.ending {
            return None;
        }
        let first = codec.first_packet(piece)?;
        self.needs_more = false;
        Some(first)
    }

    /// After [`first_of`](Assembly::first_of): the other packets of the piece were found without
    /// this, and it is used up.
    #[inline]
    pub(crate) fn use_up(&mut self) {
        self.needs_more = true;
    }

    /// Whether nothing is kept and nothing is left of a piece, so that more bytes must come. The
    /// codec need not be asked, unless it is your own: that may have a packet to give.
    #[inline]
    pub(crate) fn is_used_up(&mut self, codec: &Framing, piece: &[u8]) -> bool {
        let is_between = self.kept.is_none() && piece.is_empty() && !self.ending;
        let is_used_up = is_between && codec.gives_nothing_of_nothing();
        self.needs_more |= is_used_up;
        is_used_up
    }

    /// Keeps the rest of a piece whose packets cannot be taken now, if then at most `limit` bytes
    /// are kept.
    ///
    /// # Errors
    /// More would be kept; nothing was.
    pub fn keep(&mut self, piece: &[u8], limit: usize) -> Result<(), BacklogFull> {
        if piece.len() > limit.saturating_sub(self.len()) {
            return Err(BacklogFull);
        }
        let Some(kept) = &mut self.kept else {
            let need = usize::from(self.needs_more);
            if !piece.is_empty() {
                self.keep_all(piece, need, limit);
            }
            return Ok(());
        };
        if kept.len() + piece.len() > 0 {
            kept.append(piece, limit);
        } else {
            // The need stays what it was.
            self.needs_more = kept.need > 0;
            self.kept = None;
        }
        Ok(())
    }

    /// Takes out what is kept, and where in it the first unconsumed byte is.
    pub(crate) fn take_kept(&mut self) -> (Vec<u8>, usize) {
        std::mem::take(self).kept.map_or((Vec::new(), 0), |kept| (kept.bytes, kept.start))
    }

    /// Puts back what was taken out, consumed up to `start`.
    #[cfg(feature = "websocket")]
    pub(crate) fn put_back(&mut self, kept: Vec<u8>, start: usize) {
        if start < kept.len() {
            self.kept = Some(Box::new(Kept { bytes: kept, start, need: 1 }));
        }
    }

    /// Another codec takes over what is kept.
    pub(crate) fn begin_anew(&mut self) {
        (self.needs_more, self.ending) = (true, false);
        if let Some(kept) = &mut self.kept {
            kept.need = 1;
        }
    }

    /// Whether no packet can come before more bytes do. Otherwise there may be one;
    /// [`next`](Assembly::next) knows.
    #[inline]
    pub fn is_waiting(&self) -> bool {
        self.kept.as_ref().map_or(self.needs_more, |kept| kept.len() < kept.need)
    }

    /// Bytes kept.
    #[inline]
    pub fn len(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.len())
    }

    /// Whether no bytes are kept.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory that it holds for those that are kept.
    pub fn memory(&self) -> usize {
        self.kept.as_ref().map_or(0, |kept| kept.bytes.capacity())
    }

    fn find<'p>(&mut self, codec: &mut Framing, piece: &mut &'p [u8]) -> Result<Option<Found<'p>>, FrameError> {
        loop {
            let Some(kept) = self.kept.as_deref_mut().filter(|kept| kept.len() > 0) else {
                let whole = *piece;
                match ask(codec, whole)? {
                    Decoded::Frame { packet, consumed } => {
                        self.consumed_all();
                        *piece = &whole[consumed..];
                        return Ok(Some(Found::InPiece(&whole[packet])));
                    }
                    Decoded::Made { packet, consumed } => {
                        self.consumed_all();
                        *piece = &whole[consumed..];
                        return Ok(Some(Found::Made(packet)));
                    }
                    Decoded::Skip(consumed) => *piece = &whole[consumed..],
                    Decoded::Need(total) => {
                        self.consumed_all();
                        self.keep_all(whole, total, codec.max_bytes());
                        *piece = &[];
                        return Ok(None);
                    }
                }
                continue;
            };
            let (before, whole) = (kept.len(), *piece);
            if before < kept.need {
                let taken = kept.step(codec).min(whole.len());
                kept.append(&whole[..taken], codec.max_bytes());
                *piece = &whole[taken..];
                if kept.len() < kept.need {
                    return Ok(None);
                }
            }
            let found = match ask(codec, &kept.bytes[kept.start..])? {
                Decoded::Need(total) => {
                    kept.need = total;
                    continue;
                }
                Decoded::Skip(consumed) => {
                    kept.give_back(before, consumed, whole, piece);
                    kept.start += consumed;
                    kept.need = 0;
                    continue;
                }
                Decoded::Frame { packet, consumed } => {
                    kept.give_back(before, consumed, whole, piece);
                    kept.consume(packet, consumed)
                }
                Decoded::Made { packet, consumed } => {
                    kept.give_back(before, consumed, whole, piece);
                    kept.start += consumed;
                    Found::Made(packet)
                }
            };
            kept.need = 0;
            return Ok(Some(found));
        }
    }

    fn find_at_end<'p>(&mut self, codec: &mut Framing) -> Result<Option<Found<'p>>, FrameError> {
        self.ending = true;
        loop {
            let kept = self.kept.as_deref_mut();
            let rest = kept.as_ref().map_or(&[][..], |kept| &kept.bytes[kept.start..]);
            let Some(decoded) = codec.end(rest)? else { return Ok(None) };
            let decoded = within_contract(decoded, rest.len(), codec.max_bytes())?;
            return Ok(Some(match (decoded, kept) {
                // The stream has ended: no more bytes come.
                (Decoded::Need(_), _) => return Err(FrameError::Unfinished),
                (Decoded::Skip(consumed), Some(kept)) => {
                    kept.start += consumed;
                    continue;
                }
                (Decoded::Frame { packet, consumed }, Some(kept)) => kept.consume(packet, consumed),
                (Decoded::Made { packet, consumed }, kept) => {
                    if let Some(kept) = kept {
                        kept.start += consumed;
                    }
                    Found::Made(packet)
                }
                (Decoded::Skip(_) | Decoded::Frame { .. }, None) => {
                    unreachable!("a frame of at least one byte, where there is none")
                }
            }));
        }
    }

    fn payload<'f, 'p: 'f>(&'f self, found: Found<'p>) -> Payload<'f> {
        match found {
            Found::InPiece(packet) => Payload::Slice(packet),
            Found::InKept(range) => Payload::Slice(self.kept.as_ref().map_or(&[], |kept| &kept.bytes[range])),
            Found::Made(packet) => Payload::Made(packet),
        }
    }

    /// Frees the memory: nothing is kept. There may be a packet in what comes next.
    fn consumed_all(&mut self) {
        if let Some(kept) = self.kept.take()
            && kept.bytes.capacity() <= SPARE_BYTES
        {
            SPARE.set(Some(kept));
        }
        self.needs_more = false;
    }

    /// Keeps all of a piece, the beginning of a frame for which the codec needs so many bytes.
    fn keep_all(&mut self, piece: &[u8], need: usize, most: usize) {
        self.needs_more = true;
        if !piece.is_empty() {
            let mut kept = spare();
            kept.need = need;
            kept.append(piece, most);
            self.kept = Some(kept);
        }
    }
}

/// A short packet that lies across pieces is gathered in memory that another has left.
const SPARE_BYTES: usize = 1024;

thread_local! {
    static SPARE: Cell<Option<Box<Kept>>> = const { Cell::new(None) };
}

fn spare() -> Box<Kept> {
    let mut kept = SPARE.take().unwrap_or_default();
    kept.bytes.clear();
    (kept.start, kept.need) = (0, 0);
    kept
}

impl Default for Assembly {
    fn default() -> Assembly {
        Assembly::new()
    }
}

/// What a codec says of some bytes. `Raw` has no work to do, so it is spared a call, a result that
/// goes through memory and a jump through a table.
#[inline(always)]
fn ask(codec: &mut Framing, bytes: &[u8]) -> Result<Decoded, FrameError> {
    match codec {
        Framing::Raw(codec) => codec.decode(bytes),
        other => ask_other(other, bytes),
    }
}

/// Your own codec is checked against its contract, which the built-in ones keep.
#[inline(never)]
fn ask_other(codec: &mut Framing, bytes: &[u8]) -> Result<Decoded, FrameError> {
    let decoded = codec.decode(bytes)?;
    match codec {
        Framing::Own(codec) => within_contract(decoded, bytes.len(), codec.max_bytes()),
        _ => Ok(decoded),
    }
}

/// What a codec answered, if its contract allows that for so many bytes.
fn within_contract(decoded: Decoded, len: usize, most: usize) -> Result<Decoded, FrameError> {
    let fault = match &decoded {
        Decoded::Frame { packet, consumed } if packet.start > packet.end || packet.end > *consumed => {
            "a packet outside of its frame"
        }
        Decoded::Frame { consumed: 0, .. } | Decoded::Skip(0) => "a frame of no bytes",
        Decoded::Frame { consumed, .. } | Decoded::Made { consumed, .. } | Decoded::Skip(consumed)
            if *consumed > len =>
        {
            "a frame of more bytes than it was shown"
        }
        Decoded::Need(total) if *total <= len => "needs no more than it was shown",
        Decoded::Need(total) if *total > most => {
            return Err(FrameError::TooLarge { limit: most });
        }
        _ => return Ok(decoded),
    };
    Err(FrameError::Fault(fault))
}
