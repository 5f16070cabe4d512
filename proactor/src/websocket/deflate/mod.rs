//! `permessage-deflate` (RFC 7692): its settings, what two ends agree on, and both directions. It
//! knows no frames.
//!
//! Each message that we send is compressed for itself, also where the peer would let us keep our
//! window from one to the next. So a session needs no compressor of its own, a broadcast is
//! compressed once for all members, and messages can be dropped or replaced while they wait.

pub(crate) mod compress;
pub(crate) mod inflate;
pub(crate) mod offer;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const USUAL_LEVEL: u32 = 3;
const USUAL_LEAST: usize = 128;
const USUAL_WINDOWS: usize = 1000;
/// The windows that raw deflate has: 512 bytes to 32 KiB.
pub(crate) const BITS: std::ops::RangeInclusive<u8> = 9..=15;

/// Compression of messages (`permessage-deflate`, RFC 7692): [`WebSocket::deflate`] offers it to
/// clients, [`WebSocketClient::deflate`] asks a server for it. Who does not want it is served
/// without.
///
/// What is sent is compressed message by message. Messages that would not become shorter, short
/// ones and control frames are sent as they are. What comes is inflated as it comes, up to
/// [`max_message`](super::WebSocket::max_message) and to
/// [`max_expansion`](Deflate::max_expansion); a message beyond that is closed with 1009.
///
/// Do not compress what an attacker can add to and a secret in one message: its length tells of the
/// secret.
///
/// ```
/// use proactor::{Deflate, Listener, WebSocket};
///
/// let deflate = Deflate::new().min_message(256).max_windows(100);
/// let listener = Listener::new("127.0.0.1:0").websocket(WebSocket::new().deflate(&deflate));
/// # let _ = listener;
/// ```
///
/// [`WebSocket::deflate`]: super::WebSocket::deflate
/// [`WebSocketClient::deflate`]: super::WebSocketClient::deflate
#[derive(Clone, Debug)]
pub struct Deflate {
    pub(crate) level: u32,
    pub(crate) window_bits: u8,
    pub(crate) peer_window_bits: u8,
    pub(crate) peer_context: bool,
    pub(crate) least: usize,
    max_windows: usize,
    max_expansion: u64,
    windows: Arc<AtomicUsize>,
}

impl Deflate {
    /// Windows of 32 KiB, which the peer does not keep from message to message.
    pub fn new() -> Deflate {
        Deflate {
            level: USUAL_LEVEL,
            window_bits: *BITS.end(),
            peer_window_bits: *BITS.end(),
            peer_context: false,
            least: USUAL_LEAST,
            max_windows: USUAL_WINDOWS,
            max_expansion: u64::MAX,
            windows: Arc::default(),
        }
    }

    /// How hard to compress, 1 to 9: 3 by default. A higher one takes more time for shorter
    /// messages.
    pub fn level(mut self, level: u32) -> Deflate {
        self.level = level;
        self
    }

    /// The window of what is sent, as a power of two: 9 to 15, 15 by default. A peer that asks for
    /// a
    /// smaller one gets one of 9 bits.
    pub fn window_bits(mut self, bits: u8) -> Deflate {
        self.window_bits = bits;
        self
    }

    /// The largest window of what comes, as a power of two: 9 to 15, 15 by default. With a smaller
    /// one, clients that cannot limit theirs are served without compression.
    pub fn peer_window_bits(mut self, bits: u8) -> Deflate {
        self.peer_window_bits = bits;
        self
    }

    /// Lets the peer keep its window from message to message: it compresses better, and each
    /// session
    /// holds a window and about 8 KiB besides. When there are as many windows as there
    /// [may be](Deflate::max_windows), clients are told not to keep theirs. Off by default: then a
    /// session between messages holds nothing.
    pub fn peer_context(mut self, keeps: bool) -> Deflate {
        self.peer_context = keeps;
        self
    }

    /// Messages shorter than this are sent as they are: 128 bytes by default.
    pub fn min_message(mut self, bytes: usize) -> Deflate {
        self.least = bytes;
        self
    }

    /// How many windows may be held at a time, 1,000 by default: by messages whose end has not
    /// come,
    /// and by sessions whose peer keeps its window. All that use a clone of this value share them.
    /// A session that needs one more is closed with 1013 and
    /// [`Protocol`](crate::CloseReason::Protocol).
    pub fn max_windows(mut self, windows: usize) -> Deflate {
        self.max_windows = windows;
        self
    }

    /// How many times longer a message may be than its compressed bytes, if it is longer than 64
    /// KiB: at least 1. By default the longest message is the only limit. Deflate can shorten by a
    /// factor of 1,000; what people and programs write becomes 3 to 20 times shorter.
    pub fn max_expansion(mut self, times: u32) -> Deflate {
        self.max_expansion = times.into();
        self
    }

    /// Checks the settings.
    pub(crate) fn check(&self) -> Result<(), String> {
        for (what, bits) in [("a window", self.window_bits), ("a peer's window", self.peer_window_bits)] {
            if !BITS.contains(&bits) {
                return Err(format!("a WebSocket's deflate with {what} of {bits} bits: must be 9 to 15"));
            }
        }
        if !(1..=9).contains(&self.level) {
            return Err(format!("a WebSocket's deflate with a level of {}: must be 1 to 9", self.level));
        }
        if self.max_windows == 0 || self.max_expansion == 0 {
            return Err("a WebSocket's deflate without any window or expansion: must be at least 1".into());
        }
        Ok(())
    }

    /// A place for one more window, if there is one.
    pub(crate) fn window(&self) -> Option<Window> {
        let more = |windows| (windows < self.max_windows).then_some(windows + 1);
        let taken = self.windows.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.is_ok().then(|| Window(Arc::clone(&self.windows)))
    }

    /// Whether a message may have made so many bytes of so many.
    pub(crate) fn may_expand(&self, came: u64, made: u64) -> bool {
        const ALWAYS: u64 = 64 * 1024;
        made <= ALWAYS || made / self.max_expansion <= came
    }
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate::new()
    }
}

impl PartialEq for Deflate {
    fn eq(&self, other: &Deflate) -> bool {
        let all = |it: &Deflate| {
            let sizes = (it.least, it.max_windows, it.max_expansion);
            (it.level, it.window_bits, it.peer_window_bits, it.peer_context, sizes)
        };
        all(self) == all(other) && Arc::ptr_eq(&self.windows, &other.windows)
    }
}

impl Eq for Deflate {}

/// The place of a window, until it is dropped.
#[derive(Debug)]
pub(crate) struct Window(Arc<AtomicUsize>);

impl Drop for Window {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the two ends of a session agree on.
#[derive(Debug)]
pub(crate) struct Agreed {
    /// The window of what we send.
    pub(crate) send_bits: u8,
    /// The largest window of what comes.
    pub(crate) receive_bits: u8,
    /// The peer keeps its window from message to message, which takes a place.
    pub(crate) kept: Option<Window>,
}

#[cfg(test)]
mod tests;
