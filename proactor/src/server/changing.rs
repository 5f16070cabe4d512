//! What can be changed while a server runs.

use overlapped::mailbox::MailError;

use super::handle::Handle;
use super::limits::Limits;
use crate::error::ServerError;
use crate::shard::directory::Mail;

impl<M> Handle<M> {
    /// Has the running server keep to other limits. No session is closed for it.
    ///
    /// - Connections that come from now on meet the new [`sessions`](Limits::sessions),
    ///   [`sessions_per_ip`](Limits::sessions_per_ip), [`ipv6_prefix`](Limits::ipv6_prefix),
    ///   [`handshakes`](Limits::handshakes) and [`accept_rate`](Limits::accept_rate).
    /// - Sessions that begin from now on have the new [`packet_rate`](Limits::packet_rate) and
    ///   [`byte_rate`](Limits::byte_rate).
    /// - [`outbox_bytes`](Limits::outbox_bytes), [`inbox_messages`](Limits::inbox_messages) and the
    ///   [`refusal`](Limits::refusal) stay as the server was started with.
    ///
    /// Where there are more sessions now than there may be, none are accepted until enough have
    /// ended. Sessions that came while nothing limited the sessions of an address are not counted
    /// for theirs. The limits that a [`Listener`](crate::Listener) has of its own stay.
    ///
    /// ```
    /// # use proactor::{Handle, Limits, ServerError};
    /// fn open_for_the_evening(handle: &Handle) -> Result<(), ServerError> {
    ///     handle.set_limits(&Limits::new().sessions(50_000).accept_rate(2_000))
    /// }
    /// ```
    ///
    /// # Errors
    /// As for [`Builder::start`](crate::Builder::start), if a limit is not possible: then none is
    /// changed. A server that has too much to do to be told of the rates keeps those that it has on
    /// some shards.
    pub fn set_limits(&self, limits: &Limits) -> Result<(), ServerError> {
        let directory = &self.directory;
        limits.check(directory.most_accepted, 0).map_err(ServerError::Config)?;
        directory.admission.set_limits(limits.admission);
        for shard in 0..directory.shard_count() {
            // A shard that has ended has no sessions to begin.
            if let Err(MailError::Full(_)) = directory.mail(shard, Mail::Rates(limits.rates())) {
                let why = "a shard's mailbox is full, so it keeps the rates of a session that it has: try again";
                return Err(ServerError::Config(why.into()));
            }
        }
        Ok(())
    }
}
