//! Overlapped (completion-based) I/O for Rust.
//!
//! In overlapped I/O a program *starts* an operation, hands its buffers over, gets on with other work, and is
//! *told* when the operation has ended. A [`Proactor`] serves programs of many threads, and as a [`LocalProactor`] those of one; it tells in four ways:
//!
//! | model | started with | told by |
//! |---|---|---|
//! | I | [`.event(&event)`](Operation::event)[`.start()`](Operation::start) | an [`Event`]: [`wait_any`], [`wait_all`], [`WaitSet`]; then [`Overlapped::result`] |
//! | II | [`.on_complete(f)`](Operation::on_complete) | `f`, in [`wait_alertable`] or [`sleep_alertable`] of the thread that started it |
//! | III | [`.to_port(token)`](Operation::to_port) | a packet on a [`CompletionPort`] |
//! | IV | `.await` | the future, under any executor or [`block_on`] |
//!
//! [`Socket`] has the operations. The floor below is the [`Driver`]: one thread, one completion queue, nothing else. A server with a thread for each core stands on that directly.
//!
//! | item | what it is |
//! |---|---|
//! | [`Proactor`], [`Socket`], [`Operation`], [`Overlapped`] | for programs: what starts operations, and an operation in flight |
//! | [`Driver`] | for servers: `submit` · `cancel` · `turn` · `next` · `wake_handle` · `now` · `random` |
//! | [`Op`], [`Completion`] | what a driver can start, and what comes back |
//! | [`SendBuf`], [`RecvBuf`] | the buffers an operation may own |
//! | [`Log`], [`Gather`] | bytes written once and sent to many, and one send of many pieces |
//! | [`Packet`] | bytes in one of the driver's pooled buffers |
//! | [`Error`], [`ErrorKind`] | one error type, with one kind on every backend |
//! | [`mailbox()`] | messages from other threads to the driver's thread |
//! | [`Network`] | a simulated network, deterministic to the byte |
//! | [`Report`] | which backend and which features of the kernel are in use, and why others are not |
//!
//! # Example
//!
//! With a driver: a connection to a listener in the same program, and one message across it:
//!
//! ```
//! use overlapped::{Driver, DriverConfig, ListenOptions, Op, Outcome, Wait};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut driver = Driver::new(DriverConfig::default())?;
//! let listener = driver.listen("127.0.0.1:0", &ListenOptions::default())?;
//! let address = driver.local_addr(listener)?;
//!
//! const ACCEPT: u64 = 1;
//! const CONNECT: u64 = 2;
//! driver.submit(Op::accept(listener), ACCEPT)?;
//! let client = driver.socket(&address)?;
//! driver.submit(Op::connect(client, &address), CONNECT)?;
//! driver.submit(Op::send(client, b"hello".to_vec()), 3)?;
//!
//! let text = 'done: loop {
//!     driver.turn(Wait::Forever)?;
//!     while let Some(completion) = driver.next() {
//!         let buf = completion.buf;
//!         match completion.result? {
//!             Outcome::Accepted(stream, _peer) => {
//!                 let server = driver.adopt(stream)?;
//!                 driver.submit(Op::recv(server, vec![0u8; 64]), 4)?;
//!             }
//!             Outcome::Received(_) => break 'done buf.unwrap().take::<Vec<u8>>().unwrap(),
//!             _ => {}
//!         }
//!     }
//! };
//! assert_eq!(text, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # Platforms
//!
//! Linux with io_uring (kernel 5.19 or newer), or with epoll where io_uring is not to be had; macOS and the BSDs with kqueue; Windows with completion ports.

#![deny(unsafe_code)]

mod address;
mod buf;
mod driver;
mod ending;
mod error;
mod event;
mod flags;
mod id;
mod log;
mod mailbox;
#[cfg(all(test, loom))]
mod models;
mod notify;
mod op;
mod operation;
mod options;
mod overlapped;
mod park;
mod port;
mod proactor;
mod report;
mod routine;
mod socket;
mod sync;
mod sys;
pub mod table;
mod time;
mod wait_set;

pub use address::{Address, AddressError};
pub use buf::{AnyBuf, Packet, PoolConfig, RecvBuf, SendBuf};
pub use driver::{Driver, DriverConfig, Live, Wait};
pub use ending::{Accepted, Ending, Received, ReceivedFrom, Sent};
pub use error::{Action, Error, ErrorKind, Failed};
pub use event::{Event, wait_all, wait_any};
pub use flags::{CloseMode, Flags, ShutdownHow};
pub use id::{OpId, SocketId};
pub use log::{Gather, Log, LogConfig, LogReader, LogRecord, LogSlice};
pub use mailbox::{MailError, Mailbox, Sender, mailbox};
pub use op::{Completion, Op, Outcome};
pub use operation::Operation;
pub use options::{DatagramOptions, ListenOptions, StreamOptions};
pub use overlapped::{Overlapped, Status};
pub use park::block_on;
pub use port::{CompletionPacket, CompletionPort, Queued, blocking};
pub use proactor::{LocalProactor, Proactor, ProactorBuilder};
pub use report::{Backend, Feature, Report};
pub use routine::{RoutineQueue, Woken, sleep_alertable, wait_alertable};
pub use socket::Socket;
pub use sys::{Network, NetworkConfig, Stream, WakeHandle};
pub use time::Time;
pub use wait_set::WaitSet;
