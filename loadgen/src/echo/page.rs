//! The page: one file that opens without a network.

use std::fmt::Write;

use super::figures::{bytes, grouped, rate, time};
use super::summary::{Distribution, Summary};
use crate::plot::lines as plot;

const STYLE: &str = "
:root { --ink: #1c2330; --soft: #667085; --line: #e4e7ec; --ground: #f6f7f9; --red: #c92a2a; }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 32px 20px 60px; }
h1 { font-size: 24px; margin: 0 0 4px; }
h2 { font-size: 16px; margin: 0 0 4px; }
p { margin: 0; }
.soft { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px; margin: 22px 0; }
.card, section { background: #fff; border: 1px solid var(--line); border-radius: 10px; }
.card { padding: 12px 16px; }
.card b { display: block; font-size: 22px; font-weight: 600; white-space: nowrap; }
.card span { color: var(--soft); font-size: 13px; }
.bad b { color: var(--red); }
section { padding: 18px 20px; margin: 0 0 16px; overflow-x: auto; }
section svg { display: block; width: 100%; height: auto; margin-top: 8px; }
table { border-collapse: collapse; width: 100%; margin-top: 10px; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
th { color: var(--soft); font-weight: 500; font-size: 13px; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
.text td { white-space: normal; vertical-align: top; }
.text td:first-child { color: var(--soft); white-space: nowrap; padding-right: 24px; }
i { display: inline-block; width: 18px; height: 3px; margin: 0 5px 4px 4px; }
.red { background: #c92a2a; } .orange { background: #e07b1a; } .blue { background: #1f6feb; }
ul { margin: 4px 0 0; padding-left: 20px; }
.note { border-left: 4px solid #e07b1a; }
code { font: 13px ui-monospace, 'SFMono-Regular', Menlo, 'DejaVu Sans Mono', monospace; word-break: break-word; }
";

/// What is text, where markup would be read.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl Summary {
    /// # Errors
    /// A plot could not be drawn.
    pub fn page(&self) -> Result<String, String> {
        let mut page = String::new();
        let title = escaped(&format!("proactor bench: {}", self.target));
        let _ = write!(
            page,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p class=\"soft\">{}</p>\n",
            escaped(&self.target),
            escaped(&self.what())
        );
        self.cards(&mut page);
        if !self.remarks.is_empty() {
            page.push_str("<section class=\"note\">\n<h2>Notes</h2>\n<ul>\n");
            for remark in &self.remarks {
                let _ = writeln!(page, "<li>{}</li>", escaped(remark));
            }
            page.push_str("</ul>\n</section>\n");
        }
        if self.latency.count > 0 {
            let from = format!("Of {} messages, {}.", grouped(self.latency.count), self.counted_from());
            section(&mut page, "Latency by percentile", &from, &plot::percentiles(self)?);
        }
        if self.series.iter().any(|point| point.measured) {
            let about = match self.series.iter().any(|point| !point.measured && point.at < 0.0) {
                true => "The warm-up is shaded.",
                false => "",
            };
            section(&mut page, "Messages answered a second", about, &plot::throughput(self)?);
            let about = "Of the messages answered in each interval: <i class=\"red\"></i>longest, <i class=\"orange\"></i>p99, <i class=\"blue\"></i>p50.";
            section(&mut page, "Latency over time", about, &plot::over_time(self)?);
        }
        self.distributions(&mut page);
        self.faults(&mut page);
        self.details(&mut page);
        page.push_str("</main>\n</body>\n</html>\n");
        Ok(page)
    }

    fn cards(&self, page: &mut String) {
        let latency = |us| if self.latency.count > 0 { time(us) } else { "–".into() };
        let cards = [
            ("messages / s", rate(self.messages.answered_per_second), false),
            ("latency, p50", latency(self.latency.p50_us), false),
            ("p99", latency(self.latency.p99_us), false),
            ("p99.9", latency(self.latency.p999_us), false),
            ("longest", latency(self.latency.max_us), false),
            ("errors", grouped(self.errors.in_all), self.errors.in_all > 0),
        ];
        page.push_str("<div class=\"cards\">\n");
        for (name, value, bad) in cards {
            let class = if bad { "card bad" } else { "card" };
            let _ = writeln!(page, "<div class=\"{class}\"><b>{value}</b><span>{name}</span></div>");
        }
        page.push_str("</div>\n");
    }

    fn distributions(&self, page: &mut String) {
        page.push_str("<section>\n<h2>Times</h2>\n<table>\n<tr><th></th><th>count</th>");
        for (name, _) in self.latency.figures() {
            let _ = write!(page, "<th>{name}</th>");
        }
        page.push_str("<th>mean</th><th>std. dev.</th></tr>\n");
        let mut row = |name: &str, distribution: &Distribution| {
            let _ = write!(page, "<tr><td>{name}</td><td>{}</td>", grouped(distribution.count));
            let mean = [("mean", distribution.mean_us), ("std. dev.", distribution.stdev_us)];
            for (_, us) in distribution.figures().into_iter().chain(mean) {
                let shown = if distribution.count > 0 { time(us) } else { "–".into() };
                let _ = write!(page, "<td>{shown}</td>");
            }
            page.push_str("</tr>\n");
        };
        row("latency", &self.latency);
        if let Some(lateness) = &self.lateness {
            row("sent late", lateness);
        }
        row("connecting", &self.connections.connecting);
        page.push_str("</table>\n</section>\n");
    }

    fn faults(&self, page: &mut String) {
        if self.errors.kinds.is_empty() {
            return;
        }
        page.push_str("<section>\n<h2>Errors</h2>\n<table class=\"text\">\n<tr><th>kind</th><th>count</th><th>the first</th></tr>\n");
        for faults in &self.errors.kinds {
            let (name, first) = (faults.kind.name(), escaped(&faults.first));
            let _ = writeln!(page, "<tr><td>{name}</td><td>{}</td><td>{first}</td></tr>", grouped(faults.count));
        }
        page.push_str("</table>\n</section>\n");
    }

    fn details(&self, page: &mut String) {
        let (settings, messages, amount) = (&self.settings, &self.messages, &self.bytes);
        let of = |each: &str, in_all: u64, per_second: f64| {
            format!("{each} {}, {} a second", bytes(in_all as f64), bytes(per_second))
        };
        let rows = [
            ("command", format!("<code>{}</code>", escaped(&self.command))),
            ("server", escaped(&format!("{} ({})", self.target, self.address))),
            ("measured", format!("{:.2} s, after {} s of warm-up", self.seconds, settings.warmup_seconds)),
            (
                "messages",
                format!(
                    "{} sent, {} answered; {} unanswered at the end, {} due and not sent",
                    grouped(messages.sent),
                    grouped(messages.answered),
                    grouped(messages.unanswered),
                    grouped(messages.unsent)
                ),
            ),
            (
                "bytes",
                format!(
                    "{}; {}",
                    of("sent", amount.sent, amount.sent_per_second),
                    of("received", amount.received, amount.received_per_second)
                ),
            ),
            (
                "connections",
                format!("{} of {}", grouped(self.connections.made as u64), grouped(self.connections.asked as u64)),
            ),
            (
                "what is sent",
                format!(
                    "{} bytes, {}; answer: {}; seed {}",
                    settings.message_bytes, settings.message, settings.answer, settings.seed
                ),
            ),
            (
                "this program",
                format!(
                    "{}; {} on {}, {} {}{}",
                    escaped(&self.program),
                    escaped(&self.backend),
                    escaped(&self.system),
                    settings.threads,
                    if settings.threads == 1 { "thread" } else { "threads" },
                    self.generator.busy.map_or(String::new(), |busy| format!(", {:.0} % in use", busy * 100.0))
                ),
            ),
        ];
        page.push_str("<section>\n<h2>Details</h2>\n<table class=\"text\">\n");
        for (name, value) in rows {
            let _ = writeln!(page, "<tr><td>{name}</td><td>{value}</td></tr>");
        }
        page.push_str("</table>\n</section>\n");
    }
}

fn section(page: &mut String, title: &str, about: &str, plot: &str) {
    let _ = writeln!(page, "<section>\n<h2>{title}</h2>\n<p class=\"soft\">{about}</p>\n{plot}\n</section>");
}
