//! The report as one self-contained page, without script or network.

use std::fmt::Write;

use super::table::Table;
use super::{CaseResult, Report, growth};
use loadgen::page::{self, escaped};
use loadgen::plot::rows::{self as plot, Bar, Range};
use loadgen::workload::Workload;

const STYLE: &str = include_str!("page.css");

impl Report {
    pub(crate) fn html(&self) -> String {
        let mut page = format!(
            "<h1>Servers side by side</h1>\n<p>{}. Server on one core, generator on another, loopback.</p>\n",
            escaped(&self.machine.to_string())
        );
        let (open, what) = if self.commands.len() > 1 { ("", "Commands") } else { (" open", "Command") };
        _ = writeln!(page, "<details{open}><summary>{what}</summary>");
        for command in &self.commands {
            _ = writeln!(page, "<pre>{}</pre>", escaped(command));
        }
        page.push_str("</details>\n");
        _ = writeln!(page, "<p class=\"legend\">{}</p>", escaped(&self.legend()));
        if self.cases.len() > 1 {
            _ = write!(page, "<h2>At a glance</h2>\n{}", self.overview());
        }
        self.growth(&mut page);
        for (number, result) in self.cases.iter().enumerate() {
            self.section(&mut page, number, result);
        }
        page.push_str("<h2>Contestants</h2>\n<dl>\n");
        for (name, hows) in self.contestants() {
            _ = writeln!(page, "<dt>{}</dt>", self.name(name));
            hows.iter().for_each(|how| _ = writeln!(page, "<dd>{}</dd>", escaped(how)));
        }
        page.push_str("</dl>\n");
        page::page("Servers side by side", STYLE, &page)
    }

    /// How costs grow, where the cases tell.
    fn growth(&self, page: &mut String) {
        let all = growth::series(&self.cases);
        if all.is_empty() {
            return;
        }
        page.push_str("<h2>Growth</h2>\n<p class=\"legend\">");
        let names = self.contestants().into_iter().map(|(name, _)| self.name(name));
        page.push_str(&names.collect::<Vec<_>>().join(" &nbsp; "));
        page.push_str(". A level line costs the same at every number. Whisker: 95 %.</p>\n<div class=\"plots\">\n");
        for series in all {
            let common = format!("{}: {}", series.workload(), escaped(&series.common()));
            figure(page, &series.title(), &common, &series.plot(self));
        }
        page.push_str("</div>\n");
    }

    /// Ratios to the baseline in what matters most, all cases in one table.
    fn overview(&self) -> String {
        let names: Vec<&str> = self.contestants().into_iter().map(|(name, _)| name).collect();
        let head = std::iter::once("case").chain(names.iter().copied()).map(escaped).collect();
        let rows = self.cases.iter().enumerate().map(|(number, result)| {
            let ratio = |name: &&str| {
                let runs = result.results.iter().find(|runs| runs.contestant == *name)?;
                Some(runs.summary.as_ref()?.main().ratio?.median)
            };
            let least = names.iter().filter_map(ratio).fold(f64::INFINITY, f64::min);
            let cell = |name| match ratio(name) {
                None => String::new(),
                Some(ratio) if ratio == least => format!("<b>{ratio:.2}</b>"),
                Some(ratio) => format!("{ratio:.2}"),
            };
            let link = format!("<a href=\"#case-{number}\">{}</a>", escaped(&result.case.to_string()));
            std::iter::once(link).chain(names.iter().map(cell)).collect()
        });
        let rows: Vec<Vec<String>> = std::iter::once(head).chain(rows).collect();
        format!(
            "<p class=\"legend\">The server's CPU time for one unit (for idle: its memory for one session) as a multiple of the baseline's, \
             which has the 1. Bold is the least.</p>\n<div class=\"wide\">{}</div>\n",
            page::table("", true, rows)
        )
    }

    fn section(&self, page: &mut String, number: usize, result: &CaseResult) {
        let unit = &result.unit;
        let workload = result.case.workload;
        _ = write!(
            page,
            "<section id=\"case-{number}\">\n<h2>{workload} <small>{}; {} rounds</small></h2>\n<div class=\"plots\">\n",
            escaped(&result.case.parameters_shown()),
            result.rounds()
        );
        if workload == Workload::Idle {
            figure(page, "Memory, bytes per session that was added", "", &plot::bars(&self.bars(result, true)));
        }
        figure(
            page,
            &format!("Server CPU, µs per {unit}"),
            "dark: user, light: kernel, whisker: 95 %",
            &plot::bars(&self.bars(result, false)),
        );
        let ranges = self.ranges(result);
        if !ranges.is_empty() {
            figure(page, "Latency", "● p50 &nbsp; ┃ p99 &nbsp; ○ p99.9, logarithmic", &plot::ranges(&ranges));
        }
        let table: Table = self.table(result);
        _ = write!(page, "</div>\n<div class=\"wide\">{}</div>\n", table.html(|name| self.name(name)));
        let remarks = result.remarks();
        if !remarks.is_empty() {
            page.push_str(&page::list(&remarks));
        }
        page.push_str("</section>\n");
    }

    /// A contestant's name beside its colour.
    fn name(&self, name: &str) -> String {
        format!("<i style=\"background:{}\"></i>{}", plot::css(self.number(name)), escaped(name))
    }

    /// The same on the whole page.
    pub(super) fn number(&self, name: &str) -> usize {
        self.contestants().iter().position(|(known, _)| *known == name).unwrap_or(0)
    }

    fn bars(&self, result: &CaseResult, memory: bool) -> Vec<Bar> {
        let bar = |runs: &super::Runs| {
            let summary = runs.summary.as_ref()?;
            let quantity = if memory { summary.main() } else { &summary.server_cpu_us_per_unit };
            Some(Bar {
                name: runs.contestant.clone(),
                number: self.number(&runs.contestant),
                value: quantity.value.median,
                low: quantity.value.low,
                high: quantity.value.high,
                dark: if memory { None } else { summary.server_user_us_per_unit },
            })
        };
        result.results.iter().filter_map(bar).collect()
    }

    fn ranges(&self, result: &CaseResult) -> Vec<Range> {
        let range = |runs: &super::Runs| {
            let latency = runs.summary.as_ref()?.latency.as_ref()?;
            Some(Range {
                name: runs.contestant.clone(),
                number: self.number(&runs.contestant),
                p50: latency.p50_us,
                p99: latency.p99_us,
                p999: latency.p999_us,
            })
        };
        result.results.iter().filter_map(range).collect()
    }
}

fn figure(page: &mut String, title: &str, how: &str, svg: &str) {
    _ = writeln!(page, "<figure><figcaption><b>{title}</b> {how}</figcaption>\n{svg}</figure>");
}
