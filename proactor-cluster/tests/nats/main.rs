//! Nodes over real NATS servers, which are killed and started again. Without the program
//! `nats-server` (Debian: `apt-get install nats-server`) each test says so and does nothing;
//! `ci/cluster.sh` installs it.

mod broker;
mod bucket;
mod chat;
mod errors;
mod faults;
mod keys;
mod nodes;
mod proxy;
mod resume;
mod users;
