//! Sessions that outlive their connections. Knows no socket.
//!
//! On the wire, a session is a stream of bytes in each direction, whatever its codec. Both sides
//! [count](stream) them, and keep what the other has not confirmed. A connection begins with a
//! [hello and an answer](wire), by which both know what the other has. So a packet that was cut in
//! the middle goes on in the middle.
//!
//! [`Resuming`] is the server's side of one connection, in its [transport](crate::transport).
//! `session/away` is what becomes of a session without a connection, [`handover`] how it goes to
//! another node. [`client`] is the other side. docs/resume.md has the guarantees and the bytes.

pub(crate) mod client;
pub(crate) mod config;
mod connection;
mod error;
pub(crate) mod handover;
pub(crate) mod stream;
pub(crate) mod token;
pub(crate) mod wire;

pub use self::client::{ResumeClient, Resumed};
pub use self::config::Resume;
pub(crate) use self::connection::Resuming;
pub use self::error::ResumeError;
pub use self::wire::Afresh;
