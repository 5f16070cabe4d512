//! What the tests share: servers on each backend, clients, simulated networks, and waiting.

mod backends;
mod clients;
mod counted;
mod handlers;
mod open_files;
mod refusing;
mod servers;
mod simulated;
mod waiting;

pub(crate) use backends::backends;
pub(crate) use clients::{
    ask, connect, exchange, expect, patient, pattern, read_end, read_once, read_to_end, round_trip,
};
pub(crate) use counted::Counted;
pub(crate) use handlers::{ReportsIds, echo, next};
pub(crate) use open_files::raise_open_files;
pub(crate) use refusing::Refusing;
pub(crate) use servers::{address_of, builder, finish, on_each_backend, serve};
pub(crate) use simulated::{
    GRACEFUL, client, close_all, driver, receiver, receivers, run_until, some_close, some_pause, turn,
};
pub(crate) use waiting::{PATIENCE, wait_until};
