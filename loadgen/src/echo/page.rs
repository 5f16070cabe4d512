//! The page: one file that opens without a network.

use std::fmt::Write;

use super::figures::{bytes, counted, grouped, rate, time};
use super::summary::{Distribution, Summary};
use crate::page::{self as html, escaped, list, table};
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

impl Summary {
    /// # Errors
    /// A plot could not be drawn.
    pub fn page(&self) -> Result<String, String> {
        let mut page =
            format!("<main>\n<h1>{}</h1>\n<p class=\"soft\">{}</p>\n", escaped(&self.target), escaped(&self.what()));
        self.cards(&mut page);
        if !self.remarks.is_empty() {
            _ = write!(page, "<section class=\"note\">\n<h2>Notes</h2>\n{}</section>\n", list(&self.remarks));
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
        tabled(&mut page, "Times", &table("", true, self.distributions()));
        if !self.errors.kinds.is_empty() {
            tabled(&mut page, "Errors", &table("text", true, self.faults()));
        }
        tabled(&mut page, "Details", &table("text", false, self.details()));
        page.push_str("</main>\n");
        Ok(html::page(&format!("proactor bench: {}", self.target), STYLE, &page))
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
            _ = writeln!(page, "<div class=\"{class}\"><b>{value}</b><span>{name}</span></div>");
        }
        page.push_str("</div>\n");
    }

    fn distributions(&self) -> Vec<Vec<String>> {
        let rows = [
            ("latency", Some(&self.latency)),
            ("sent late", self.lateness.as_ref()),
            ("connecting", Some(&self.connections.connecting)),
        ];
        let figures = |of: &Distribution| {
            let more = [("mean", of.mean_us), ("std. dev.", of.stdev_us)];
            of.figures().into_iter().chain(more)
        };
        let head = ["", "count"].into_iter().chain(figures(&self.latency).map(|(name, _)| name));
        let rows = rows.into_iter().filter_map(|(name, distribution)| Some((name, distribution?)));
        let row = |(name, distribution): (&str, &Distribution)| {
            let shown = |(_, us)| if distribution.count > 0 { time(us) } else { "–".into() };
            [name.to_owned(), grouped(distribution.count)].into_iter().chain(figures(distribution).map(shown)).collect()
        };
        std::iter::once(head.map(String::from).collect()).chain(rows.map(row)).collect()
    }

    fn faults(&self) -> Vec<[String; 3]> {
        let rows = self.errors.kinds.iter();
        let rows = rows.map(|faults| [faults.kind.name().into(), grouped(faults.count), escaped(&faults.first)]);
        std::iter::once(["kind", "count", "the first"].map(String::from)).chain(rows).collect()
    }

    fn details(&self) -> [[String; 2]; 8] {
        let (settings, messages, amount) = (&self.settings, &self.messages, &self.bytes);
        let of = |each: &str, in_all: u64, per_second: f64| {
            format!("{each} {}, {} a second", bytes(in_all as f64), bytes(per_second))
        };
        let busy = self.generator.busy.map_or(String::new(), |busy| format!(", {:.0} % in use", busy * 100.0));
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
                escaped(&format!(
                    "{}; {} on {}, {}{busy}",
                    self.program,
                    self.backend,
                    self.system,
                    counted(settings.threads as u64, "thread")
                )),
            ),
        ];
        rows.map(|(name, value)| [name.into(), value])
    }
}

fn section(page: &mut String, title: &str, about: &str, plot: &str) {
    _ = writeln!(page, "<section>\n<h2>{title}</h2>\n<p class=\"soft\">{about}</p>\n{plot}\n</section>");
}

fn tabled(page: &mut String, title: &str, table: &str) {
    _ = write!(page, "<section>\n<h2>{title}</h2>\n{table}</section>\n");
}
