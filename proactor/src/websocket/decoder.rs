//! From the bytes that come to messages and control frames.

use std::cell::Cell;
use std::ops::Range;

use super::close::{self, CloseCode, Violation};
use super::deflate::inflate::Inflation;
use super::frame::{COMPRESSED, Header, LONGEST_HEADER, MessageKind, Opcode, Parsed, Role};
use super::mask;
use super::utf8::Utf8;

/// What a decoder found. Its payload is at [`Place`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Message(MessageKind, Place),
    Ping(Place),
    Pong,
    /// Nothing that comes behind it counts.
    Close(Option<CloseCode>),
}

/// Where a payload lies, unmasked, until the decoder is asked again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the bytes that it was given.
    Given(Range<usize>),
    /// In the bytes that it has gathered.
    Gathered(Range<usize>),
}

/// Finds the frames in a stream, unmasks them where they lie, and puts messages together.
///
/// A message that lies in one piece of the stream is a part of that piece. Any other is gathered.
/// Memory for that is at most fourfold what has come or what that was inflated to, whatever a
/// header promises, and never more than twice the longest message and a control frame. A thread's
/// decoders have one piece of short memory more, which they leave each other. Between messages
/// nothing is held.
///
/// Each fragment counts as a byte of the longest message at least, so that empty ones also come to
/// an end.
#[derive(Debug)]
pub(crate) struct Decoder {
    role: Role,
    /// The most bytes of a message.
    most: u32,
    /// The beginning of a header.
    header: [u8; LONGEST_HEADER],
    header_len: u8,
    /// The reserved bits that have a meaning.
    allowed: u8,
    /// The unfinished message is compressed.
    is_compressed: bool,
    inflation: Option<Box<Inflation>>,
    /// A close frame has come.
    is_over: bool,
    /// The message that is unfinished.
    message: Option<MessageKind>,
    /// The frame that is unfinished.
    frame: Option<Unfinished>,
    utf8: Utf8,
    /// What counts for the unfinished message's limit.
    counted: u32,
    /// The unfinished message, and behind it a control frame.
    gathered: Vec<u8>,
    /// Bytes of the message in it.
    message_bytes: usize,
}

/// A frame that has not come whole.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    opcode: Opcode,
    is_last: bool,
    key: Option<[u8; 4]>,
    /// Bytes of its payload that have come, and that are to come.
    came: u64,
    left: u64,
}

impl Decoder {
    pub(crate) fn new(role: Role, most: u32) -> Decoder {
        Decoder {
            role,
            most,
            header: [0; LONGEST_HEADER],
            header_len: 0,
            allowed: 0,
            is_compressed: false,
            inflation: None,
            is_over: false,
            message: None,
            frame: None,
            utf8: Utf8::default(),
            counted: 0,
            gathered: Vec::new(),
            message_bytes: 0,
        }
    }

    /// Messages may come compressed.
    pub(crate) fn inflate_by(&mut self, inflation: Inflation) {
        (self.allowed, self.inflation) = (COMPRESSED, Some(Box::new(inflation)));
    }

    /// The most bytes of a message.
    pub(crate) fn most_bytes(&self) -> usize {
        self.most as usize
    }

    /// Whether what has come ends within a frame or a message.
    pub(crate) fn is_within(&self) -> bool {
        !self.is_over && (self.header_len > 0 || self.message.is_some() || self.frame.is_some())
    }

    /// Bytes of an unfinished message that it holds.
    pub(crate) fn held(&self) -> usize {
        self.gathered.len() + usize::from(self.header_len)
    }

    /// The next message or control frame in what comes at `at` in `bytes`; that is moved behind
    /// what was used. `None`: all of it was used, and more must come.
    ///
    /// # Errors
    /// The peer broke the protocol. The stream is at its end then, and the decoder is not asked
    /// again.
    #[inline]
    pub(crate) fn next(&mut self, bytes: &mut [u8], at: &mut usize) -> Result<Option<Found>, Violation> {
        if let Some(found) = self.whole_message(bytes, at)? {
            return Ok(Some(found));
        }
        self.next_in_pieces(bytes, at)
    }

    /// A message of one frame that lies here whole, if nothing is unfinished: most messages.
    #[inline]
    fn whole_message(&mut self, bytes: &mut [u8], at: &mut usize) -> Result<Option<Found>, Violation> {
        let is_between = self.header_len == 0 && self.frame.is_none() && self.message.is_none() && !self.is_over;
        if !is_between || self.gathered.capacity() > 0 {
            return Ok(None);
        }
        let rest = bytes.get_mut(*at..).unwrap_or_default();
        let Parsed::Header(header, header_bytes) = Header::parse(rest, self.role, self.allowed)? else {
            return Ok(None);
        };
        let Opcode::Message(kind) = header.opcode else { return Ok(None) };
        if header.is_compressed {
            return Ok(None);
        }
        if header.payload > u64::from(self.most) {
            return Err(Violation::TOO_BIG);
        }
        let end = header_bytes + header.payload as usize;
        let Some(payload) = rest.get_mut(header_bytes..end).filter(|_| header.is_last) else { return Ok(None) };
        let is_ascii = header.key.is_some_and(|key| mask::apply(payload, key, 0));
        if kind == MessageKind::Text && !is_ascii && str::from_utf8(payload).is_err() {
            return Err(Violation::NOT_UTF8);
        }
        let begin = *at;
        *at += end;
        Ok(Some(Found::Message(kind, Place::Given(begin + header_bytes..begin + end))))
    }

    #[inline(never)]
    fn next_in_pieces(&mut self, bytes: &mut [u8], at: &mut usize) -> Result<Option<Found>, Violation> {
        self.forget_what_was_found();
        loop {
            if self.is_over {
                *at = bytes.len();
                return Ok(None);
            }
            let mut frame = match self.frame.take() {
                Some(frame) => frame,
                None => match self.begin_frame(bytes, at)? {
                    Some(frame) => frame,
                    None => return Ok(None),
                },
            };
            let begin = *at;
            let here = usize::try_from(frame.left).unwrap_or(usize::MAX).min(bytes.len() - begin);
            *at += here;
            let piece = &mut bytes[begin..begin + here];
            let is_message = !frame.opcode.is_control();
            let is_ascii = frame.key.is_some_and(|key| mask::apply(piece, key, (frame.came % 4) as usize));
            if is_message && self.is_compressed {
                self.inflate(piece, frame.is_last && here as u64 == frame.left)?;
            } else if is_message && self.message == Some(MessageKind::Text) {
                let is_text = is_ascii && self.utf8.is_whole() || self.utf8.push(piece);
                if !is_text {
                    return Err(Violation::NOT_UTF8);
                }
            }
            // A payload that lies here whole need not be gathered.
            let is_alone = frame.came == 0
                && here as u64 == frame.left
                && (!is_message || frame.is_last && self.message_bytes == 0 && !self.is_compressed);
            if !(is_alone || is_message && self.is_compressed) {
                gather(&mut self.gathered, piece, frame.left - here as u64);
            }
            if is_message && !is_alone {
                self.message_bytes = self.gathered.len();
            }
            frame.came += here as u64;
            frame.left -= here as u64;
            if frame.left > 0 {
                self.frame = Some(frame);
                return Ok(None);
            }
            if is_message && !frame.is_last {
                continue;
            }
            let place = match (is_alone, is_message) {
                (true, _) => Place::Given(begin..begin + here),
                (false, true) => Place::Gathered(0..self.gathered.len()),
                (false, false) => Place::Gathered(self.message_bytes..self.gathered.len()),
            };
            return self.found(frame.opcode, place, bytes).map(Some);
        }
    }

    /// Adds what a piece of a compressed message makes to what is gathered.
    fn inflate(&mut self, piece: &[u8], is_last: bool) -> Result<(), Violation> {
        let Some(inflation) = &mut self.inflation else { return Ok(()) };
        let before = self.gathered.len();
        inflation.push(piece, is_last, &mut self.gathered, self.most as usize)?;
        self.message_bytes = self.gathered.len();
        if self.message == Some(MessageKind::Text) && !self.utf8.push(&self.gathered[before..]) {
            return Err(Violation::NOT_UTF8);
        }
        Ok(())
    }

    /// The last frame of a message, or a control frame, has come whole.
    fn found(&mut self, opcode: Opcode, place: Place, bytes: &[u8]) -> Result<Found, Violation> {
        match opcode {
            Opcode::Ping => Ok(Found::Ping(place)),
            Opcode::Pong => Ok(Found::Pong),
            Opcode::Close => {
                let code = close::parse(self.payload(&place, bytes))?.map(|(code, _)| code);
                // An unfinished message never ends.
                (self.is_over, self.message, self.message_bytes) = (true, None, 0);
                Ok(Found::Close(code))
            }
            Opcode::Message(_) | Opcode::Continuation if !self.utf8.is_whole() => Err(Violation::NOT_UTF8),
            Opcode::Message(_) | Opcode::Continuation => {
                (self.message_bytes, self.is_compressed) = (0, false);
                let kind = self.message.take().unwrap_or_default();
                Ok(Found::Message(kind, place))
            }
        }
    }

    /// The bytes of what was found last, in the bytes that it was found in.
    #[inline]
    pub(crate) fn payload<'b>(&'b self, place: &Place, given: &'b [u8]) -> &'b [u8] {
        match place {
            Place::Given(range) => &given[range.clone()],
            Place::Gathered(range) => &self.gathered[range.clone()],
        }
    }

    /// Takes out the message that was found last, if it was gathered. Its memory can be
    /// [given back](give_back).
    pub(crate) fn take_gathered(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.gathered)
    }

    /// Gives back what was found last, and its memory if nothing else is in it.
    fn forget_what_was_found(&mut self) {
        if self.frame.is_some_and(|frame| frame.opcode.is_control()) {
            return;
        }
        self.gathered.truncate(self.message_bytes);
        if self.message_bytes == 0 && self.gathered.capacity() > 0 {
            give_back(std::mem::take(&mut self.gathered));
        }
    }

    /// The header of the next frame, if all of it is there.
    fn begin_frame(&mut self, bytes: &[u8], at: &mut usize) -> Result<Option<Unfinished>, Violation> {
        let header = loop {
            let kept = usize::from(self.header_len);
            let rest = bytes.get(*at..).unwrap_or_default();
            let parsed = match kept {
                0 => Header::parse(rest, self.role, self.allowed)?,
                kept => Header::parse(&self.header[..kept], self.role, self.allowed)?,
            };
            match parsed {
                Parsed::Header(header, len) => {
                    if kept == 0 {
                        *at += len;
                    }
                    self.header_len = 0;
                    break header;
                }
                Parsed::Need(_) if rest.is_empty() => return Ok(None),
                Parsed::Need(need) => {
                    let taken = (need - kept).min(rest.len());
                    self.header[kept..kept + taken].copy_from_slice(&rest[..taken]);
                    self.header_len += taken as u8;
                    *at += taken;
                }
            }
        };
        match (header.opcode, self.message) {
            (Opcode::Message(_), Some(_)) => return Err(Violation::protocol("a message within another")),
            (Opcode::Continuation, None) => return Err(Violation::protocol("a fragment of no message")),
            (Opcode::Message(kind), None) => {
                (self.message, self.utf8, self.counted) = (Some(kind), Utf8::default(), 0);
                self.is_compressed = header.is_compressed;
                if header.is_compressed
                    && let Some(inflation) = &mut self.inflation
                {
                    inflation.begin()?;
                }
            }
            _ => {}
        }
        let Header { opcode, is_last, key, payload, .. } = header;
        if !opcode.is_control() {
            // An unfinished message has no end if its fragments are empty.
            let counted = u64::from(self.counted).saturating_add(payload.max(u64::from(!is_last)));
            let most = if self.is_compressed { longest_compressed(self.most) } else { self.most.into() };
            let counted = u32::try_from(counted).ok().filter(|bytes| u64::from(*bytes) <= most);
            self.counted = counted.ok_or(Violation::TOO_BIG)?;
        }
        Ok(Some(Unfinished { opcode, is_last, key, came: 0, left: payload }))
    }
}

/// The most memory that a short message in pieces leaves for the next one.
const SPARE_BYTES: usize = 1024;

thread_local! {
    static SPARE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Leaves the memory of a gathered message for the next one, if it is short.
pub(crate) fn give_back(mut gathered: Vec<u8>) {
    if (1..=SPARE_BYTES).contains(&gathered.capacity()) {
        gathered.clear();
        SPARE.set(gathered);
    }
}

/// How long a message may be that is compressed: what cannot be shortened becomes a little longer.
fn longest_compressed(most: u32) -> u64 {
    u64::from(most) + u64::from(most) / 64 + 1024
}

/// Adds a piece to what is gathered. So many bytes of its frame are still to come: a frame of a few
/// pieces is copied once.
fn gather(gathered: &mut Vec<u8>, piece: &[u8], left: u64) {
    let len = gathered.len() + piece.len();
    if gathered.capacity() == 0 && len > 0 {
        *gathered = SPARE.take();
    }
    if gathered.capacity() < len {
        let more = usize::try_from(left).unwrap_or(usize::MAX).min(3 * len);
        gathered.reserve(piece.len() + more);
    }
    gathered.extend_from_slice(piece);
}
