//! The memory of an operation's buffers: this backend copies out of it and into it in its turns.

use std::net::SocketAddr;

use crate::address::Address;
use crate::flags::{Direction, Flags};
use crate::sys::op::{OpKind, Owned};

use super::codes;

/// The most parts that are moved at once, as on a real system; the driver resumes behind them.
const MOST_PARTS: usize = 1024;

/// Where the bytes of a buffer are, part after part.
pub(super) struct Parts(Vec<(*mut u8, usize)>);

impl Parts {
    /// The parts of an operation's buffer that are still to be moved. The buffer outlives the
    /// operation's time with this backend, and nobody else uses it meanwhile.
    pub(super) fn of(owned: &mut Owned) -> Parts {
        let mut parts = Vec::new();
        owned.each_left(&mut |ptr, len| {
            parts.push((ptr, len));
            parts.len() < MOST_PARTS
        });
        Parts(parts)
    }

    /// Bytes that are to be sent, in memory that the operation owns as well.
    pub(super) fn one(bytes: &[u8]) -> Parts {
        Parts(vec![(bytes.as_ptr().cast_mut(), bytes.len())])
    }

    /// How many bytes there are; at most 1 GiB, the most that is moved at once.
    pub(super) fn len(&self) -> usize {
        let all = self.0.iter().fold(0usize, |sum, (_, len)| sum.saturating_add(*len));
        all.min(1 << 30)
    }

    /// The first `bytes` bytes. There are at least so many.
    pub(super) fn read(&self, bytes: usize) -> Vec<u8> {
        let mut read = Vec::with_capacity(bytes);
        for (ptr, len) in &self.0 {
            let here = (*len).min(bytes - read.len());
            // SAFETY: a part of a send's buffer, which the operation owns and nobody writes to: see
            // `of`.
            read.extend_from_slice(unsafe { std::slice::from_raw_parts(*ptr, here) });
        }
        read
    }

    /// Overwrites the first bytes. There are at least so many.
    pub(super) fn fill(&mut self, mut bytes: &[u8]) {
        for (ptr, len) in &self.0 {
            let (here, rest) = bytes.split_at(bytes.len().min(*len));
            // SAFETY: a part of a receive's buffer, which the operation owns and nobody else uses:
            // see `of`.
            unsafe { std::ptr::copy_nonoverlapping(here.as_ptr(), *ptr, here.len()) };
            bytes = rest;
        }
    }
}

/// What an operation wants of a datagram socket.
pub(super) enum WantDatagrams {
    Receive { parts: Parts },
    ReceivePooled,
    Send { parts: Parts, to: SocketAddr },
}

impl WantDatagrams {
    /// What an operation wants, and in which direction; or the code of its end.
    #[cold]
    #[inline(never)]
    pub(super) fn of(kind: OpKind, owned: Option<&mut Owned>) -> Result<(Direction, WantDatagrams), i32> {
        match (kind, owned) {
            (OpKind::RecvFrom { flags }, _) if flags != Flags::NONE => Err(codes::UNSUPPORTED),
            (OpKind::RecvFrom { .. }, Some(owned)) => {
                Ok((Direction::Receive, WantDatagrams::Receive { parts: Parts::of(owned) }))
            }
            (OpKind::SendTo, Some(owned)) => match owned.address().and_then(Address::ip) {
                Some(to) => Ok((Direction::Send, WantDatagrams::Send { parts: Parts::of(owned), to })),
                None => Err(codes::WRONG_FAMILY),
            },
            _ => Ok((Direction::Receive, WantDatagrams::ReceivePooled)),
        }
    }
}
