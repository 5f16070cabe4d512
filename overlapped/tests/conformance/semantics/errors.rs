//! Errors through an engine say what happened: on every way of starting, and of setting options.

use std::time::Duration;

use overlapped::driver::ShutdownHow;
use overlapped::engine::Sent;
use overlapped::error::Action;
use overlapped::options::StreamOptions;
use overlapped::port::Queued;
use overlapped::{CompletionPort, Engine, ErrorKind};

use crate::harness::engine::*;

engine_rules! {
    a_receive_of_a_datagram_without_room_is_refused_and_gives_its_buffer_back: "it has no datagrams",
    a_datagram_socket_takes_buffers_and_refuses_the_rest_by_name: "it has no datagrams",
    a_socket_is_not_made_with_options_that_no_system_takes,
    with_skipping_a_send_that_has_no_way_says_why,
    an_address_that_is_not_one_is_refused_at_the_start,
}

fn a_receive_of_a_datagram_without_room_is_refused_and_gives_its_buffer_back(engine: &Engine) {
    let socket = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let refused = socket.recv_from(Vec::<u8>::new()).start().unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "{}", refused.error);
    let refused = socket.recv([Vec::<u8>::new()]).start().unwrap_err();
    assert_eq!((refused.error.kind(), refused.given), (ErrorKind::InvalidArgument, [Vec::new()]));
}

fn a_datagram_socket_takes_buffers_and_refuses_the_rest_by_name(engine: &Engine) {
    let socket = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    socket.set_options(&StreamOptions::new().receive_buffer(50_000).send_buffer(40_000)).unwrap();
    let error = socket.set_options(&StreamOptions::new().keep_alive(Duration::from_secs(9))).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::InvalidArgument, Action::Option));
    assert!(error.to_string().contains("keep_alive 9s: it is an option of TCP"), "{error}");
}

fn a_socket_is_not_made_with_options_that_no_system_takes(engine: &Engine) {
    let nobody = nobody(engine);
    let error = engine.socket(&nobody, &StreamOptions::new().user_timeout(Duration::ZERO)).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::InvalidArgument, Action::Option));
    assert!(error.to_string().contains("user_timeout 0ns (TCP_USER_TIMEOUT)"), "{error}");
}

/// A send that is tried within its start fails as one that the driver does.
fn with_skipping_a_send_that_has_no_way_says_why(engine: &Engine) {
    let port = CompletionPort::new(1, 64);
    let fresh = engine.socket(nobody(engine), &Default::default()).unwrap();
    let (ended, _peer) = pair(engine);
    end(ended.shutdown(ShutdownHow::Send).start().unwrap()).unwrap();
    for (socket, kind) in [(&fresh, ErrorKind::NotConnected), (&ended, ErrorKind::ShutDown)] {
        socket.associate(&port, 1).unwrap();
        socket.skip_packet_on_success(true).unwrap();
        let started = socket.send(b"to whom".to_vec()).to_port(0).unwrap();
        assert!(matches!(started, Queued::Pending(_)), "{started:?}");
        let error = port.get(WAIT).unwrap().unwrap().result::<Sent<Vec<u8>>>().unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}

fn an_address_that_is_not_one_is_refused_at_the_start(engine: &Engine) {
    let socket = engine.socket(nobody(engine), &Default::default()).unwrap();
    let refused = socket.connect(overlapped::Address::Unnamed).start().unwrap_err();
    assert_eq!((refused.error.kind(), refused.error.action()), (ErrorKind::InvalidArgument, Action::Connect));
}
