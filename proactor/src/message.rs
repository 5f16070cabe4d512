//! The type of message of logic that takes none.

/// The type of message of logic that is sent none: there is no value of it.
///
/// A [`Handle`](crate::Handle) without another type has this one. If the compiler expects a
/// `NoMessage` where you post a message, the handle is such a one, as that of
/// [`Session::handle`](crate::Session::handle) is. The handle that knows the type comes from
/// [`Handler::started`](crate::Handler::started) or [`Server::handle`](crate::Server::handle).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMessage {}
