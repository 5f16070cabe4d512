//! Describing a server, starting it, and running it.

mod builder;
mod changing;
pub(crate) mod config;
mod datagrams;
pub(crate) mod drain_options;
mod flight;
pub(crate) mod handle;
pub(crate) mod inherited;
mod limits;
mod list;
pub(crate) mod listener;
mod listener_limits;
mod outbound;
mod post;
mod registry;
mod run;
mod signals;
pub(crate) mod simulation;
pub(crate) mod stats;
mod tcp;
mod timeouts;

pub use builder::Builder;
pub use drain_options::DrainOptions;
pub use handle::Handle;
pub use limits::Limits;
pub use list::SessionList;
pub use listener::Listener;
pub use listener_limits::ListenerLimits;
pub use outbound::Outbound;
pub use post::{PostError, PostWait};
pub use run::Server;
pub use signals::{Signal, SignalWatch, Signals};
pub use simulation::{SimClient, SimDatagrams, Simulation};
pub use stats::Stats;
pub use timeouts::Timeouts;
