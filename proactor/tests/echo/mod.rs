//! The logic of the servers in programs that test the whole process.

use proactor::{Flow, Handler, NoMessage, Session};

/// Echoes each packet.
#[derive(Clone)]
pub(crate) struct Echo;

impl Handler for Echo {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
}
