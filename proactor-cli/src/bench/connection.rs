//! One connection of a generator: where it stands, what waits to be sent on it, and since when each message under way counts.

use std::collections::VecDeque;

use overlapped::Time;
use overlapped::driver::SocketId;

use super::conversation::Conversation;
use super::script::Script;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has not been begun.
    New,
    Connecting,
    Open,
    /// It has ended, in whichever way.
    Over,
}

pub(super) struct Connection {
    pub(super) stage: Stage,
    pub(super) socket: Option<SocketId>,
    pub(super) conversation: Conversation,
    /// Since when each message under way counts: since it was sent, or was due.
    pub(super) since: VecDeque<Time>,
    /// What is to be sent when nothing is in flight.
    pub(super) out: Vec<u8>,
    pub(super) sending: bool,
    pub(super) is_dirty: bool,
    /// When it last did what it is waited for to do: began to connect, or answered.
    pub(super) quiet_since: Time,
    /// In an open loop: messages that have come to be due.
    pub(super) due: u64,
}

impl Connection {
    pub(super) fn new(script: &Script, number: usize) -> Connection {
        Connection {
            stage: Stage::New,
            socket: None,
            conversation: Conversation::new(script, number),
            since: VecDeque::new(),
            out: Vec::new(),
            sending: false,
            is_dirty: false,
            quiet_since: Time::ZERO,
            due: 0,
        }
    }

    /// Whether something is waited for.
    pub(super) fn is_waiting(&self) -> bool {
        match self.stage {
            Stage::Connecting => true,
            Stage::Open => self.conversation.under_way() > 0,
            Stage::New | Stage::Over => false,
        }
    }
}
