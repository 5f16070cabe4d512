//! The server's groups by name, from any thread.

use super::handle::Handle;
use crate::group::Group;
use crate::registry::NameError;

impl<M> Handle<M> {
    /// The group of a name: any bytes, at most 1,024. Whoever asks for the same name gets the same
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
    ///     fn received(&mut self, session: &Session, room: &mut Option<Group>, line: &[u8]) -> Flow {
    ///         if let Some(room) = room {
    ///             let _ = room.broadcast(line);
    ///             return Flow::Continue;
    ///         }
    ///         match session.handle().group(line) {
    ///             Ok(named) if session.join(&named).is_ok() => *room = Some(named),
    ///             _ => return Flow::Close,
    ///         }
    ///         Flow::Continue
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), proactor::ServerError> {
    /// let server = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(1).start(Chat)?;
    /// # use std::io::{Read, Write};
    /// # let mut client = std::net::TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
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
}
