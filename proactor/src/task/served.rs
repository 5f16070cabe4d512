//! Sessions that an HTTP service has, beside the WebSockets of their listener. Each is a task of
//! the session's, as if the async logic had it; the logic itself does not hear of it.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};

use super::handover::Handover;
use super::session::AsyncSession;
use crate::http::{Connection, Ended, Host, Http, Limits, Wire};
use crate::message::NoMessage;
use crate::session::{Session, reason::CloseReason};

/// Has a service serve a session.
pub(crate) fn begin(session: &Session, http: &Http, limits: Limits) {
    let (peer, session) = (session.peer_addr().clone(), AsyncSession::<NoMessage>::begin(session));
    session.inner.link.is_served.set(true);
    let has_date = !session.session().state().borrow().directory.is_simulated();
    let (wire, host) = (Box::new(Served(session.clone())), Rc::new(Served(session.clone())));
    let served = http.serve(Connection { wire, host, peer, has_date }, limits);
    let ending = session.clone();
    session.run(async move {
        let ended = served.await;
        if let Ok(Ended::Quiet) = ended {
            ending.inner.end(CloseReason::Idle);
        }
        ended
    });
}

/// The handover of a session, if a service has it.
fn served(session: &Session) -> Option<Handover<NoMessage>> {
    let mut state = session.state().borrow_mut();
    let tasks = Rc::clone(&state.tasks);
    let link = state.sessions.open(session.id())?.link.as_ref().filter(|link| link.is_served.get())?;
    let link = Rc::clone(link);
    drop(state);
    Some(Handover::of(session, link, tasks))
}

/// Received bytes of a session. Says whether a service has it.
pub(crate) fn hand_over(session: &Session, bytes: &[u8]) -> bool {
    served(session).map(|served| served.hand_over(bytes)).is_some()
}

/// The peer of a session has ended its stream. Says whether a service has it.
pub(crate) fn peer_ended(session: &Session) -> bool {
    served(session).map(|served| served.peer_ended(session)).is_some()
}

/// The server is being drained.
pub(crate) fn draining(session: &Session) {
    if let Some(served) = served(session) {
        served.link.begin_drain(&mut session.state().borrow_mut().to_wake);
    }
}

struct Served(AsyncSession);

impl Wire for Served {}

impl Read for Served {
    fn poll_read(self: Pin<&mut Served>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        self.0.poll_fill(cx, buf.remaining(), |bytes| buf.put_slice(bytes))
    }
}

impl Write for Served {
    fn poll_write(self: Pin<&mut Served>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_queue(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Served>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Served>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.shutdown();
        Poll::Ready(Ok(()))
    }
}

impl Host for Served {
    fn busy(&self) -> Box<dyn Any> {
        Box::new(self.0.busy())
    }

    fn is_sending(&self) -> bool {
        self.0.queued() > 0
    }

    fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(self.0.sleep(time))
    }

    fn draining(&self) -> Pin<Box<dyn Future<Output = ()>>> {
        let session = self.0.clone();
        Box::pin(async move { session.draining().await })
    }
}
