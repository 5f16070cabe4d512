//! What is said of the bytes of a session that is reset: those that the system has taken, and that
//! the peer's has not, are lost with the connection.

use std::io::{ErrorKind, Read};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::codec::Raw;
use proactor::{AsyncSession, Delivery, Flow, Handler, Limits, Network, Server, Session, SessionId, Timeouts};

use crate::harness::{PATIENCE, address_of, connect, on_each_backend, patient, read_to_end, serve, wait_until};

const ANSWER: usize = 64 * 1024;

/// Its first message has more sent than the peer's system takes, and as much as this one does.
#[derive(Clone)]
struct Answers {
    ids: Sender<SessionId>,
    released: Sender<Delivery>,
    /// Bytes queued that the system has not taken.
    queued: Arc<Mutex<Option<usize>>>,
    bytes: usize,
}

impl Handler for Answers {
    type State = bool;
    type Message = ();
    fn connected(&mut self, session: &Session) -> bool {
        self.ids.send(session.id()).unwrap();
        false
    }
    fn received(&mut self, session: &Session, _: &mut bool, packet: &[u8]) -> Flow {
        session.send(packet).map_or(Flow::Close, |()| Flow::Continue)
    }
    fn message(&mut self, session: &Session, is_answered: &mut bool, (): ()) {
        if !std::mem::replace(is_answered, true) {
            session.send(&vec![7; self.bytes]).unwrap();
        }
        *self.queued.lock().unwrap() = Some(session.queued());
    }
    fn released(&mut self, _: SessionId, delivery: Delivery) {
        self.released.send(delivery).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn what_the_peers_system_has_not_taken_is_cut_by_an_abort() {
    on_each_backend(|builder| {
        let ((ids, came), (sender, released)) = (mpsc::channel(), mpsc::channel());
        let queued = Arc::<Mutex<_>>::default();
        let logic = Answers { ids, released: sender, queued: Arc::clone(&queued), bytes: ANSWER };
        let limits = Limits::new().outbox_bytes(4 * ANSWER);
        let server = builder.limits(limits).start(logic).unwrap();
        let handle = server.handle();
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(&address_of(&server).into()).unwrap();
        let mut client = patient(socket.into());
        let id = came.recv_timeout(PATIENCE).unwrap();
        wait_until("the system has taken the answer", || {
            let _ = handle.post(id, ());
            *queued.lock().unwrap() == Some(0)
        });
        handle.abort(id).unwrap();
        let delivery = released.recv_timeout(PATIENCE).unwrap();
        let mut got = Vec::new();
        assert_eq!(client.read_to_end(&mut got).unwrap_err().kind(), ErrorKind::ConnectionReset);
        assert!(got.len() < ANSWER, "all of it came");
        assert!(matches!(delivery, Delivery::Cut { bytes: 1.. }), "{delivery:?}, {} bytes came", got.len());
        wait_until("it is counted", || handle.stats().cut == 1);
        assert_eq!(handle.stats().flushed, 0);
        handle.stop();
        server.wait().unwrap();
    });
}

#[test]
fn what_is_still_on_its_way_is_cut_by_an_abort_under_every_seed() {
    const BYTES: usize = 1000;
    for seed in 0..50 {
        let ((ids, came), (sender, released)) = (mpsc::channel(), mpsc::channel());
        let network = Network::new(seed);
        let logic = Answers { ids, released: sender, queued: Arc::default(), bytes: BYTES };
        let server = Server::builder().listen("10.0.0.1:80").shards(1).simulate(&network, logic).unwrap();
        let address = server.local_addrs()[0].clone();
        for stalls in [true, false] {
            let client = server.client(&address, Raw);
            let id = came.recv().unwrap();
            if stalls {
                client.link().stall();
            }
            server.handle().post(id, ()).unwrap();
            server.advance(Duration::from_secs(1));
            server.handle().abort(id).unwrap();
            server.advance(Duration::from_secs(1));
            let expected = if stalls { Delivery::Cut { bytes: BYTES as u64 } } else { Delivery::Flushed };
            assert_eq!(released.try_recv(), Ok(expected), "seed {seed}");
        }
    }
}

#[test]
fn logic_aborts_a_session_that_it_is_closing() {
    on_each_backend(|builder| {
        let (go_on, released) = mpsc::channel();
        let released = Arc::new(Mutex::new(Some(released)));
        let timeouts = Timeouts::new().linger(Duration::from_secs(3600));
        let (server, address) = serve(builder.shards(1).timeouts(timeouts), move |session: AsyncSession| {
            let released = released.lock().unwrap().take();
            async move {
                session.close();
                // The client has the end of the stream, and keeps its own.
                let waited = session.offload(move || released.map(|released| released.recv())).await;
                assert!(matches!(waited, Ok(Some(Ok(())))), "{waited:?}");
                session.abort();
            }
        });
        let client = connect(address);
        assert_eq!(read_to_end(&client), b"");
        assert_eq!(server.handle().sessions(), 1, "it waits for its peer");
        go_on.send(()).unwrap();
        wait_until("its place is free", || server.handle().sessions() == 0);
        server.handle().stop();
        server.wait().unwrap();
    });
}
