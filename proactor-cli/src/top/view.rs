//! What is on the terminal, and what keys do to it.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::Value;

use super::asking::{News, Order, Snapshot, Wanted};

const ORDERS: [&str; 7] = ["queued", "received", "sent", "age", "peer", "key", "id"];
const LONGEST_SEARCH: usize = 64;

pub(super) enum Act {
    Nothing,
    Quit,
    Order(Order),
}

/// What keys are for.
pub(super) enum Mode {
    Looking,
    /// They are the text to search for; Escape goes back to what was searched for before.
    Searching {
        before: String,
    },
    /// They say how a session is closed.
    Closing {
        id: String,
        what: String,
    },
}

pub(super) struct View {
    pub(super) address: String,
    pub(super) now: Option<Box<Snapshot>>,
    /// Why nothing new comes.
    pub(super) lost: Option<String>,
    /// What has become of an order.
    pub(super) note: Option<String>,
    pub(super) mode: Mode,
    pub(super) search: String,
    pub(super) held: bool,
    pub(super) paused: bool,
    /// The session that is chosen, also when it moves.
    pub(super) chosen: Option<String>,
    by: usize,
    descends: bool,
    /// Rows that there is room for.
    rows: u16,
    is_resized: bool,
}

impl View {
    pub(super) fn new(address: String) -> View {
        View {
            address,
            now: None,
            lost: None,
            note: None,
            mode: Mode::Looking,
            search: String::new(),
            held: false,
            paused: false,
            chosen: None,
            by: 0,
            descends: true,
            rows: 20,
            is_resized: true,
        }
    }

    /// The sessions that are shown.
    pub(super) fn sessions(&self) -> &[Value] {
        self.now.as_ref().and_then(|now| now.sessions["sessions"].as_array()).map_or(&[], Vec::as_slice)
    }

    pub(super) fn sort(&self) -> String {
        format!("{}{}", if self.descends { "-" } else { "" }, ORDERS[self.by])
    }

    /// The place of the chosen session.
    pub(super) fn place(&self) -> Option<usize> {
        let chosen = self.chosen.as_deref()?;
        self.sessions().iter().position(|session| session["id"] == chosen)
    }

    /// There is room for so many rows.
    pub(super) fn fit(&mut self, rows: u16) {
        let before = std::mem::replace(&mut self.rows, rows.max(1));
        self.is_resized |= before != self.rows;
    }

    /// Whether there is room for more or fewer rows than before, since this was last asked.
    pub(super) fn take_resized(&mut self) -> bool {
        std::mem::take(&mut self.is_resized)
    }

    pub(super) fn hear(&mut self, news: News) {
        match news {
            News::Now(now) => {
                self.lost = None;
                if !self.paused {
                    self.now = Some(now);
                }
            }
            News::Lost(why) => self.lost = Some(why),
            News::Closed(what) => self.note = Some(what),
        }
    }

    fn wanted(&self) -> Act {
        Act::Order(self.order())
    }

    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Act::Quit } else { Act::Nothing };
        }
        match std::mem::replace(&mut self.mode, Mode::Looking) {
            Mode::Looking => self.look(key.code),
            Mode::Searching { before } => self.type_in(key.code, before),
            Mode::Closing { id, .. } => match key.code {
                KeyCode::Char('g') => Act::Order(Order::Close { id, aborts: false }),
                KeyCode::Char('r') => Act::Order(Order::Close { id, aborts: true }),
                _ => Act::Nothing,
            },
        }
    }

    fn look(&mut self, code: KeyCode) -> Act {
        self.note = None;
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Act::Quit,
            KeyCode::Up | KeyCode::Char('k') => self.choose(-1),
            KeyCode::Down | KeyCode::Char('j') => self.choose(1),
            KeyCode::PageUp => self.choose(-i64::from(self.rows)),
            KeyCode::PageDown => self.choose(i64::from(self.rows)),
            KeyCode::Home => self.choose(i64::MIN / 2),
            KeyCode::End => self.choose(i64::MAX / 2),
            KeyCode::Char('p') => self.paused = !self.paused,
            KeyCode::Char('/') => self.mode = Mode::Searching { before: self.search.clone() },
            KeyCode::Char('c') => self.ask_to_close(),
            KeyCode::Char('s') => {
                self.by = (self.by + 1) % ORDERS.len();
                // Numbers begin with the largest, texts with the first.
                self.descends = self.by < 4;
                return self.wanted();
            }
            KeyCode::Char('r') => {
                self.descends = !self.descends;
                return self.wanted();
            }
            KeyCode::Char('h') => {
                self.held = !self.held;
                return self.wanted();
            }
            _ => {}
        }
        Act::Nothing
    }

    fn type_in(&mut self, code: KeyCode, before: String) -> Act {
        match code {
            KeyCode::Enter => return self.wanted(),
            KeyCode::Esc => {
                self.search = before;
                return self.wanted();
            }
            KeyCode::Backspace => drop(self.search.pop()),
            KeyCode::Char(sign) if self.search.chars().count() < LONGEST_SEARCH => self.search.push(sign),
            _ => {}
        }
        self.mode = Mode::Searching { before };
        self.wanted()
    }

    fn choose(&mut self, steps: i64) {
        let sessions = self.sessions();
        let Some(last) = sessions.len().checked_sub(1) else { return };
        let place = match self.place() {
            Some(place) => (place as i64).saturating_add(steps).clamp(0, last as i64),
            None => 0,
        };
        self.chosen = sessions[place as usize]["id"].as_str().map(str::to_owned);
    }

    fn ask_to_close(&mut self) {
        let Some(place) = self.place() else {
            self.note = Some("choose a session first: arrows".into());
            return;
        };
        let session = &self.sessions()[place];
        let text = |name: &str| session[name].as_str().unwrap_or("").to_owned();
        let (id, what) = (text("id"), format!("{} {}", text("key"), text("peer")));
        self.mode = Mode::Closing { id, what: what.trim().to_owned() };
    }

    /// What is wanted now.
    pub(super) fn order(&self) -> Order {
        Order::Show(Wanted { sort: self.sort(), search: self.search.clone(), held: self.held, rows: self.rows })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn view(ids: &[&str]) -> View {
        let mut view = View::new("127.0.0.1:1".into());
        let sessions: Vec<Value> =
            ids.iter().map(|id| json!({ "id": id, "peer": "10.0.0.1:5", "key": "ann" })).collect();
        let sessions = json!({ "total": ids.len(), "sessions": sessions });
        view.hear(News::Now(Box::new(Snapshot { status: Value::Null, history: BTreeMap::new(), sessions })));
        view
    }

    fn press(view: &mut View, codes: &[KeyCode]) -> Vec<Order> {
        let acts = codes.iter().map(|code| view.key(KeyEvent::new(*code, KeyModifiers::NONE)));
        acts.filter_map(|act| if let Act::Order(order) = act { Some(order) } else { None }).collect()
    }

    #[test]
    fn the_chosen_session_is_the_same_when_it_moves_and_is_closed_only_when_that_is_confirmed() {
        let mut view = view(&["0.1.0", "0.2.0", "0.3.0"]);
        assert!(press(&mut view, &[KeyCode::Char('c')]).is_empty() && view.note.is_some());
        press(&mut view, &[KeyCode::Down, KeyCode::Down, KeyCode::PageDown, KeyCode::Up]);
        assert_eq!((view.chosen.as_deref(), view.place()), (Some("0.2.0"), Some(1)));
        view.hear(News::Now(Box::new(Snapshot {
            status: Value::Null,
            history: BTreeMap::new(),
            sessions: json!({ "sessions": [{ "id": "0.2.0" }, { "id": "0.1.0" }] }),
        })));
        assert_eq!(view.place(), Some(0));
        assert!(press(&mut view, &[KeyCode::Char('c'), KeyCode::Char('n')]).is_empty());
        let closed = press(&mut view, &[KeyCode::Char('c'), KeyCode::Char('r')]);
        assert_eq!(closed, [Order::Close { id: "0.2.0".into(), aborts: true }]);
    }

    #[test]
    fn orders_and_searches_are_asked_for_at_once() {
        let mut view = view(&[]);
        let sorts = |orders: Vec<Order>| -> Vec<String> {
            orders
                .into_iter()
                .filter_map(|order| if let Order::Show(wanted) = order { Some(wanted.sort) } else { None })
                .collect()
        };
        assert_eq!(sorts(press(&mut view, &[KeyCode::Char('s'), KeyCode::Char('r')])), ["-received", "received"]);
        assert_eq!(sorts(press(&mut view, &[KeyCode::Char('s'); 4])), ["-sent", "-age", "peer", "key"]);
        let typed = press(
            &mut view,
            &[KeyCode::Char('/'), KeyCode::Char('q'), KeyCode::Char('x'), KeyCode::Backspace, KeyCode::Enter],
        );
        assert!(matches!(typed.last(), Some(Order::Show(Wanted { search, .. })) if search == "q"), "{typed:?}");
        press(&mut view, &[KeyCode::Char('/'), KeyCode::Char('z'), KeyCode::Esc]);
        assert_eq!(view.search, "q");
        assert!(matches!(view.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Act::Quit));
    }

    #[test]
    fn what_is_paused_stays_and_a_loss_is_told_all_the_same() {
        let mut view = view(&["0.1.0"]);
        press(&mut view, &[KeyCode::Char('p')]);
        let now = Snapshot { status: Value::Null, history: BTreeMap::new(), sessions: json!({ "sessions": [] }) };
        view.hear(News::Now(Box::new(now)));
        assert_eq!(view.sessions().len(), 1);
        view.hear(News::Lost("gone".into()));
        assert_eq!(view.lost.as_deref(), Some("gone"));
    }
}
