//! Codecs: where in a stream of bytes one packet ends and the next begins. They know no socket.
//!
//! | codec | a frame is |
//! |---|---|
//! | [`Raw`] | whatever has arrived |
//! | [`Lines`] | a line that ends in LF or CR LF |
//! | [`LengthPrefixed`] | a length of 1, 2, 4 or 8 bytes, then so many bytes |
//! | [`Fixed`] | a fixed number of bytes |
//! | your own | what your [`Codec`] says |
//!
//! A codec looks at bytes and says where the packet in them lies; it copies nothing. [`Assembly`]
//! gives it the pieces of a stream as they come, and gathers a frame that lies across pieces. A
//! frame over a codec's maximum is refused as soon as that can be seen, before memory is spent on
//! it.
//!
//! ```
//! use proactor::codec::{Assembly, Codec, Lines};
//!
//! let mut codec = Lines::new().max_line(80).into_framing();
//! let mut assembly = Assembly::new();
//! let mut lines = Vec::new();
//! for mut piece in [&b"GET /one\r\nGET"[..], b" /two\n"] {
//!     while let Some(line) = assembly.next(&mut codec, &mut piece).unwrap() {
//!         lines.push(String::from_utf8_lossy(&line).into_owned());
//!     }
//! }
//! assert_eq!(lines, ["GET /one", "GET /two"]);
//! ```

mod assembly;
mod decoded;
mod framing;
mod held;
mod length;
mod lines;
#[cfg(feature = "tokio-util")]
mod tokio_util;

#[cfg(feature = "websocket")]
pub use crate::websocket::WebSocketFraming;
pub use assembly::{Assembly, BacklogFull, Payload};
pub(crate) use decoded::Frame;
pub use decoded::{Decoded, FrameError, MOST_FRAME_BYTES};
pub(crate) use framing::Plain;
pub use framing::{BoxedCodec, Codec, Fixed, Framing, OwnCodec, Raw};
pub use length::LengthPrefixed;
pub use lines::Lines;
#[cfg(feature = "tokio-util")]
pub use tokio_util::{FromPacket, TokioUtil};
