//! The server from outside: through its public interface, with real sockets on every backend of
//! this system and on simulated networks.
//!
//! All of it is one program, so that it links once and its tests share one harness. A test must
//! therefore not change what belongs to the process: tests that do, or that count allocations, have
//! programs of their own.

mod harness;

mod cluster {
    mod draining;
    mod in_process;
    mod keys;
    mod keys_simulation;
    mod nodes;
    mod presence;
    mod renewal;
    mod simulation;
    mod storm;
    mod storm_store;
}
mod codec {
    mod bursts;
    mod echo;
    mod framing;
    mod pausing;
    mod properties;
    mod simulation;
    mod tokio_util;
}
mod connect {
    mod openers;
    mod outbound;
    mod panics;
    mod proxy;
    mod proxy_simulation;
    #[cfg(unix)]
    mod tcp_options;
}
mod drain {
    mod aborts;
    mod acceptance;
    mod ends;
    mod options;
    mod simulation;
    mod work;
}
mod group {
    mod broadcast;
    mod chat;
    mod membership;
    mod simulation;
    mod slow_members;
}
mod half_close;
mod in_flight;
mod inherited;
mod latest {
    mod order;
    mod simulation;
    mod slow_peer;
}
mod limits;
mod listeners;
mod proxy_protocol;
mod races;
mod reach {
    mod drain;
    mod endings;
    mod inbox;
    mod messages;
    mod messages_simulation;
    mod room;
    mod runtime;
    mod started;
    mod timers;
    mod timers_simulation;
    mod work;
}
mod registry {
    mod groups;
    mod groups_simulation;
    mod keys;
    mod keys_simulation;
    mod lists;
    mod lists_simulation;
    mod shard_ends;
}
mod resume {
    mod away;
    mod cuts;
    mod ends;
    mod hostile;
    mod listeners;
    mod logic;
    mod nodes;
    mod nodes_faults;
    mod peer;
    mod sockets;
    mod wanderer;
    mod websocket;
    mod websocket_end;
}
mod sent_on;
mod sessions;
mod simulation;
mod slow_consumer;
mod task {
    mod connect;
    mod pair;
    mod session;
    mod simulation;
    mod streams;
    mod tasks;
}
mod testkit;
mod timeouts {
    mod put_off;
    mod silence;
    mod sockets;
    mod stalls;
    mod virtual_time;
}
