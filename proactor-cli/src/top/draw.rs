//! How it looks.

use std::time::Duration;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, TableState};
use serde_json::Value;

use super::view::{Mode, View};
use crate::ask::tables::{age, bytes, cell, field, printable};

/// Rows of the plots, with their frames.
const PLOT_ROWS: u16 = 6;
/// A terminal with fewer rows has no plots.
const LEAST_ROWS_FOR_PLOTS: u16 = 22;
const ACCENT: Color = Color::Yellow;

pub(super) fn draw(frame: &mut Frame<'_>, view: &mut View) {
    let plots = if frame.area().height < LEAST_ROWS_FOR_PLOTS { 0 } else { PLOT_ROWS };
    let parts = [Constraint::Length(4), Constraint::Length(plots), Constraint::Min(3), Constraint::Length(1)];
    let [head, middle, table, foot] = Layout::vertical(parts).areas(frame.area());
    // A head, and a line around.
    view.fit(table.height.saturating_sub(3));
    draw_head(frame, head, view);
    if plots > 0 {
        draw_plots(frame, middle, view);
    }
    draw_sessions(frame, table, view);
    frame.render_widget(foot_line(view), foot);
}

fn draw_head(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let Some(now) = &view.now else {
        let waits = format!("asking {}", printable(&view.address));
        frame.render_widget(Paragraph::new(vec![Line::from(waits), loss(view)]), area);
        return;
    };
    let status = &now.status;
    let state = match (view.lost.is_some(), status["ready"].as_bool()) {
        (true, _) => "no answer".red().bold(),
        (false, Some(true)) => "ready".green().bold(),
        (false, _) => "ending".yellow().bold(),
    };
    let title = format!(
        "proactor {} on {} ({}, {} shards, pid {}), up {} ",
        field(status, "command"),
        field(status, "addresses"),
        field(status, "backend"),
        field(status, "shards"),
        field(status, "pid"),
        age(&status["uptime_seconds"]),
    );
    let first = Line::from(vec![Span::from(title), state]);
    let count = |name: &str| status[name].as_u64().unwrap_or(0);
    let second = format!(
        "sessions {} of {}   accepted {}   in {}   out {}   queued {}   memory {}",
        count("sessions") + count("outbound"),
        count("most_sessions"),
        count("accepted"),
        bytes(&status["received_bytes"]),
        bytes(&status["sent_bytes"]),
        bytes(&status["queued_bytes"]),
        bytes(&status["memory_bytes"]),
    );
    let third = format!("refused {}   closed {}", by_reason(&status["refused"]), by_reason(&status["closed"]));
    frame.render_widget(Paragraph::new(vec![first, Line::from(second), Line::from(third), loss(view)]), area);
}

fn loss(view: &View) -> Line<'static> {
    Line::from(view.lost.as_deref().map(printable).unwrap_or_default()).red()
}

fn by_reason(counts: &Value) -> String {
    let mut all: Vec<(&String, u64)> =
        counts.as_object().into_iter().flatten().map(|(reason, count)| (reason, count.as_u64().unwrap_or(0))).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let texts: Vec<String> =
        all.iter().map(|(reason, count)| format!("{count} {}", printable(&reason.replace('_', " ")))).collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}

/// A column of the history, what it is called, and how its last number is written.
type Plot = (&'static str, &'static str, fn(f64) -> String);

fn draw_plots(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let plots: [Plot; 5] = [
        ("sessions", "sessions", |value| format!("{value}")),
        ("received_bytes", "in", |value| bytes(&(value as u64).into()) + "/s"),
        ("sent_bytes", "out", |value| bytes(&(value as u64).into()) + "/s"),
        ("turn_99th", "turn p99", |value| {
            // A number that is no time is shown as none.
            format!("{:?}", Duration::try_from_secs_f64(value).unwrap_or_default())
        }),
        ("queued_bytes", "queued", |value| bytes(&(value as u64).into())),
    ];
    let places: [Rect; 5] = Layout::horizontal([Constraint::Fill(1); 5]).areas(area);
    for ((column, title, write), place) in plots.into_iter().zip(places) {
        let all = view.now.as_ref().and_then(|now| now.history.get(column)).map_or(&[][..], Vec::as_slice);
        let shown = &all[all.len().saturating_sub(usize::from(place.width.saturating_sub(2)))..];
        let most = shown.iter().copied().fold(0.0, f64::max);
        // Eighths of a row are all that it can show.
        let scaled: Vec<u64> =
            shown.iter().map(|value| if most > 0.0 { (value / most * 1e3) as u64 } else { 0 }).collect();
        let last = all.last().map_or_else(String::new, |value| write(*value));
        let block = Block::new().borders(Borders::ALL).title(format!(" {title} {last} "));
        let line = Sparkline::default().data(&scaled).max(1_000).style(Style::new().fg(ACCENT)).block(block);
        frame.render_widget(line, place);
    }
}

const HEAD: [&str; 9] = ["id", "peer", "key", "age", "received", "sent", "queued", "held", "groups"];
const WIDTHS: [Constraint; 9] = [
    Constraint::Length(10),
    Constraint::Length(22),
    Constraint::Fill(2),
    Constraint::Length(8),
    Constraint::Length(10),
    Constraint::Length(10),
    Constraint::Length(10),
    Constraint::Length(10),
    Constraint::Fill(2),
];

fn draw_sessions(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let sort = view.sort();
    let (descends, by) = sort.strip_prefix('-').map_or((false, sort.as_str()), |by| (true, by));
    let head = HEAD.map(|name| match name == by {
        true => Cell::from(format!("{name}{}", if descends { " ↓" } else { " ↑" })).bold().fg(ACCENT),
        false => Cell::from(name).bold(),
    });
    let row = |session: &Value| {
        Row::new([
            field(session, "id"),
            field(session, "peer"),
            field(session, "key"),
            age(&session["age_seconds"]),
            bytes(&session["received_bytes"]),
            bytes(&session["sent_bytes"]),
            bytes(&session["queued_bytes"]),
            cell(&session["holds"]),
            cell(&session["group_names"]),
        ])
    };
    let total = view.now.as_ref().and_then(|now| now.sessions["total"].as_u64()).unwrap_or(0);
    let mut title = format!(" {} of {total} sessions", view.sessions().len());
    if view.held {
        title.push_str(", held");
    }
    if !view.search.is_empty() {
        title.push_str(&format!(", with {:?}", view.search));
    }
    if view.paused {
        title.push_str(", paused");
    }
    title.push(' ');
    let table = Table::new(view.sessions().iter().map(row), WIDTHS)
        .header(Row::new(head))
        .block(Block::new().borders(Borders::ALL).title(title))
        .row_highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = TableState::new().with_selected(view.place());
    frame.render_stateful_widget(table, area, &mut state);
}

fn foot_line(view: &View) -> Line<'static> {
    match (&view.mode, &view.note) {
        (Mode::Closing { id, what }, _) => {
            let asked = format!("close {id} ({})?  g gracefully   r reset   any other key keeps it", printable(what));
            Line::from(asked).fg(ACCENT).bold()
        }
        (Mode::Searching { .. }, _) => {
            Line::from(format!("/{}█  Enter keeps it, Escape drops it", printable(&view.search))).fg(ACCENT)
        }
        (Mode::Looking, Some(note)) => Line::from(printable(note)).fg(ACCENT),
        (Mode::Looking, None) => {
            Line::from("q quit  ↑↓ choose  c close  s order  r reverse  / search  h held  p pause").dim()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
    use serde_json::json;

    use super::super::asking::{News, Snapshot};
    use super::*;

    fn drawn(view: &mut View, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, view)).unwrap();
        let buffer = terminal.backend().buffer();
        let lines = buffer.content.chunks(usize::from(width));
        lines
            .map(|line| line.iter().map(|cell| cell.symbol()).collect::<String>().trim_end().to_owned() + "\n")
            .collect()
    }

    #[test]
    fn a_server_is_drawn_with_its_numbers_plots_and_sessions_and_in_any_size() {
        let mut view = View::new("127.0.0.1:1".into());
        assert!(drawn(&mut view, 100, 30).starts_with("asking 127.0.0.1:1\n"));
        let status = json!({
            "command": "echo", "addresses": ["127.0.0.1:7777"], "backend": "io_uring", "shards": 2, "pid": 7, "uptime_seconds": 61,
            "ready": true, "sessions": 1, "outbound": 0, "most_sessions": 9, "accepted": 3, "received_bytes": 2048, "sent_bytes": 0,
            "queued_bytes": 5, "memory_bytes": null, "refused": {}, "closed": { "by_peer": 1, "idle": 2 }
        });
        let sessions = json!({ "total": 1, "sessions": [{
            "id": "0.4.1", "peer": "10.0.0.1:5", "key": "ann\u{1b}[0m", "age_seconds": 5, "received_bytes": 2048, "sent_bytes": 0,
            "queued_bytes": 5, "holds": ["throttled"], "groups": 1, "group_names": ["hall"]
        }] });
        let history =
            BTreeMap::from([("sessions".to_owned(), vec![0.0, 1.0, 4.0]), ("turn_99th".to_owned(), vec![0.00025])]);
        view.hear(News::Now(Box::new(Snapshot { status, history, sessions })));
        let text = drawn(&mut view, 140, 30);
        for shown in [
            "proactor echo on 127.0.0.1:7777 (io_uring, 2 shards, pid 7), up 1m 1s ready\n",
            "sessions 1 of 9   accepted 3   in 2.00 KiB",
            "refused none   closed 2 idle, 1 by peer",
            "sessions 4 ",
            "turn p99 250µs ",
            "█",
            "queued ↓",
            "0.4.1",
            "throttled",
            "ann\\u{1b}[0m",
            "1 of 1 sessions",
            "q quit",
        ] {
            assert!(text.contains(shown), "{shown} is missing in\n{text}");
        }
        view.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE));
        view.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::NONE));
        assert!(drawn(&mut view, 140, 30).contains("close 0.4.1 (ann\\u{1b}[0m 10.0.0.1:5)?  g gracefully"));
        view.hear(News::Lost("could not connect".into()));
        assert!(drawn(&mut view, 140, 30).contains("could not connect"));
        for (width, height) in [(1, 1), (10, 3), (40, 12), (80, 24), (300, 100)] {
            drawn(&mut view, width, height);
        }
    }
}
