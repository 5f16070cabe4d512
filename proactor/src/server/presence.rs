//! Who is in a group, from any thread.

use overlapped::mailbox::MailError;

use super::handle::Handle;
use crate::error::WatchError;
use crate::group::Group;
use crate::shard::directory::Mail;

impl<M> Handle<M> {
    /// Has the server know who is in a group, on all nodes of its [cluster](crate::cluster): then
    /// [`Group::present`] has the [keys](crate::Session::identify) of its members, and
    /// [`Handler::presence`](crate::Handler::presence) is told of changes. A group that is not
    /// watched costs nothing for it. It is watched for as long as it exists here; who is a member
    /// now is counted soon. More calls change nothing.
    ///
    /// Only nodes that watch the group tell of their members, so all should. A node that is gone
    /// takes its members with it, after 10 s if it has not said goodbye. Members whose keys are
    /// more than 4,096 or 256 KiB of one node, or 16,384 or 1 MiB of all, are counted only.
    ///
    /// ```
    /// use proactor::{Flow, Group, Handler, NoMessage, PresenceChange, Session, ShardHandle};
    ///
    /// /// A peer's first packet is its name. All hear who comes and goes, on whichever node.
    /// #[derive(Clone)]
    /// struct Chat;
    ///
    /// impl Handler for Chat {
    ///     type State = ();
    ///     type Message = NoMessage;
    ///     fn connected(&mut self, _: &Session) {}
    ///     fn received(&mut self, session: &Session, _: &mut (), name: &[u8]) -> Flow {
    ///         let Ok(room) = session.handle().group("room") else { return Flow::Close };
    ///         let is_there = session.identify(name).is_ok()
    ///             && session.handle().watch_presence(&room).is_ok()
    ///             && session.join(&room).is_ok();
    ///         if is_there { Flow::Continue } else { Flow::Close }
    ///     }
    ///     fn presence(&mut self, _: &ShardHandle, room: &Group, change: &PresenceChange) {
    ///         let said = match change {
    ///             PresenceChange::Joined(name) => [b"+ ", &name[..]].concat(),
    ///             PresenceChange::Left(name) => [b"- ", &name[..]].concat(),
    ///             _ => return,
    ///         };
    ///         let _ = room.broadcast_here(&said);
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// `Nameless` if the group has no name: it is of this server, and only [`Group::members`] says
    /// who is in it. `Full` if the mailbox of a shard is full: then its members of this moment are
    /// not counted until the call is made again. `Closed` if a shard has ended.
    pub fn watch_presence(&self, group: &Group) -> Result<(), WatchError> {
        let directory = &self.directory;
        let presence = group.watch(&directory.presence, directory.node.as_ref()).ok_or(WatchError::Nameless)?;
        if presence.is_counted() {
            return Ok(());
        }
        for shard in 0..directory.shard_count() {
            directory.mail(shard, Mail::CountPresent(group.clone())).map_err(|error| match error {
                MailError::Full(_) => WatchError::Full,
                MailError::Closed(_) => WatchError::Closed,
            })?;
        }
        presence.set_counted();
        Ok(())
    }
}
