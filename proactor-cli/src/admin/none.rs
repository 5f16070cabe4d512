//! What stands for the admin listener in a program without it.

use std::time::Duration;

use clap::Args;
use overlapped::driver::Stream;
use proactor::Handle;

use crate::reloading::Reloading;

#[derive(Args)]
pub(crate) struct AdminOptions {}

/// There is none.
pub(crate) enum Admin {}

#[expect(dead_code, reason = "nobody asks for it")]
pub(crate) struct Subject {
    pub(crate) handle: Handle,
    pub(crate) name: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) backend: String,
    pub(crate) shards: usize,
    pub(crate) most_sessions: usize,
    pub(crate) drain_timeout: Duration,
    pub(crate) reloading: Reloading,
}

impl AdminOptions {
    pub(crate) fn files(&self) -> u64 {
        0
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        Ok(())
    }

    pub(crate) fn start(&self, inherited: Vec<Stream>) -> Result<Option<Admin>, String> {
        match inherited.len() {
            0 => Ok(None),
            _ => Err("an inherited socket is named admin, and this program has no --admin".to_owned()),
        }
    }
}

impl Admin {
    pub(crate) fn addresses(&self) -> String {
        match *self {}
    }

    pub(crate) fn end(self) {
        match self {}
    }

    pub(crate) fn serve(&self, _: Subject) {
        match *self {}
    }
}
