//! The admin listener: who is answered, every kind of nonsense, what it tells and does, and that
//! slow clients of it hold nobody up.

mod client;
mod command;
mod flight;
mod hostile;
mod routes;
mod token;
