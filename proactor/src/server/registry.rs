//! The server's groups by name and its sessions by key, from any thread.

use bytes::Bytes;

use super::handle::Handle;
use crate::cluster::ClusterStats;
use crate::error::SendError;
use crate::group::Group;
use crate::registry::NameError;
use crate::session::id::SessionId;

impl<M> Handle<M> {
    /// The group of a name: any bytes, at most 1,024. All who ask for the same name get the same
    /// group, on any thread, for as long as it has members or somebody holds a [`Group`] of it. An
    /// empty group that nobody holds is gone; the next who asks gets a new one. So rooms need no
    /// table of one's own, and no clearing away.
    ///
    /// ```
    /// use proactor::codec::Lines;
    /// use proactor::{Flow, Group, Handler, NoMessage, Server, Session};
    ///
    /// /// The first line is the name of a room, and what follows goes to that room.
    /// #[derive(Clone)]
    /// struct Chat;
    ///
    /// impl Handler for Chat {
    ///     type State = Option<Group>;
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) -> Option<Group> {
    ///         None
    ///     }
    ///     fn received(&mut self, session: &Session, own: &mut Self::State, line: &[u8]) -> Flow {
    ///         if let Some(room) = own {
    ///             let _ = room.broadcast(line);
    ///             return Flow::Continue;
    ///         }
    ///         match session.handle().group(line) {
    ///             Ok(named) if session.join(&named).is_ok() => *own = Some(named),
    ///             _ => return Flow::Close,
    ///         }
    ///         Flow::Continue
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(1);
    /// let server = builder.start(Chat)?;
    /// # use std::io::{Read, Write};
    /// # let address = server.local_addrs()[0].ip().unwrap();
    /// # let mut client = std::net::TcpStream::connect(address).unwrap();
    /// # client.write_all(b"kitchen\n").unwrap();
    /// # while server.handle().find_group("kitchen").is_none_or(|room| room.is_empty()) {
    /// #     std::thread::yield_now();
    /// # }
    /// server.handle().group("kitchen").unwrap().broadcast(b"dinner is ready").unwrap();
    /// # let mut heard = [0; 16];
    /// # client.read_exact(&mut heard).unwrap();
    /// # assert_eq!(&heard, b"dinner is ready\n");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// If the server is a node of a [cluster](crate::cluster), the group has members on all nodes.
    /// [`Group::broadcast`] reaches all of them; what else a [`Group`] says is of this server.
    ///
    /// # Errors
    /// `TooLong`; `TooMany` if there are 1,048,576 groups and none of this name.
    pub fn group(&self, name: impl AsRef<[u8]>) -> Result<Group, NameError> {
        self.directory.groups.get(name.as_ref())
    }

    /// The group of a name, if it has members or somebody holds it. Unlike [`group`](Handle::group)
    /// this makes none.
    pub fn find_group(&self, name: impl AsRef<[u8]>) -> Option<Group> {
        self.directory.groups.find(name.as_ref())
    }

    /// How many groups with a name there are.
    pub fn groups(&self) -> usize {
        self.directory.groups.len()
    }

    /// What the server has counted as a node of a [cluster](crate::cluster); `None` if it is none.
    pub fn cluster(&self) -> Option<ClusterStats> {
        self.directory.node.as_ref().map(|node| ClusterStats::of(&node.ledger))
    }

    /// The session that has a [key](crate::Session::identify). If several share it, the one that
    /// was given it last.
    pub fn find(&self, key: impl AsRef<[u8]>) -> Option<SessionId> {
        self.directory.keys.find(key.as_ref())
    }

    /// The sessions that share a key, in the order in which they were given it.
    pub fn find_all(&self, key: impl AsRef<[u8]>) -> Vec<SessionId> {
        self.directory.keys.find_all(key.as_ref())
    }

    /// How many keys sessions have.
    pub fn keys(&self) -> usize {
        self.directory.keys.len()
    }

    /// Queues a packet for each session that has a key, as [`send`](Handle::send) does. Returns for
    /// how many: 0 if no session has it.
    ///
    /// # Errors
    /// As for [`send`](Handle::send), the first there was. Other sessions that share the key get
    /// the packet all the same.
    pub fn send_to(&self, key: impl AsRef<[u8]>, packet: impl Into<Bytes>) -> Result<usize, SendError> {
        let packet = packet.into();
        self.each(key.as_ref(), |id| self.send(id, packet.clone()))
    }

    /// Closes each session that has a key gracefully, as [`close`](Handle::close) does. Returns how
    /// many.
    ///
    /// # Errors
    /// As for [`close`](Handle::close), the first there was. Others that share the key are closed
    /// all the same.
    pub fn close_key(&self, key: impl AsRef<[u8]>) -> Result<usize, SendError> {
        self.each(key.as_ref(), |id| self.close(id))
    }

    fn each(&self, key: &[u8], deed: impl Fn(SessionId) -> Result<(), SendError>) -> Result<usize, SendError> {
        let ids = self.directory.keys.find_all(key);
        let mut failed = None;
        for id in &ids {
            failed = failed.or(deed(*id).err());
        }
        failed.map_or(Ok(ids.len()), Err)
    }
}
