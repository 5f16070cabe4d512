//! Logic written as one `async` function per session, on the shard's own executor. It is built on
//! [`Handler`](crate::Handler), so it runs wherever a handler does: on every backend and on a
//! simulated network.
//!
//! ```
//! use proactor::{AsyncSession, SendError, Server};
//!
//! async fn echo(session: AsyncSession) -> Result<(), SendError> {
//!     while let Some(packet) = session.next().await {
//!         session.send(&packet).await?;
//!     }
//!     Ok(())
//! }
//!
//! # fn main() -> Result<(), proactor::ServerError> {
//! let server = Server::builder().listen("127.0.0.1:0").shards(1).serve(echo)?;
//! # use std::io::{Read, Write};
//! # let mut client = std::net::TcpStream::connect(&server.local_addrs()[0]).unwrap();
//! # client.write_all(b"hello").unwrap();
//! # let mut answer = [0; 5];
//! # client.read_exact(&mut answer).unwrap();
//! # assert_eq!(&answer, b"hello");
//! server.handle().stop();
//! server.wait()
//! # }
//! ```
//!
//! What holds for tasks:
//!
//! - **One thread.** A session's task, and the tasks that it [spawns](AsyncSession::spawn), are
//!   polled and dropped by their shard's thread and no other, so they need not be `Send`: `Rc` and
//!   `RefCell` do. Any thread and any runtime may wake them.
//! - **No blocking.** A task that blocks, blocks its shard. Use [`offload`](AsyncSession::offload)
//!   for work that blocks.
//! - **Back-pressure.** A packet is handed to the task that waits for one, in the turn in which it
//!   came. If none waits, the packet is kept and the session is held until it is taken; the peer is
//!   then held up by its own window. [`send`](AsyncSession::send) waits while half of the outbox is
//!   queued.
//! - **What is written for tokio.** A future that only waits (tokio's channels, `JoinHandle`s)
//!   works in a task as it is, for any runtime may wake it. A client that does I/O, or a timer,
//!   needs a runtime: give the server one with `Builder::tokio`, feature `tokio`. Without it tokio
//!   panics, the session is closed, and the log says this. Or let a task of a runtime of your own
//!   do the I/O, and await its answer, or have it post a message: the example `redis_lookup` shows
//!   all three ways.
//! - **Messages.** [`serve_with_messages`](crate::Builder::serve_with_messages) starts a server
//!   whose sessions are handed messages by any thread
//!   ([`Handle::post`](crate::Handle::post)). [`message`](AsyncSession::message) waits for one, and
//!   [`event`](AsyncSession::event) for whichever comes first: a packet, a message, a drain or the
//!   end.
//! - **The end.** When the task returns, the session is closed gracefully. If it returns an
//!   error, the error is logged at the level `debug`. If it panics, the session is closed with
//!   [`CloseReason::Panic`](crate::CloseReason::Panic), and no other but the one that opened it, if
//!   one did. When the peer ends its stream, `next` returns `None`, and the task may go on sending
//!   until it returns. When the session is closed for another reason, `next` returns `None`,
//!   `send` fails and [`closed`](AsyncSession::closed) is ready. The task may take its time; tasks
//!   that are left when the shard ends are dropped.
//! - **Draining.** A session whose task waits for the next packet is idle, and a
//!   [drain](crate::Handle::drain) closes it. Any other wait is work, which may finish.
//!   [`draining`](AsyncSession::draining) tells the task.

mod error;
mod event;
pub(crate) mod executor;
mod handler;
mod handover;
pub(crate) mod lending;
pub(crate) mod link;
pub(crate) mod offload;
mod remote;
#[cfg(feature = "http")]
pub(crate) mod served;
mod session;
#[cfg(feature = "tls")]
mod start_tls;
#[cfg(feature = "tokio")]
mod stream;
pub(crate) mod work;

pub use error::{Elapsed, OffloadError, SpawnError, TaskOutput};
pub use event::Event;
pub use handler::Tasks;
pub use remote::Remote;
pub use session::{AsyncSession, Sleep};
