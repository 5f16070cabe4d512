//! Server logic that more than one module uses.

use std::sync::mpsc::{Receiver, Sender};

use proactor::{AsyncSession, Flow, Handler, NoMessage, SendError, Session, SessionId};

use super::waiting::PATIENCE;

/// Sends the id of each session to the test. Ignores packets.
#[derive(Clone)]
pub(crate) struct ReportsIds(pub(crate) Sender<SessionId>);

impl Handler for ReportsIds {
    type State = ();
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) {
        self.0.send(session.id()).unwrap();
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }
}

/// The next value that a server's logic sends to the test.
#[track_caller]
pub(crate) fn next<T>(sent: &Receiver<T>) -> T {
    sent.recv_timeout(PATIENCE).unwrap()
}

pub(crate) async fn echo(session: AsyncSession) -> Result<(), SendError> {
    while let Some(packet) = session.next().await {
        session.send(&packet).await?;
    }
    Ok(())
}
