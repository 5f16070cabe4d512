//! Buffers that an operation can own.
//!
//! An operation owns its buffers from its start to its end, because the kernel reads or writes them
//! in between. So a buffer type must keep its bytes *outside* the value that is moved: a `Vec<u8>`
//! does, a `[u8; 64]` does not. The compiler cannot check that promise, so the two traits are
//! `unsafe` to implement.

#![allow(unsafe_code, reason = "buffer types are one of the two places where memory is handed to the kernel")]

mod any;
mod crossing;
mod ext;
mod kinds;
mod lent;
mod pool;
mod slice;
mod spare;
mod value;

pub use any::AnyBuf;
pub(crate) use crossing::Crossing;
pub use ext::BufExt;
pub use kinds::{RecvBuf, SendBuf};
pub use lent::Lent;
pub(crate) use pool::Pool;
pub use pool::{Packet, PoolConfig};
pub use slice::{Slice, SliceBuf};
pub use spare::{Spare, SpareBuf};
pub(crate) use value::Value;
