//! Nodes of a [cluster](proactor::cluster) over [NATS](https://nats.io).
//!
//! ```no_run
//! use proactor::codec::Lines;
//! use proactor::{Flow, Handler, NoMessage, Server, Session};
//! use proactor_cluster::Nats;
//!
//! # #[derive(Clone)]
//! # struct Chat;
//! # impl Handler for Chat {
//! #     type State = ();
//! #     type Message = NoMessage;
//! #     fn connected(&mut self, _: &Session) {}
//! #     fn received(&mut self, _: &Session, _: &mut (), _: &[u8]) -> Flow {
//! #         Flow::Continue
//! #     }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let node = Nats::new("nats://127.0.0.1:4222").node("eu-1").connect()?;
//! let builder = Server::builder().listen("0.0.0.0:7777").codec(Lines::new());
//! builder.cluster(node).start(Chat)?.wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! The client of NATS runs on one thread of its own. Shards hand it messages through a queue with a
//! limit, and never wait for it. If NATS cannot be reached, at the start or later, the server goes
//! on alone: lost broadcasts are counted and told to the logic, the connection is tried again,
//! and the subscriptions are made again before the node publishes. `docs/cluster.md` in the
//! repository has what is promised, in tables.

#![forbid(unsafe_code)]

mod bucket;
mod bus;
mod calls;
mod connect;
mod connection;
mod error;
mod jetstream;
mod nats;
mod state;
mod subject;
mod wishes;
mod worker;

pub use error::ConnectError;
pub use nats::Nats;
