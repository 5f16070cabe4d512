//! The server, as the directory of the cluster's keys uses it.

use bytes::Bytes;
use overlapped::mailbox::MailError;

use super::directory::{Directory, Mail};
use crate::cluster::directory::local::{Local, Notice};
use crate::session::id::SessionId;

impl Local for Directory {
    fn has(&self, key: &[u8], id: SessionId) -> bool {
        self.keys.has(key, id)
    }

    fn find(&self, key: &[u8]) -> Option<SessionId> {
        self.keys.find(key)
    }

    fn take(&self, key: &[u8]) -> Vec<SessionId> {
        self.keys.take(key)
    }

    fn tell(&self, notice: &Notice) -> bool {
        let (id, mail) = match notice.clone() {
            Notice::Identified { id, ticket, result } => (id, Mail::Identified { id, ticket, result }),
            Notice::Ended { id, key, reason } => (id, Mail::KeyTaken { id, key, reason }),
        };
        // The sessions of a shard that has ended are gone.
        !matches!(self.mail(id.shard(), mail), Err(MailError::Full(_)))
    }

    fn send(&self, key: &[u8], packet: &Bytes) -> usize {
        let stamp = self.domain.clock.now();
        self.each(key, |id| Mail::Send { id, packet: packet.clone(), stamp })
    }

    fn close(&self, key: &[u8]) -> usize {
        self.each(key, Mail::Close)
    }
}

impl Directory {
    fn each(&self, key: &[u8], mail: impl Fn(SessionId) -> Mail) -> usize {
        let ids = self.keys.find_all(key);
        for id in &ids {
            if let Err(error) = self.mail_to_session(*id, mail(*id)) {
                tracing::warn!("what another node has sent to {id:?} is dropped: {error}");
            }
        }
        ids.len()
    }
}
