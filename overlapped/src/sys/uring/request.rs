//! What a request is, as the kernel hands it back: the `user_data` of its entries.

use crate::id::OpId;

/// Kinds of request, the low byte of `user_data`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Connect = 0,
    Recv = 1,
    /// A receive of several parts; it has a [`Message`](crate::sys::message::Message).
    RecvParts = 2,
    RecvMulti = 3,
    Send = 4,
    /// A send of several parts, or of a datagram to an address; it has a `Message`.
    SendParts = 5,
    /// A datagram into its own buffers; it has a `Message`, which takes its sender.
    RecvFrom = 6,
    RecvFromMulti = 7,
    Accept = 8,
    Shutdown = 9,
    Discard = 10,
    Close = 11,
    /// The close of a direct descriptor.
    CloseDirect = 12,
    Cancel = 13,
    Wake = 14,
    /// An ordinary descriptor is made of a direct one.
    Install = 15,
    Ready = 16,
    /// A piece of a file that is being sent.
    ReadFile = 17,
    /// A multishot receive into buffers that are filled piece by piece.
    RecvPieces = 18,
}

impl Request {
    #[inline]
    pub(super) fn of(user_data: u64) -> Request {
        match user_data as u8 {
            0 => Request::Connect,
            1 => Request::Recv,
            2 => Request::RecvParts,
            3 => Request::RecvMulti,
            4 => Request::Send,
            5 => Request::SendParts,
            6 => Request::RecvFrom,
            7 => Request::RecvFromMulti,
            8 => Request::Accept,
            9 => Request::Shutdown,
            10 => Request::Discard,
            11 => Request::Close,
            12 => Request::CloseDirect,
            13 => Request::Cancel,
            14 => Request::Wake,
            16 => Request::Ready,
            17 => Request::ReadFile,
            18 => Request::RecvPieces,
            _ => Request::Install,
        }
    }
}

#[inline]
pub(super) fn user_data(id: OpId, request: Request) -> u64 {
    debug_assert!(id.slot() < 1 << 24);
    u64::from(id.generation()) << 32 | u64::from(id.slot()) << 8 | request as u64
}

#[inline]
pub(super) fn op_id(user_data: u64) -> OpId {
    OpId::new((user_data as u32) >> 8, (user_data >> 32) as u32)
}
