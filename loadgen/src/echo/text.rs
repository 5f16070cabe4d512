//! The report on standard output.

use std::fmt::Write;

use super::figures::{bytes, counted, grouped, rate, time};
use super::summary::{Distribution, Summary};

impl Summary {
    pub fn text(&self) -> String {
        let mut text = String::new();
        let settings = &self.settings;
        let (messages, amount) = (&self.messages, &self.bytes);
        let at = if self.target == self.address { String::new() } else { format!(" ({})", self.address) };
        let _ = writeln!(text, "{}{at}: {}", self.target, self.what());
        let busy = self.generator.busy.map_or(String::new(), |busy| format!(", {:.0} % busy", busy * 100.0));
        let _ = writeln!(
            text,
            "{:.2} s, after {} s of warm-up; backend {}, {}{busy}\n",
            self.seconds,
            settings.warmup_seconds,
            self.backend,
            counted(settings.threads as u64, "thread"),
        );
        let _ = writeln!(
            text,
            "answered    {} per second, {} in all",
            rate(messages.answered_per_second),
            grouped(messages.answered)
        );
        let _ = writeln!(
            text,
            "bytes       {} per second sent, {} received",
            bytes(amount.sent_per_second),
            bytes(amount.received_per_second)
        );
        row(&mut text, "latency", &self.latency);
        let _ = writeln!(text, "            {}", self.counted_from());
        if let Some(lateness) = &self.lateness {
            row(&mut text, "sent late", lateness);
        }
        let connections = &self.connections;
        row(&mut text, "connecting", &connections.connecting);
        let _ = writeln!(
            text,
            "            {} of {} connections",
            grouped(connections.made as u64),
            grouped(connections.asked as u64)
        );
        let _ = writeln!(text, "errors      {}", grouped(self.errors.in_all));
        for faults in &self.errors.kinds {
            let _ =
                writeln!(text, "  {:>6} × {}; the first: {}", grouped(faults.count), faults.kind.name(), faults.first);
        }
        for remark in &self.remarks {
            let _ = writeln!(text, "note: {remark}");
        }
        text
    }

    /// What was asked of the server, in a line.
    pub fn what(&self) -> String {
        let settings = &self.settings;
        let each = match settings.pipeline {
            1 => "one message outstanding on each".to_owned(),
            many => format!("{} messages outstanding on each", grouped(many as u64)),
        };
        let pace = match settings.rate {
            Some(rate) => format!("{} messages per second, at most {each}", grouped(rate)),
            None => each,
        };
        format!(
            "{}{}, messages of {} bytes ({}), {pace}",
            counted(settings.connections as u64, "connection"),
            if settings.transport == "tls" { " over TLS" } else { "" },
            grouped(settings.message_bytes as u64),
            settings.codec
        )
    }

    /// What the latencies are.
    pub fn counted_from(&self) -> &'static str {
        match self.settings.rate {
            Some(_) => "from when each message was due until its whole answer",
            None => "from when each message was sent until its whole answer",
        }
    }
}

fn row(text: &mut String, name: &str, distribution: &Distribution) {
    if distribution.count == 0 {
        let _ = writeln!(text, "{name:<11} -");
        return;
    }
    let figures: Vec<String> =
        distribution.figures().iter().map(|(name, us)| format!("{name} {}", time(*us))).collect();
    let _ = writeln!(text, "{name:<11} {}", figures.join("   "));
}
