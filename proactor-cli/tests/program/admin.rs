//! The admin listener: who is answered, every kind of nonsense, what it tells and does, and that
//! slow clients of it hold nobody up.

pub(crate) mod client;
mod command;
mod dashboard;
mod flight;
mod hostile;
mod routes;
mod token;
