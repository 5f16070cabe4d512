//! The only place that knows an operating system.
//!
//! A backend does little: it starts an operation, cancels it, waits, and says what happened. Order,
//! limits, timers, short sends, re-arming and closing are the driver's, so that they are the same
//! on every backend. [`dispatch`] calls the backend in use through an enum, so no type above
//! carries a backend parameter.
//!
//! From below: [`socket`] and [`sim`]'s ends are sockets; [`handle`] is any of them; [`op`] is what
//! a backend is given and what it answers; then the backends; then [`dispatch`].

#![allow(unsafe_code, reason = "this is where the operating system is called")]

#[cfg(unix)]
mod bare;
mod bound_path;
pub(crate) mod clock;
pub(crate) mod datagrams;
pub(crate) mod descriptor;
pub(crate) mod dispatch;
mod file;
pub(crate) mod handle;
mod inherited;
pub(crate) mod maker;
#[cfg(unix)]
mod message;
pub(crate) mod op;
pub(crate) mod process;
mod rest;
pub(crate) mod sim;
mod socket;
pub(crate) mod sockopt;
pub(crate) mod stream;
pub(crate) mod view;

#[cfg(unix)]
mod poll;
#[cfg(target_os = "linux")]
mod uring;
#[cfg(windows)]
mod winsock;
