//! TLS of a load's connections, without a socket: what is to be sent goes in, records come out, and
//! back.
//!
//! Without the feature `tls` there is none, and the types have no values.

#[cfg(feature = "tls")]
mod connection;
#[cfg(not(feature = "tls"))]
mod none;

#[cfg(feature = "tls")]
pub use connection::Tls;
#[cfg(feature = "tls")]
pub(crate) use connection::TlsStream;
#[cfg(not(feature = "tls"))]
pub use none::Tls;
#[cfg(not(feature = "tls"))]
pub(crate) use none::TlsStream;
