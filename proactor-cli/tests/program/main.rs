//! Tests of the real program, started as a user starts it.

#[cfg(feature = "admin")]
mod admin;
mod backends;
mod bench;
mod browsers;
mod chat;
#[cfg(feature = "cluster")]
mod cluster;
mod config;
mod draining;
#[cfg(all(unix, feature = "admin"))]
mod draining_many;
mod ending;
mod errors;
#[cfg(unix)]
mod hangup;
mod harness;
#[cfg(unix)]
mod inherited;
#[cfg(target_os = "linux")]
mod io_uring;
#[cfg(unix)]
mod limits;
mod listening;
mod logs;
mod members;
#[cfg(unix)]
mod notify;
#[cfg(all(unix, feature = "otel"))]
mod otlp;
#[cfg(target_os = "linux")]
mod output;
mod pages;
mod proxy;
#[cfg(unix)]
mod quit;
#[cfg(unix)]
mod reloading;
mod reserved;
#[cfg(unix)]
mod restart;
#[cfg(unix)]
mod room;
#[cfg(feature = "tls")]
mod routing;
mod serving;
mod settings;
mod slow_consumers;
#[cfg(unix)]
mod stopped;
mod timeouts;
mod tls;
#[cfg(feature = "tls")]
mod tls_proxy;
#[cfg(unix)]
mod unix_sockets;
#[cfg(unix)]
mod upgrade;
mod websocket;
