//! What systemd is told of a server that it has started with `Type=notify`: that it is ready, that
//! it reloads or ends, how it is, and that its shards answer. The messages are those of
//! sd_notify(3).

mod checkup;
mod keeper;
mod manager;
mod socket;

pub(crate) use self::keeper::Keeper;
pub(crate) use self::manager::Notify;
