//! A session server on overlapped I/O.
//!
//! | concept | what it is |
//! |---|---|
//! | [`Server`] | listeners and shards, made by [`Server::builder`] |
//! | [`Listener`], [`ListenerLimits`] | an address to listen on, its codec and its limits |
//! | [`Limits`], [`Timeouts`], [`Outbound`] | its settings, by subject |
//! | [`Handler`] | your code (the logic): `connected`, `received`, `closed`, a state per session |
//! | [`AsyncSession`] | the logic as an async function per session: [`Builder::serve`] |
//! | [`Session`] | one connection, inside its shard: send, pause, close, connect to others |
//! | [`Target`] | what to connect to: an address, or a name and a port |
#![cfg_attr(feature = "metrics", doc = "| [`metrics`] | what it counts, for Prometheus |")]
#![cfg_attr(feature = "tls", doc = "| [`tls`] | sessions over TLS: certificates of listeners, and whom to trust |")]
//! | [`SessionId`] | identifies a session from any thread; ids are never reused |
//! | [`Group`] | sessions to which any thread can broadcast packets |
//! | [`cluster`] | several servers whose groups are one |
//! | [`SlowConsumer`] | what to do with a peer that does not keep up |
//! | [`Handle`] | the server from any thread: send, post a message, count, drain, stop |
//! | [`ShardHandle`] | the current shard: timers and clock for a handler |
//! | [`Signals`] | SIGTERM and Ctrl-C drain the server: [`Server::run_until`] |
//! | [`codec`] | where one packet of a stream ends and the next begins |
//! | [`CloseReason`] | why a session ended |
//! | [`FlightEvent`] | one entry of a shard's flight recorder: [`Builder::flight_recorder`] |
//! | [`Simulation`], [`SimClient`] | the server on a simulated network, and clients that test it |
//!
//! `docs/cookbook.md` in the repository has recipes: a chat with rooms, request and response, a
//! game's loop, a database through tokio, timers, messages, a graceful stop, limits for a public
//! port, an admin port, tests, and porting from tokio and Winsock. `docs/testing.md` is about the
//! simulation, and `docs/glossary.md` defines the terms.
//!
//! # Example
//!
//! ```
//! use proactor::{Flow, Handler, NoMessage, Server, Session};
//!
//! #[derive(Clone)]
//! struct Echo;
//!
//! impl Handler for Echo {
//!     type State = ();
//!     type Message = NoMessage;
//!     fn connected(&mut self, _: &Session) {}
//!     fn received(&mut self, session: &Session, _: &mut (), packet: &[u8]) -> Flow {
//!         match session.send(packet) {
//!             Ok(()) => Flow::Continue,
//!             Err(_) => Flow::Close,
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), proactor::ServerError> {
//! let server = Server::builder().listen("127.0.0.1:0").shards(1).start(Echo)?;
//! # use std::io::{Read, Write};
//! let mut client = std::net::TcpStream::connect(&server.local_addrs()[0]).unwrap();
//! client.write_all(b"hello").unwrap();
//! let mut answer = [0; 5];
//! client.read_exact(&mut answer).unwrap();
//! assert_eq!(&answer, b"hello");
//! server.handle().stop();
//! server.wait()
//! # }
//! ```

#![forbid(unsafe_code)]

pub mod cluster;
pub mod codec;
mod connect;
mod datagrams;
mod error;
mod flight;
mod group;
mod handler;
#[cfg(feature = "http")]
mod http;
mod limits;
mod message;
#[cfg_attr(
    not(feature = "metrics"),
    allow(dead_code, unused_imports, reason = "nothing is counted, or nobody reads it")
)]
mod meter;
#[cfg(feature = "metrics")]
pub mod metrics;
mod outbox;
mod panic;
mod proxy_protocol;
mod registry;
mod resume;
mod server;
mod session;
mod shard;
pub mod task;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg_attr(
    not(feature = "tls"),
    allow(
        dead_code,
        unused_variables,
        clippy::ptr_arg,
        clippy::unused_self,
        reason = "there is no layer, or a plain one"
    )
)]
mod transport;
#[cfg(feature = "websocket")]
mod websocket;
mod wheel;

pub use overlapped::address::AddressError;
pub use overlapped::driver::{Live, Wait};
pub use overlapped::report::{Backend, Report};
pub use overlapped::sim::{Link, Network, NetworkConfig};
pub use overlapped::{Address, Time};

pub use connect::{ConnectError, ConnectFailure, Origin, Target, TargetError, Tried};
pub use datagrams::{client::CookieClient, config::Datagrams, drops::DatagramDrop};
pub use error::{JoinError, SendError, ServerError, TimerError, WatchError};
pub use flight::{FlightEvent, FlightKind};
pub use group::Group;
pub use group::presence::{PresenceChange, Present};
pub use handler::{Flow, Handler};
pub use ipnet::IpNet;
pub use limits::{Rate, Refusal, SlowConsumer};
pub use message::NoMessage;
pub use proxy_protocol::{ProxiedTls, ProxyHeader, ProxyHeaderFault, ProxyProtocol, ProxyVersion, tlv_kind};
pub use registry::NameError;
pub use registry::keys::{IdentifyError, IfTaken};
pub use resume::{Afresh, Resume, ResumeClient, ResumeError, Resumed};
pub use server::{
    Anywhere, Builder, DrainOptions, Handle, Limits, Listener, ListenerLimits, Outbound, PostError, PostWait, Server,
    SessionList, Signal, SignalWatch, Signals, SimClient, SimDatagrams, Simulation, Stats, Timeouts,
};
pub use session::Session;
pub use session::busy::Busy;
pub use session::delivery::Delivery;
pub use session::holds::Hold;
pub use session::id::{SessionId, SessionIdError};
pub use session::info::SessionInfo;
pub use session::pair::PairError;
pub use session::reason::CloseReason;
#[cfg(feature = "tls")]
pub use session::start_tls::StartTlsError;
pub use shard::handle::ShardHandle;
pub use shard::listeners::ListenerInfo;
pub use task::{AsyncSession, Tasks};
pub use transport::failure::TlsFailure;
#[cfg(feature = "websocket")]
pub use websocket::{CloseCode, Deflate, MessageKind, Upgrade, UpgradeRequest, WebSocket, WebSocketClient};

/// The examples of the pages are tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/cluster.md")]
struct ClusterPage;

#[cfg(doctest)]
#[doc = include_str!("../../docs/resume.md")]
struct ResumePage;

#[cfg(doctest)]
#[doc = include_str!("../../docs/testing.md")]
struct TestingPage;

#[cfg(doctest)]
#[doc = include_str!("../../docs/cookbook.md")]
struct CookbookPage;

#[cfg(all(doctest, feature = "metrics"))]
#[doc = include_str!("../../docs/operations.md")]
struct OperationsPage;

#[cfg(all(doctest, feature = "http", feature = "tls"))]
#[doc = include_str!("../../docs/transports.md")]
struct TransportsPage;
