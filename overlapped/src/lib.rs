//! Overlapped (completion-based) I/O for Rust.
//!
//! In overlapped I/O a program *starts* an operation, hands its buffers over, gets on with other work, and is
//! *told* when the operation has ended. An [`Engine`] serves programs of many threads, and as a [`LocalEngine`] those of one; it tells in four ways:
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
//! | [`Engine`], [`Socket`], [`Operation`], [`Overlapped`] | for programs: what starts operations, and an operation in flight |
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
mod engine;
mod error;
mod log;
mod mailbox;
mod op;
mod pool;
mod report;
mod sync;
mod sys;
pub mod table;
mod time;

pub use address::{Address, AddressError};
pub use buf::{AnyBuf, RecvBuf, SendBuf};
pub use driver::{Driver, DriverConfig, Live, Wait};
pub use engine::ending::{Ending, Received, ReceivedFrom, Sent, Status};
pub use engine::event::{Event, WaitSet, wait_all, wait_any};
pub use engine::future::block_on;
pub use engine::operation::Operation;
pub use engine::overlapped::Overlapped;
pub use engine::port::{CompletionPacket, CompletionPort, Queued, blocking};
pub use engine::routine::{RoutineQueue, Woken, sleep_alertable, wait_alertable};
pub use engine::socket::{Accepted, Socket};
pub use engine::{Engine, EngineBuilder, LocalEngine};
pub use error::{Action, Error, ErrorKind, Failed};
pub use log::{Gather, Log, LogConfig, LogReader, LogRecord, LogSlice};
pub use mailbox::{MailError, Mailbox, Sender, mailbox};
pub use op::{CloseMode, Completion, Flags, Op, OpId, Outcome, ShutdownHow, SocketId};
pub use pool::{Packet, PoolConfig};
pub use report::{Backend, Feature, Report};
pub use sys::{DatagramOptions, ListenOptions, Network, NetworkConfig, Stream, StreamOptions, WakeHandle};
pub use time::Time;
