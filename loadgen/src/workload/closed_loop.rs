//! A load with one exchange per connection at a time; the next begins when it is complete.

use std::time::Instant;

use anyhow::Result;

use super::load::Load;
use super::window::Window;

/// What one connection sends, and what it expects for it. Knows no socket and no time.
pub(super) trait Exchange {
    /// Begins anew, after [`is_complete`](Self::is_complete).
    fn next(&mut self);
    fn unsent(&self) -> &[u8];
    fn sent(&mut self, count: usize);
    /// Checks received bytes and returns how many units they complete.
    fn received(&mut self, bytes: &[u8]) -> Result<u64>;
    fn is_complete(&self) -> bool;
    /// What is under way, for an error.
    fn describe(&self) -> String;
}

pub(super) struct ClosedLoop<E> {
    connections: Vec<(E, Instant)>,
    /// Connections whose exchange is not complete.
    outstanding: usize,
}

impl<E: Exchange> ClosedLoop<E> {
    pub(super) fn new(exchanges: impl Iterator<Item = E>) -> Self {
        let now = Instant::now();
        let connections: Vec<_> = exchanges.map(|exchange| (exchange, now)).collect();
        Self { outstanding: connections.len(), connections }
    }
}

impl<E: Exchange> Load for ClosedLoop<E> {
    fn start(&mut self, now: Instant) {
        for (_, begun) in &mut self.connections {
            *begun = now;
        }
    }

    fn unsent(&self, connection: usize) -> &[u8] {
        self.connections[connection].0.unsent()
    }

    fn sent(&mut self, connection: usize, count: usize) {
        self.connections[connection].0.sent(count);
    }

    fn received(&mut self, connection: usize, bytes: &[u8], now: Instant, window: &mut Window) -> Result<()> {
        let (exchange, begun) = &mut self.connections[connection];
        let units = exchange.received(bytes)?;
        if units > 0 {
            window.completed(units, now - *begun);
        }
        if exchange.is_complete() {
            if window.is_over() {
                self.outstanding -= 1;
            } else {
                exchange.next();
                *begun = now;
            }
        }
        Ok(())
    }

    fn is_quiet(&self) -> bool {
        self.outstanding == 0
    }

    fn describe(&self, connection: usize) -> String {
        self.connections[connection].0.describe()
    }

    fn describe_outstanding(&self) -> String {
        let waiting = self.connections.iter().find(|(exchange, _)| !exchange.is_complete());
        let waiting = waiting.map(|(exchange, _)| exchange.describe());
        format!("{} outstanding, among them {}", self.outstanding, waiting.unwrap_or_default())
    }
}
