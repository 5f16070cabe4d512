//! Messages for sessions, from any thread.

use std::any::Any;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use overlapped::mailbox::MailError;

use super::handle::Handle;
use crate::session::id::SessionId;
use crate::shard::inboxes::Ticket;

/// Why a message was not taken; it is given back.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PostError<M> {
    /// The session has not taken [so many](crate::Limits::inbox_messages), or its shard has not
    /// handed 32,768 to their sessions. Try again later, or use [`Handle::post_wait`].
    Full(M),
    /// The session's shard has ended.
    Closed(M),
}

impl<M> PostError<M> {
    /// The message.
    pub fn into_message(self) -> M {
        match self {
            PostError::Full(message) | PostError::Closed(message) => message,
        }
    }
}

impl<M> fmt::Debug for PostError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PostError::Full(_) => "Full(..)",
            PostError::Closed(_) => "Closed(..)",
        })
    }
}

impl<M> fmt::Display for PostError<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PostError::Full(_) => "too many messages wait for the session",
            PostError::Closed(_) => "the shard has ended",
        })
    }
}

impl<M> std::error::Error for PostError<M> {}

impl<M: Send + 'static> Handle<M> {
    /// Hands a message to a session's logic: to [`Handler::message`](crate::Handler::message), or
    /// to a task that waits in [`AsyncSession::message`](crate::AsyncSession::message). Any thread
    /// may call it, also a session's own.
    ///
    /// The messages that one thread posts to a session arrive in order, and before what the same
    /// thread asks of that session later by [`close`](Handle::close). If the session has ended or
    /// is being closed when the message reaches its shard, the message is dropped there.
    ///
    /// ```
    /// use proactor::{Flow, Handler, Server, Session, SessionId};
    ///
    /// enum Note {
    ///     Score(u32),
    /// }
    ///
    /// #[derive(Clone)]
    /// struct Game(std::sync::mpsc::Sender<SessionId>);
    ///
    /// impl Handler for Game {
    ///     type State = u32;
    ///     type Message = Note;
    ///     fn connected(&mut self, session: &Session) -> u32 {
    ///         self.0.send(session.id()).unwrap();
    ///         0
    ///     }
    ///     fn received(&mut self, _: &Session, _: &mut u32, _: &[u8]) -> Flow {
    ///         Flow::Continue
    ///     }
    ///     fn message(&mut self, session: &Session, score: &mut u32, message: Note) {
    ///         let Note::Score(points) = message;
    ///         *score += points;
    ///         let _ = session.send(format!("{score}").as_bytes());
    ///     }
    /// }
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let (ids, came) = std::sync::mpsc::channel();
    /// let server = Server::builder().listen("127.0.0.1:0").shards(1).start(Game(ids))?;
    /// let mut client = std::net::TcpStream::connect(&server.local_addrs()[0])?;
    /// let handle = server.handle();
    /// std::thread::spawn(move || handle.post(came.recv().unwrap(), Note::Score(7)).unwrap());
    /// # use std::io::Read;
    /// let mut score = [0; 1];
    /// client.read_exact(&mut score)?;
    /// assert_eq!(&score, b"7");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A message of another type does not compile:
    ///
    /// ```compile_fail,E0308
    /// # use proactor::{Handle, SessionId};
    /// enum Note {
    ///     Score(u32),
    /// }
    /// fn post(handle: Handle<Note>, id: SessionId) {
    ///     handle.post(id, "seven").unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    /// `Full` if too many messages wait, `Closed` if the shard has ended. Both have the message.
    pub fn post(&self, id: SessionId, message: M) -> Result<(), PostError<M>> {
        self.offer(id, Box::new(message), None)
    }

    /// As [`post`](Handle::post), but waits for room. The future may be awaited on any thread and
    /// in any runtime, tokio's too. If it is dropped, the message is dropped with it, unless it was
    /// sent.
    ///
    /// A sender's messages keep their order if it awaits each before it posts the next.
    ///
    /// # Errors
    /// `Closed`, with the message, if the shard has ended.
    pub fn post_wait(&self, id: SessionId, message: M) -> PostWait<M> {
        PostWait { handle: self.clone(), id, message: Some(Box::new(message)), ticket: Ticket::default() }
    }

    fn offer(
        &self,
        id: SessionId,
        message: Box<M>,
        waiting: Option<(&mut Ticket, &Context<'_>)>,
    ) -> Result<(), PostError<M>> {
        let waiting = waiting.map(|(ticket, context)| (ticket, context.waker()));
        self.directory.post(id, message, waiting).map_err(|error| match error {
            MailError::Full(message) => PostError::Full(same(message)),
            MailError::Closed(message) => PostError::Closed(same(message)),
        })
    }
}

/// The message that was given.
fn same<M: 'static>(message: Box<dyn Any + Send>) -> M {
    *message.downcast().expect("what is given back is what was given")
}

/// Posts a message when there is room. [`Handle::post_wait`] returns it.
pub struct PostWait<M: Send + 'static> {
    handle: Handle<M>,
    id: SessionId,
    message: Option<Box<M>>,
    ticket: Ticket,
}

// Nothing in it is pinned.
impl<M: Send + 'static> Unpin for PostWait<M> {}

impl<M: Send + 'static> Future for PostWait<M> {
    type Output = Result<(), PostError<M>>;

    fn poll(mut self: Pin<&mut PostWait<M>>, context: &mut Context<'_>) -> Poll<Result<(), PostError<M>>> {
        let PostWait { handle, id, message, ticket } = &mut *self;
        let given = message.take().expect("a future that is ready is not polled again");
        match handle.offer(*id, given, Some((ticket, context))) {
            Err(PostError::Full(given)) => {
                *message = Some(Box::new(given));
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl<M: Send + 'static> Drop for PostWait<M> {
    fn drop(&mut self) {
        if self.message.is_some() {
            self.handle.directory.give_up_post(self.id, &self.ticket);
        }
    }
}

impl<M: Send + 'static> fmt::Debug for PostWait<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostWait").field("session", &self.id).finish()
    }
}
