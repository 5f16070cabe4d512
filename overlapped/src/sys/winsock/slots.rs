//! What this backend remembers of each operation's slot.

use socket2::{SockAddr, Socket};
use windows_sys::Win32::Foundation::{ERROR_HANDLE_EOF, HANDLE};
use windows_sys::Win32::Networking::WinSock::{SOCKET, WSABUF};
use windows_sys::Win32::System::IO::CancelIoEx;

use crate::flags::Flags;
use crate::id::OpId;
use crate::options::StreamOptions;

use super::super::op::{Failure, Outcome};
use super::block::Block;

/// Where a request is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nowhere, or its last event waits to be taken.
    Idle,
    /// With the system: a packet is to come.
    Pending,
    /// What it waited for is there. It is fetched without waiting, piece by piece, as events are
    /// asked for.
    Draining,
}

/// What a request does when its packet comes.
pub(super) enum Kind {
    /// It has received bytes, and that is all.
    Receives,
    /// It has sent bytes, and that is all.
    Sends,
    /// The same with bytes of a file.
    SendsFile,
    Accept(Box<Accept>),
    Connect,
    /// Waits until there is something to receive into a pooled buffer.
    Pooled,
    /// Waits for a datagram, to receive it into the operation's own buffers.
    From {
        flags: Flags,
    },
    /// Waits for a datagram, to receive it into a pooled buffer.
    PooledFrom,
}

/// An accept and the socket that the next connection will be.
pub(super) struct Accept {
    pub(super) multi: bool,
    pub(super) domain: socket2::Domain,
    pub(super) inherits: Option<StreamOptions>,
    pub(super) next: Option<Socket>,
}

pub(super) struct Slot {
    pub(super) block: Block,
    pub(super) generation: u32,
    pub(super) stage: Stage,
    pub(super) cancelled: bool,
    /// Bytes, or connections, that were fetched since the last wait.
    pub(super) fetched: u32,
    /// The operation's socket, which the driver keeps open until the request has ended.
    pub(super) handle: SOCKET,
    pub(super) socket: u32,
    pub(super) kind: Kind,
    /// The operation's buffers, from where it goes on.
    pub(super) parts: Vec<WSABUF>,
    /// The address that it goes to.
    pub(super) address: Option<Box<SockAddr>>,
}

impl Kind {
    /// Why a request of this kind has failed.
    pub(super) fn failure(&self, code: i32) -> Failure {
        match (self, code as u32) {
            (Kind::SendsFile, ERROR_HANDLE_EOF) => Failure::FileEnded,
            _ => Failure::Code(code),
        }
    }

    /// What has come of a request that moves bytes.
    pub(super) fn moved(&self, bytes: u32) -> Outcome {
        match self {
            Kind::Sends | Kind::SendsFile => Outcome::Sent(bytes.into()),
            _ => Outcome::Received(bytes as usize),
        }
    }
}

impl Slot {
    pub(super) fn new(slot: u32) -> Slot {
        Slot {
            block: Block::new(slot),
            generation: 0,
            stage: Stage::Idle,
            cancelled: false,
            fetched: 0,
            handle: 0,
            socket: 0,
            kind: Kind::Receives,
            parts: Vec::new(),
            address: None,
        }
    }

    /// Asks the system to end its request. If the system does not find it, its packet is on its
    /// way.
    pub(super) fn ask_to_end(&self) {
        debug_assert!(self.stage == Stage::Pending);
        // SAFETY: an open socket, and the block of a request whose packet has not been taken.
        unsafe { CancelIoEx(self.handle as HANDLE, self.block.overlapped()) };
    }

    pub(super) fn id(&self, slot: u32) -> OpId {
        OpId::new(slot, self.generation)
    }
}
