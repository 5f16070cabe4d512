//! Options of TCP: connections to Unix sockets are made without them, and a listener on a path is
//! refused with them.

use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use overlapped::ErrorKind;
use overlapped::error::Action;
use proactor::{Address, ConnectError, Flow, Handler, Listener, Outbound, Server, Session};

use crate::harness::{PATIENCE, backends, builder, finish};

/// Tells of each outbound session, and of each that was not made.
#[derive(Clone)]
struct Told(Sender<Result<Address, String>>);

impl Handler for Told {
    type State = ();

    fn connected(&mut self, session: &Session) {
        let _ = self.0.send(Ok(session.peer_addr().clone()));
    }

    fn received(&mut self, _: &Session, (): &mut (), _: &[u8]) -> Flow {
        Flow::Continue
    }

    fn connect_failed(&mut self, _: Option<&Session>, _: u64, error: &ConnectError) {
        let _ = self.0.send(Err(error.to_string()));
    }
}

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("proactor-{name}-{}.sock", std::process::id()))
}

#[test]
fn a_connection_to_a_unix_socket_is_made_without_options_of_tcp() {
    for backend in backends() {
        let path = path("upstream");
        let _upstream = UnixListener::bind(&path).unwrap();
        let (sender, told) = mpsc::channel();
        let outbound = Outbound::new().keep_alive(Duration::from_secs(60));
        let server = builder(backend, 1).outbound(outbound).start(Told(sender)).unwrap();
        server.handle().connect(Address::Unix(path.clone()), 1).unwrap();
        let connected = told.recv_timeout(PATIENCE).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(connected, Ok(Address::Unix(path)));
        finish(server);
    }
}

#[test]
fn a_listener_at_a_path_with_an_option_of_tcp_is_refused_by_name() {
    for backend in backends() {
        let path = path("listener");
        let listener = Listener::new(path.as_path()).keep_alive(Duration::from_secs(60));
        let server = Server::builder().listen(listener).shards(1).backend(Some(backend));
        let Err(error) = server.start(Told(mpsc::channel().0)) else { panic!("it starts") };
        let io = error.io().expect("an error of the I/O layer");
        assert_eq!((io.kind(), io.action()), (ErrorKind::InvalidArgument, Action::Option), "{error}");
        assert!(error.to_string().contains("keep_alive 60s: it is an option of TCP connections"), "{error}");
        assert!(!path.exists(), "nothing was bound");
    }
}

#[test]
fn an_option_of_outbound_connections_out_of_range_is_refused_at_the_start_by_name() {
    for backend in backends() {
        for (name, outbound) in [
            ("keep_alive 1ms", Outbound::new().keep_alive(Duration::from_millis(1))),
            ("user_timeout 0ns", Outbound::new().user_timeout(Duration::ZERO)),
        ] {
            let server = builder(backend, 1).outbound(outbound);
            let Err(error) = server.start(Told(mpsc::channel().0)) else { panic!("it starts") };
            let io = error.io().expect("an error of the I/O layer");
            assert_eq!((io.kind(), io.action()), (ErrorKind::InvalidArgument, Action::Option), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}
