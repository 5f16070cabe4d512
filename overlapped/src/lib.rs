//! Overlapped (completion-based) I/O for Rust.
//!
//! In overlapped I/O a program *starts* an operation, hands its buffers over, does other work, and
//! is *told* when the operation has ended. An operation owns its buffers from its start to its end,
//! because the kernel reads or writes them in between.
//!
//! There are two layers. An [`Engine`] serves programs of many threads; a [`LocalEngine`] serves
//! one thread. Both tell of an operation's end in four ways:
//!
//! | model | started with | told by |
//! |---|---|---|
//! | I | [`.event(&event)`][i] `.start()` | an [`Event`], in a wait or a [`WaitSet`]: [`event`] |
//! | II | [`.on_complete(f)`][ii] | a call of `f`, in an alertable wait: [`routine`] |
//! | III | [`.to_port(token)`][iii] | a packet on a [`CompletionPort`]: [`port`] |
//! | IV | `.await` | the future, under any executor: [`future`] |
//!
//! Below them is the [`Driver`]: one thread, one completion queue, nothing else. A server with one
//! thread for each core uses drivers directly.
//!
//! | module | what is in it |
//! |---|---|
//! | [`driver`] | [`Driver`]; [`Op`], what it can start; `Completion`, what comes back |
//! | [`engine`] | [`Engine`], [`Socket`], `Operation`, and [`Overlapped`], one in flight |
//! | [`event`], [`routine`], [`port`], [`future`] | the four models |
//! | [`buf`] | buffers that an operation can own; `Packet`, a driver's pooled buffer |
//! | [`log`] | `Log`: bytes that are written once and sent to many |
//! | [`mailbox`] | messages from other threads to a driver's thread |
//! | [`error`] | [`Error`] and [`ErrorKind`]: one kind for each failure, on every backend |
//! | [`options`] | options of listeners, connections and datagram sockets |
//! | [`sockopt`] | options one at a time, by name or by level and number |
//! | [`report`] | which backend and kernel features a driver uses, and why no others |
//! | [`resolve`] | names of hosts, looked up on threads of their own |
//! | [`sim`] | `Network`: a simulated network, deterministic to the byte |
//! | [`table`] | `Table`: values in slots that are used again under a new generation |
//!
//! [i]: engine::Operation::event
//! [ii]: engine::Operation::on_complete
//! [iii]: engine::Operation::to_port
//!
//! # Example
//!
//! A driver connects to a listener of the same program and sends one message across the connection:
//!
//! ```
//! use overlapped::{Driver, DriverConfig, Op, Outcome};
//! use overlapped::driver::Wait;
//! use overlapped::options::ListenOptions;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut driver = Driver::new(DriverConfig::new())?;
//! let listener = driver.listen("127.0.0.1:0", &ListenOptions::new())?;
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
//! Linux with io_uring (kernel 5.19 or newer), or with epoll where io_uring is not available; macOS
//! and the BSDs with kqueue; Windows with completion ports.

#![deny(unsafe_code)]

pub mod address;
pub mod buf;
pub mod driver;
pub mod engine;
pub mod error;
mod flags;
mod id;
pub mod log;
pub mod mailbox;
pub mod options;
pub mod report;
pub mod resolve;
mod sync;
mod sys;
pub mod table;
pub mod time;
mod wake;

/// Model I: events, and threads that wait for them.
pub mod event {
    pub use crate::engine::event::{Event, WaitSet, wait_all, wait_any};
}

/// Model II: completion routines, and the alertable waits in which they run.
pub mod routine {
    pub use crate::engine::routine::{RoutineQueue, Woken, sleep_alertable, wait_alertable};
}

/// Model III: completion ports, from which several threads take packets.
pub mod port {
    pub use crate::engine::port::{CompletionPacket, CompletionPort, Queued, blocking};
}

/// Model IV: operations as futures, and an executor for one of them.
pub mod future {
    pub use crate::engine::future::block_on;
}

/// Options of a socket one at a time, to be set and read at any time: those that have a name here,
/// and any other by its level and number ([`SocketOption::new`](sockopt::SocketOption::new)).
///
/// They are given to `set_option` and `option` of a [`Socket`], a [`Driver`] and a
/// [`Stream`](driver::Stream). An error names the option, and the value that was to be set. A
/// socket of a simulated network has none of them (`Unsupported`).
///
/// ```
/// use std::time::Duration;
///
/// use overlapped::{Engine, sockopt};
///
/// let engine = Engine::new()?;
/// let socket = engine.socket("127.0.0.1:0", &Default::default())?;
/// socket.set_option(sockopt::KEEP_ALIVE, true)?;
/// socket.set_option(sockopt::KEEP_ALIVE_IDLE, Duration::from_secs(30))?;
/// assert!(socket.option(sockopt::RECEIVE_BUFFER)? > 0);
///
/// let error = socket.set_option(sockopt::TTL, 1000).unwrap_err();
/// assert!(error.to_string().contains("TTL 1000"));
/// # Ok::<(), overlapped::Error>(())
/// ```
pub mod sockopt {
    pub use crate::sys::sockopt::known::{
        BIND_ADDRESS_NO_PORT, BROADCAST, ERROR, JOIN, KEEP_ALIVE, KEEP_ALIVE_IDLE, KEEP_ALIVE_INTERVAL,
        KEEP_ALIVE_PROBES, LEAVE, LINGER, MULTICAST_INTERFACE, MULTICAST_LOOP, MULTICAST_TTL, NODELAY, ONLY_V6,
        RECEIVE_BUFFER, REUSE_ADDRESS, REUSE_PORT, SEND_BUFFER, TOS, TTL, USER_TIMEOUT,
    };
    pub use crate::sys::sockopt::option::SocketOption;
    pub use crate::sys::sockopt::value::OptionValue;
}

/// A simulated network in memory: deterministic to the byte.
pub mod sim {
    pub use crate::sys::sim::{Link, Network, NetworkConfig};
}

pub use address::Address;
pub use driver::{Driver, DriverConfig, Op, Outcome};
pub use engine::{Engine, LocalEngine, Overlapped, Socket};
pub use error::{Error, ErrorKind};
pub use event::{Event, WaitSet};
pub use port::CompletionPort;
pub use time::Time;
