//! Answers as people read them.

use std::time::Duration;

use serde_json::Value;

/// A value of an object, as text.
pub(crate) fn field(answer: &Value, name: &str) -> String {
    cell(&answer[name])
}

pub(crate) fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => printable(text),
        Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    }
}

/// A text that a client may have chosen, without what would tell the terminal to do something.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            sign if sign.is_control() => safe.extend(sign.escape_default()),
            sign => safe.push(sign),
        }
    }
    safe
}

/// Bytes, with three digits.
pub(crate) fn bytes(value: &Value) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let Some(count) = value.as_u64() else { return "-".into() };
    let (mut amount, mut unit) = (count as f64, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        (amount, unit) = (amount / 1024.0, unit + 1);
    }
    match unit {
        0 => format!("{count} B"),
        _ if amount < 10.0 => format!("{amount:.2} {}", UNITS[unit]),
        _ if amount < 100.0 => format!("{amount:.1} {}", UNITS[unit]),
        _ => format!("{amount:.0} {}", UNITS[unit]),
    }
}

/// The two largest units of a time.
pub(crate) fn age(value: &Value) -> String {
    let seconds = value.as_f64().unwrap_or_default().max(0.0) as u64;
    let text = humantime::format_duration(Duration::from_secs(seconds)).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Lines with their columns below each other. Numbers are at the right.
fn table(head: &[&str], right: &[bool], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |cells: Vec<&str>| {
        let padded = cells.iter().zip(&widths).zip(right).map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    let rows = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
    std::iter::once(line(head.to_vec())).chain(rows).collect()
}

/// How much of all is on a page.
fn of_all(answer: &Value, shown: usize, what: &str) -> String {
    let (total, offset) = (answer["total"].as_u64().unwrap_or(0), answer["offset"].as_u64().unwrap_or(0));
    let all = if total == 1 { format!("1 {what}") } else { format!("{total} {what}s") };
    match shown as u64 {
        shown if shown == total => all + "\n",
        0 => format!("none of {all}: --offset {offset} is behind the last\n"),
        shown => format!("{} to {} of {all}; --offset and --limit show others\n", offset + 1, offset + shown),
    }
}

pub(crate) fn sessions(answer: &Value) -> String {
    let found = answer["sessions"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |session: &Value| {
        let groups = match session["group_names"].as_array() {
            Some(names) if !names.is_empty() => field(session, "group_names"),
            _ => match session["groups"].as_u64() {
                None | Some(0) => "-".into(),
                Some(groups) => format!("{groups} without a name"),
            },
        };
        let holds = Some(field(session, "holds")).filter(|holds| !holds.is_empty());
        vec![
            field(session, "id"),
            field(session, "peer"),
            field(session, "key"),
            field(session, "listener"),
            age(&session["age_seconds"]),
            bytes(&session["received_bytes"]),
            bytes(&session["sent_bytes"]),
            bytes(&session["queued_bytes"]),
            holds.unwrap_or_else(|| "-".into()),
            groups,
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let head = ["ID", "PEER", "KEY", "LISTENER", "AGE", "RECEIVED", "SENT", "QUEUED", "HELD", "GROUPS"];
    let right = [false, false, false, false, true, true, true, true, false, false];
    table(&head, &right, &rows) + &of_all(answer, rows.len(), "session")
}

/// One session: its facts, then what happened to it.
pub(crate) fn session(answer: &Value) -> String {
    let mut facts = answer.clone();
    let history = facts.as_object_mut().and_then(|fields| fields.shift_remove("history")).unwrap_or_default();
    let mut text = self::facts(&facts);
    if let Some(history) = history.as_array() {
        text.push('\n');
        text.push_str(&events(history, false));
    }
    text
}

/// The last events, the newest at the end.
pub(crate) fn flight(answer: &Value) -> String {
    let found = answer["events"].as_array().map_or(&[][..], Vec::as_slice);
    let (shown, total) = (found.len() as u64, answer["total"].as_u64().unwrap_or(0));
    let which = if shown < total { format!("the last {shown} of {total} events") } else { format!("{total} events") };
    events(found, true) + &which + "\n"
}

fn events(events: &[Value], with_place: bool) -> String {
    let row = |event: &Value| {
        let listener = event["listener"].as_str().map(|listener| format!(", at {}", printable(listener)));
        let text = field(event, "text") + &listener.unwrap_or_default();
        match with_place {
            true => vec![field(event, "time"), field(event, "shard"), field(event, "session"), text],
            false => vec![field(event, "time"), text],
        }
    };
    let rows: Vec<Vec<String>> = events.iter().map(row).collect();
    match with_place {
        true => table(&["TIME", "SHARD", "SESSION", "EVENT"], &[false, true, false, false], &rows),
        false => table(&["TIME", "EVENT"], &[false, false], &rows),
    }
}

/// What a reload has changed, and what it could not.
pub(crate) fn reloaded(answer: &Value) -> String {
    let of = |name: &str| answer[name].as_array().into_iter().flatten().map(cell).collect::<Vec<_>>();
    let line = |what: String| match what.as_str() {
        "certificates" => "the certificates were read again; new sessions use them\n".to_owned(),
        setting => format!("in force now: {setting}\n"),
    };
    let mut text: String = of("reloaded").into_iter().map(line).collect();
    let needs_restart = of("needs_restart");
    if !needs_restart.is_empty() {
        text += &format!("has changed, and needs a restart: {}\n", needs_restart.join(", "));
    }
    if text.is_empty() { "the configuration has not changed\n".to_owned() } else { text }
}

pub(crate) fn groups(answer: &Value) -> String {
    let found = answer["groups"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |group: &Value| vec![field(group, "name"), field(group, "members"), bytes(&group["log_bytes"])];
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    table(&["NAME", "MEMBERS", "LOG"], &[false, true, true], &rows) + &of_all(answer, rows.len(), "group")
}

/// The nodes, then what the one that was asked has counted.
pub(crate) fn cluster(answer: &Value) -> String {
    let found = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    let row = |node: &Value| {
        let state = match (node["this"].as_bool(), node["draining"].as_bool()) {
            (_, Some(true)) => "drains".into(),
            (Some(true), _) => "asked".into(),
            _ => format!("heard {} ago", age(&node["silent_seconds"])),
        };
        vec![
            field(node, "name"),
            state,
            field(node, "sessions"),
            field(node, "keys"),
            field(node, "shards"),
            age(&node["uptime_seconds"]),
            field(node, "queued_messages"),
            bytes(&node["queued_bytes"]),
            field(node, "missed"),
            field(node, "unpublished"),
            field(node, "interruptions"),
        ]
    };
    let rows: Vec<Vec<String>> = found.iter().map(row).collect();
    let head = [
        "NODE",
        "STATE",
        "SESSIONS",
        "KEYS",
        "SHARDS",
        "UP",
        "WAITING",
        "BYTES",
        "MISSED",
        "UNPUBLISHED",
        "INTERRUPTED",
    ];
    let right = [false, false, true, true, true, true, true, true, true, true, true];
    let mut counted = answer.clone();
    counted.as_object_mut().and_then(|fields| fields.shift_remove("nodes"));
    table(&head, &right, &rows) + "\n" + &facts(&counted)
}

/// An object, a line a field. Bytes and times have their units.
pub(crate) fn facts(answer: &Value) -> String {
    let Some(fields) = answer.as_object() else { return cell(answer) + "\n" };
    let width = fields.keys().map(String::len).max().unwrap_or(0);
    let mut text = String::new();
    for (name, value) in fields {
        let (shown, value) = match name {
            name if name.ends_with("_bytes") => (name.trim_end_matches("_bytes"), bytes(value)),
            name if name == "uptime_seconds" || name == "age_seconds" => {
                (name.trim_end_matches("_seconds"), age(value))
            }
            name => (name.as_str(), counts(value)),
        };
        text.push_str(&format!("{:<width$}  {value}\n", shown.replace('_', " ")));
    }
    text
}

/// Counts by reason, on a line.
fn counts(value: &Value) -> String {
    match value.as_object() {
        None => Some(cell(value)).filter(|text| !text.is_empty()).unwrap_or_else(|| "-".into()),
        Some(counts) if counts.is_empty() => "none".into(),
        Some(counts) => {
            let one = |(reason, count): (&String, &Value)| format!("{count} {}", printable(reason));
            counts.iter().map(one).collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_columns_and_says_how_much_of_all_it_is() {
        let session = json!({
            "id": "0.1.2", "peer": "10.0.0.1:5", "key": "a\u{1b}[2J", "listener": null, "age_seconds": 3725.5,
            "received_bytes": 1536, "sent_bytes": null, "queued_bytes": 0, "holds": [], "groups": 1, "group_names": []
        });
        let text = sessions(&json!({ "total": 7, "offset": 2, "sessions": [session] }));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].starts_with("ID     PEER        KEY"), "{text}");
        assert!(
            lines[1].contains("a\\u{1b}[2J") && lines[1].contains("1h 2m") && lines[1].contains("1.50 KiB"),
            "{text}"
        );
        assert!(lines[1].ends_with("1 without a name"), "{text}");
        assert_eq!(lines[2], "3 to 3 of 7 sessions; --offset and --limit show others");
        assert!(sessions(&json!({ "total": 0, "offset": 0, "sessions": [] })).ends_with("0 sessions\n"));
    }

    #[test]
    fn a_reload_tells_what_it_changed() {
        let changed =
            json!({ "reloaded": ["certificates", "max-sessions = 5"], "needs_restart": ["shards", "a\u{1b}"] });
        let lines = ["the certificates were read again; new sessions use them", "in force now: max-sessions = 5"];
        let restart = "has changed, and needs a restart: shards, a\\u{1b}";
        assert_eq!(reloaded(&changed), format!("{}\n{}\n{restart}\n", lines[0], lines[1]));
        let nothing = json!({ "reloaded": [], "needs_restart": [] });
        assert_eq!(reloaded(&nothing), "the configuration has not changed\n");
    }

    #[test]
    fn nodes_are_a_table_above_what_the_one_that_was_asked_has_counted() {
        let node = |name: &str, this: bool, draining: bool| {
            json!({
                "name": name, "this": this, "draining": draining, "sessions": 7, "keys": 5, "shards": 2,
                "uptime_seconds": 3700, "silent_seconds": 1, "queued_messages": 3, "queued_bytes": 2048, "missed": 1,
                "unpublished": 0, "interruptions": 4
            })
        };
        let nodes = [node("eu-1", true, false), node("eu\u{1b}2", false, true), node("eu-3", false, false)];
        let text = cluster(&json!({ "node": "eu-1", "published": 12, "nodes": nodes }));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("SESSIONS  KEYS  SHARDS") && lines[1].contains("       7     5       2"), "{text}");
        assert!(lines[1].starts_with("eu-1       asked") && lines[1].contains("1h 1m        3  2.00 KiB"), "{text}");
        assert!(lines[2].starts_with("eu\\u{1b}2  drains") && lines[3].contains("heard 1s ago"), "{text}");
        assert_eq!(lines[4..], ["", "node       eu-1", "published  12"]);
    }

    #[test]
    fn facts_have_units() {
        let text =
            facts(&json!({ "sent_bytes": 5_000_000, "uptime_seconds": 61, "closed": { "by_peer": 2 }, "refused": {} }));
        assert!(text.contains("sent            4.77 MiB") && text.contains("uptime          1m 1s"), "{text}");
        assert!(text.contains("closed          2 by_peer") && text.contains("refused         none"), "{text}");
    }
}
