//! What stands for the admin listener in a program without it.

use std::time::Duration;

use clap::Args;
use proactor::{DrainOptions, Handle};

use crate::inherited::Sockets;
use crate::reloading::Reloading;
use crate::upgrade::Upgrade;

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
    pub(crate) drain: DrainOptions,
    pub(crate) drain_timeout: Duration,
    pub(crate) reloading: Reloading,
    pub(crate) upgrade: Upgrade,
}

impl AdminOptions {
    pub(crate) fn files(&self) -> u64 {
        0
    }

    pub(crate) fn is_on(&self) -> bool {
        false
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        Ok(())
    }

    pub(crate) fn start(&self, inherited: Sockets) -> Result<Option<Admin>, String> {
        match inherited.first_needed() {
            None => Ok(None),
            Some(at) => Err(format!("the inherited socket {at} is named admin, and this program has no --admin")),
        }
    }
}

impl Admin {
    pub(crate) fn handle(&self) -> Handle {
        match *self {}
    }

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
