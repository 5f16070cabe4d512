//! What the line at the end of a server says: how many sessions there were, and why they ended.

use proactor::{CloseReason, Stats};

#[cfg(feature = "tls")]
use crate::tls::failures as tls_failures;

/// How many sessions there were, and why they ended.
pub(crate) fn sessions(stats: &Stats) -> String {
    let closed = reasons(stats.closings());
    format!("{}{closed}", counted(stats.accepted + stats.connected, "session"))
}

pub(crate) fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Reasons for closing, with their counts.
pub(crate) fn reasons(closings: impl Iterator<Item = (CloseReason, u64)>) -> String {
    bracketed(closings.map(|(reason, count)| format!("{count}: {reason}")).collect())
}

fn bracketed(list: Vec<String>) -> String {
    if list.is_empty() { String::new() } else { format!(" ({})", list.join("; ")) }
}

#[cfg(not(feature = "tls"))]
fn tls_failures(_: &Stats) -> &'static str {
    ""
}

/// The closing summary: what is counted by the command, then refused connections by reason and
/// dropped packets.
pub(crate) fn summary(stats: &Stats, begin: &str) -> String {
    let refused = stats.refusals().map(|(reason, count)| format!("{count}: {reason}")).collect();
    let lost = stats.datagram_drops().map(|(why, count)| format!("{count}: {why}")).collect();
    let datagrams = match stats.datagrams_received {
        0 => String::new(),
        count => format!(", {} came{}", counted(count, "datagram"), bracketed(lost)),
    };
    let drained = match (stats.drained, stats.drain_cut) {
        (0, 0) => String::new(),
        (whole, cut) => format!(", drained {whole} whole, {cut} cut"),
    };
    format!(
        "{begin}, {} refused{}, {} dropped{drained}{datagrams}{}",
        stats.refused_in_all(),
        bracketed(refused),
        counted(stats.dropped, "packet"),
        tls_failures(stats)
    )
}
