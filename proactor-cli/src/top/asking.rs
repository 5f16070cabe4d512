//! Asks the server again and again, on a thread of its own: a server that is slow does not hold the
//! keys up.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::ask::{Listener, Request, refusal};

/// Moments that are kept: more than a terminal has columns.
const MOST_MOMENTS: usize = 600;

/// Which sessions are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) sort: String,
    pub(super) search: String,
    pub(super) held: bool,
    pub(super) rows: u16,
}

/// What the person has asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Order {
    Show(Wanted),
    Close { id: String, aborts: bool },
}

/// What the server has said.
pub(super) enum News {
    Now(Box<Snapshot>),
    /// It has not answered, or refused to.
    Lost(String),
    /// A session is being closed, or cannot be.
    Closed(String),
}

pub(super) struct Snapshot {
    pub(super) status: Value,
    /// Columns of the history, the last moment last.
    pub(super) history: BTreeMap<String, Vec<f64>>,
    pub(super) sessions: Value,
}

struct Asker {
    listener: Listener,
    wanted: Wanted,
    /// The moment of the history to ask for next.
    next: u64,
    history: BTreeMap<String, Vec<f64>>,
}

/// Asks until the orders end.
pub(super) fn ask_on(
    listener: Listener,
    interval: Duration,
    orders: Receiver<Order>,
    tell: Sender<News>,
) -> std::io::Result<JoinHandle<()>> {
    let mut asker = Asker { listener, wanted: Wanted::default(), next: 0, history: BTreeMap::new() };
    std::thread::Builder::new().name("asking".into()).spawn(move || {
        let mut due = Instant::now();
        loop {
            match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Order::Show(wanted)) => asker.wanted = wanted,
                Ok(Order::Close { id, aborts }) => {
                    let said = asker.close(&id, aborts).unwrap_or_else(|error| error);
                    if tell.send(News::Closed(said)).is_err() {
                        return;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            let news = asker.look().map_or_else(News::Lost, |snapshot| News::Now(Box::new(snapshot)));
            due = Instant::now() + interval;
            if tell.send(news).is_err() {
                return;
            }
        }
    })
}

impl Asker {
    fn ask(&self, request: &Request) -> Result<Value, String> {
        let answer = self.listener.ask(request)?;
        match answer.status {
            200..=299 => {
                serde_json::from_slice(&answer.body).map_err(|error| format!("the answer is no JSON: {error}"))
            }
            _ => Err(refusal(&answer)),
        }
    }

    fn look(&mut self) -> Result<Snapshot, String> {
        let status = self.ask(&Request::get("/status"))?;
        let columns = self.ask(&Request::get("/history").with(vec![("after".into(), self.next.to_string())]))?;
        self.add(&columns);
        let Wanted { sort, search, held, rows } = &self.wanted;
        let mut parameters = vec![("limit".to_owned(), rows.clamp(&1, &1_000).to_string())];
        if !sort.is_empty() {
            parameters.push(("sort".into(), sort.clone()));
        }
        if !search.is_empty() {
            parameters.push(("search".into(), search.clone()));
        }
        if *held {
            parameters.push(("hold".into(), "any".into()));
        }
        let sessions = self.ask(&Request::get("/sessions").with(parameters))?;
        Ok(Snapshot { status, history: self.history.clone(), sessions })
    }

    /// Adds the moments that have come.
    fn add(&mut self, columns: &Value) {
        let next = columns["next"].as_u64().unwrap_or(0);
        if next < self.next {
            // A server that has been started anew.
            self.history.clear();
        }
        self.next = next;
        let arrays = columns.as_object().into_iter().flatten();
        for (name, numbers) in arrays.filter_map(|(name, value)| Some((name, value.as_array()?))) {
            let column = self.history.entry(name.clone()).or_default();
            column.extend(numbers.iter().map(|number| number.as_f64().unwrap_or(0.0)));
            column.drain(..column.len().saturating_sub(MOST_MOMENTS));
        }
    }

    fn close(&self, id: &str, aborts: bool) -> Result<String, String> {
        let how = if aborts { "abort" } else { "graceful" };
        let request = Request::post(format!("/sessions/{id}/close")).with(vec![("how".into(), how.into())]);
        self.ask(&request)?;
        Ok(format!("session {id} is {}", if aborts { "reset" } else { "being closed" }))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_joined_and_begin_anew_with_a_new_server() {
        let listener = Listener { address: String::new(), token: None };
        let mut asker = Asker { listener, wanted: Wanted::default(), next: 0, history: BTreeMap::new() };
        asker.add(&json!({ "next": 3, "sessions": [1, 2, 3], "closed": { "idle": [1] } }));
        asker.add(&json!({ "next": 4, "sessions": [4] }));
        assert_eq!((asker.next, &asker.history["sessions"]), (4, &vec![1.0, 2.0, 3.0, 4.0]));
        asker.add(&json!({ "next": 1, "sessions": [9] }));
        assert_eq!((asker.next, &asker.history["sessions"]), (1, &vec![9.0]));
        let many: Vec<u64> = (0..2_000).collect();
        asker.add(&json!({ "next": 2_001, "sessions": many }));
        assert_eq!((asker.history["sessions"].len(), asker.history["sessions"].last()), (MOST_MOMENTS, Some(&1_999.0)));
    }
}
