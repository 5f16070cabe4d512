//! TLS, by rustls with the crypto of `ring`.
//!
//! [`Tls`] is what a listener shows and asks for; [`TlsClient`] is what the server asks for and
//! shows where it connects. Both are handles: clones share what
//! [`reload`](Tls::reload) loads anew.
//!
//! rustls is used through its unbuffered interface. Records are decrypted in the driver's receive
//! buffer, and a connection that is idle holds no buffer.

mod client;
mod config;
pub(crate) mod error;
mod hello;
mod info;
mod pem;
mod resolver;
mod server;
pub(crate) mod stream;
#[cfg(test)]
mod tests;

pub use client::{TlsClient, TlsClientConfig};
pub use config::{ClientCertificates, TlsConfig};
pub use error::TlsError;
pub use hello::{ClientHello, HelloError, HelloRead};
pub use info::{TlsInfo, TlsVersion};
pub use server::Tls;
