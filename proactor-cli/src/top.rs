//! `proactor top`: the live state of a server in a terminal, over its admin listener.

mod asking;
mod draw;
mod view;

use std::error::Error;
use std::io::IsTerminal;
use std::sync::mpsc;
use std::time::Duration;

use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyEventKind};

use self::asking::{Order, ask_on};
use self::view::{Act, View};
use crate::ask::Reach;
use crate::values;

/// How long a key may wait for an answer that has just come.
const GLANCE: Duration = Duration::from_millis(50);

const LONG_ABOUT: &str = "Shows a running server, which was started with --admin ADDR: its sessions, traffic, turn times and queues over the last minutes, and the \
                          sessions in any order.\n\nKeys: q ends it. Arrows and Page Up and Down choose a session, c closes it. s changes the order, r reverses it. / \
                          searches, h shows only held sessions, p pauses.";

/// Shows a running server live in a terminal.
#[derive(Args)]
#[command(long_about = LONG_ABOUT)]
pub(crate) struct Top {
    #[command(flatten)]
    reach: Reach,
    /// How often it asks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = values::time)]
    interval: Duration,
}

impl Top {
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let listener = self.reach.listener()?;
        if !std::io::stdout().is_terminal() {
            return Err("standard output is no terminal: `proactor admin status` prints for scripts".into());
        }
        let (orders, ordered) = mpsc::channel();
        let (tell, news) = mpsc::channel();
        let address = listener.address.clone();
        let asking = ask_on(listener, self.interval, ordered, tell)
            .map_err(|error| format!("could not start a thread: {error}"))?;
        let mut terminal = ratatui::try_init().map_err(|error| format!("could not take the terminal over: {error}"))?;
        let shown = show(&mut terminal, View::new(address), &orders, &news);
        ratatui::restore();
        drop(orders);
        // It may be waiting for a server that does not answer: the process need not.
        drop(asking);
        Ok(shown.map_err(|error| format!("the terminal failed: {error}"))?)
    }
}

fn show(
    terminal: &mut ratatui::DefaultTerminal,
    mut view: View,
    orders: &mpsc::Sender<Order>,
    news: &mpsc::Receiver<asking::News>,
) -> std::io::Result<()> {
    loop {
        while let Ok(news) = news.try_recv() {
            view.hear(news);
        }
        terminal.draw(|frame| draw::draw(frame, &mut view))?;
        if view.take_resized() {
            // If the thread is gone, so is the process soon.
            drop(orders.send(view.order()));
        }
        if !event::poll(GLANCE)? {
            continue;
        }
        let Event::Key(key) = event::read()? else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        match view.key(key) {
            Act::Quit => return Ok(()),
            Act::Order(order) => drop(orders.send(order)),
            Act::Nothing => {}
        }
    }
}
