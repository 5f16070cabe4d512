//! One connection of a generator: its stage, its conversation, and when each outstanding message
//! began.

use std::collections::VecDeque;

use overlapped::Time;

use super::conversation::Conversation;
use super::script::Script;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not begun yet.
    New,
    Connecting,
    Open,
    /// Ended, in any way.
    Over,
}

pub(super) struct Connection {
    pub(super) stage: Stage,
    pub(super) conversation: Conversation,
    /// When each outstanding message was sent, or was due.
    pub(super) since: VecDeque<Time>,
    /// When it began to connect, or last answered.
    pub(super) quiet_since: Time,
    /// In an open loop: messages that are due so far.
    pub(super) due: u64,
}

impl Connection {
    pub(super) fn new(script: &Script, number: usize) -> Connection {
        Connection {
            stage: Stage::New,
            conversation: Conversation::new(script, number),
            since: VecDeque::new(),
            quiet_since: Time::ZERO,
            due: 0,
        }
    }

    /// Whether an answer or a connection is outstanding.
    pub(super) fn is_waiting(&self) -> bool {
        match self.stage {
            Stage::Connecting => true,
            Stage::Open => self.conversation.under_way() > 0,
            Stage::New | Stage::Over => false,
        }
    }
}
