//! Listeners whose sessions outlive their connections.

#[cfg(feature = "websocket")]
use std::sync::Arc;

use super::listener::Listener;
use crate::resume::Resume;
#[cfg(feature = "websocket")]
use crate::websocket::{frame::Role, framing::Settings};

impl Listener {
    /// The listener's sessions can be resumed: when the connection of one is lost, its client may
    /// come back by another within a time, and both sides get what they lack, in order and once.
    /// For the logic it is one session that goes on: its state, groups, key and timers stay. What
    /// is sent to it meanwhile waits in its outbox. If the client does not come, the session ends
    /// with [`Lost`](crate::CloseReason::Lost).
    ///
    /// Clients speak a small protocol below the codec, which `docs/resume.md` in the repository
    /// describes; [`ResumeClient`](crate::ResumeClient) is one side of it. All else is as without:
    /// codecs, TLS, groups, limits, timeouts.
    ///
    /// With [`websocket`](Listener::websocket), the protocol is in binary messages of the
    /// WebSocket, for clients in browsers, and packets are framed by the codec: they are no
    /// messages. A server does not start if the listener is one for datagrams, or if its messages
    /// may be compressed.
    pub fn resume(mut self, resume: Resume) -> Listener {
        self.resume = Some(resume);
        self
    }

    pub(super) fn check_resume(&self) -> Result<(), String> {
        let Some(resume) = &self.resume else { return Ok(()) };
        #[cfg(feature = "websocket")]
        if let Some(websocket) = &self.websocket {
            websocket.check()?;
            if websocket.may_compress() {
                return Err("its sessions are resumed, and so their messages cannot be compressed".into());
            }
            #[cfg(feature = "http")]
            if websocket.service().is_some() {
                return Err(
                    "its sessions are resumed, and so HTTP cannot be beside: use another listener for that".into()
                );
            }
        }
        if self.datagrams.is_some() {
            return Err("it takes datagrams, whose sessions cannot be resumed".into());
        }
        resume.check()
    }

    /// The settings of the WebSocket that its sessions go through, if they do.
    #[cfg(feature = "websocket")]
    pub(super) fn tunnel(&self, is_simulated: bool) -> Option<Arc<Settings>> {
        let websocket = self.websocket.as_ref().filter(|_| self.resume.is_some())?;
        Some(Arc::new(Settings::new(websocket.clone(), Role::Server, is_simulated)))
    }
}
