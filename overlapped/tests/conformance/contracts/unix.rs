//! Unix stream sockets: listening at a path, and the rules of streams over them.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use overlapped::{Address, ErrorKind, Op, Outcome};

use crate::harness::peers::Transport;
use crate::harness::place::On;

macro_rules! rules_of_streams {
    ($($module:ident::$name:ident),* $(,)?) => {
        $(fn $name(on: &On) {
            super::$module::$name(&on.over(Transport::Unix));
        })*
        mod streams {
            use super::*;
            rules! { $($name: "it has no Unix sockets"),* }
        }
    };
}

rules_of_streams! {
    bounded::an_exhausted_pool_is_back_pressure_and_loses_nothing,
    bounded::more_starts_than_the_submission_queue_has_entries,
    bounded::one_flooding_peer_brings_no_more_than_its_share_a_turn,
    closing::close_ends_what_is_in_flight_each_once_and_first,
    closing::graceful_close_delivers_everything_although_input_is_left_unread,
    closing::graceful_close_gives_up_after_its_linger_also_while_flushing,
    closing::graceful_close_after_the_end_of_stream_still_sends_what_is_queued,
    closing_sends::a_send_and_a_close_at_once_deliver_the_send,
    closing_sends::a_hundred_sends_and_a_close_at_once_arrive_in_order,
    closing_sends::a_peer_that_does_not_read_gets_a_prefix_and_holds_nothing_up,
    closing_sends::a_close_at_once_also_tries_what_is_behind_a_send_in_flight,
    closing_sends::a_peer_that_reads_meanwhile_gets_a_prefix_and_holds_nothing_up,
    closing_sends::a_send_that_the_program_cancels_does_not_hold_up_those_behind_it,
    closing_sends::a_shutdown_keeps_its_place_among_the_sends_of_a_close_at_once,
    closing_sends::a_buffer_of_many_parts_is_tried_whole,
    closing_sends::an_abort_tries_nothing,
    closing_sends::a_graceful_close_that_is_cancelled_tries_what_was_started,
    ending::one_last_completion_for_every_kind_that_is_cancelled,
    ending::one_last_completion_after_all_results_of_a_multishot_receive,
    ending::cancel_racing_success_ends_once_and_loses_no_byte,
    ending::cancel_racing_packets_loses_no_byte,
    ending::a_shutdown_waits_for_earlier_sends,
    order::order_receives_started_on_one_socket_are_filled_in_the_order_of_starting,
    order::order_sends_started_on_one_socket_leave_whole_and_in_order,
    order::order_is_kept_by_the_others_when_one_in_the_middle_is_cancelled,
    order::whole_sends_complete_once_with_every_byte_and_the_end_of_stream_is_zero,
    order::whole_sends_that_are_cut_short_say_how_far_they_came_and_break_the_stream,
    order::scatter_and_gather_over_more_parts_than_the_system_takes_at_once,
    order::flags_peek_leaves_the_bytes_and_a_buffer_without_room_waits_for_readability,
    order::wait_all_cut_short_by_the_end_or_a_cancel_delivers_what_came,
    ownership::dropping_a_driver_with_every_kind_in_flight_ends_and_drops_each_buffer_once,
    ownership::a_packet_outlives_its_driver,
    ownership::a_released_connection_lives_on_in_another_driver,
    ownership::a_connection_that_was_non_blocking_is_waited_for_all_the_same,
}

rules! {
    connections_by_path_and_the_addresses_of_their_ends: "it has no Unix sockets",
    a_multishot_accept_brings_each_connection: "it has no Unix sockets",
    a_stale_socket_file_is_replaced: "it has no Unix sockets",
    a_path_at_which_a_server_listens_is_in_use: "it has no Unix sockets",
    a_file_that_is_not_a_socket_is_in_use_and_left_alone: "it has no Unix sockets",
    the_file_is_removed_when_the_listener_is_closed: "it has no Unix sockets",
    the_file_is_left_if_another_server_took_its_place: "it has no Unix sockets",
    connecting_where_nobody_listens_is_refused: "it has no Unix sockets",
    an_unusable_path_is_an_error: "it has no Unix sockets",
    a_unix_connection_is_not_a_tcp_stream: "it has no Unix sockets",
}

/// A path of this test alone. The file there is removed at the end.
pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn new() -> Place {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("overlapped-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        Place(std::env::temp_dir().join(name))
    }

    pub(super) fn address(&self) -> Address {
        self.path().into()
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn connections_by_path_and_the_addresses_of_their_ends(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    let text = format!("unix:{}", place.0.display());
    let listener = bench.driver.listen(&*text, &Default::default()).unwrap();
    assert_eq!(bench.driver.local_addr(listener).unwrap(), place.address());
    let accept = bench.submit(Op::accept(listener));
    let client = bench.driver.socket(place.address()).unwrap();
    let connect = bench.submit(Op::connect(client, place.address()));
    let send = bench.submit(Op::send(client, b"hello".to_vec()));
    assert!(matches!(bench.outcome_of(connect), Ok(Outcome::Connected)));
    assert!(matches!(bench.outcome_of(send), Ok(Outcome::Sent(5))));
    let Ok(Outcome::Accepted(stream, peer)) = bench.outcome_of(accept) else { panic!("it accepts") };
    assert_eq!(peer, Address::Unnamed);
    assert_eq!((stream.peer_addr().unwrap(), stream.local_addr().unwrap()), (Address::Unnamed, place.address()));
    assert_eq!(bench.driver.peer_addr(client).unwrap(), place.address());
    assert_eq!(bench.driver.local_addr(client).unwrap(), Address::Unnamed);
    let server = bench.driver.adopt(stream).unwrap();
    bench.driver.set_options(server, &Default::default()).unwrap();
    let recv = bench.submit(Op::recv(server, vec![0u8; 9]));
    assert_eq!(bench.bytes_of(recv), b"hello");
    for socket in [listener, client, server] {
        bench.close(socket);
    }
    bench.finish();
}

fn a_multishot_accept_brings_each_connection(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    let listener = bench.driver.listen(place.address(), &Default::default()).unwrap();
    let accept = bench.submit(Op::accept_multi(listener));
    for i in 0..50u8 {
        let (client, _) = bench.connect(&place.address());
        bench.write(&client, &[i]);
        let completion = bench.next_of(accept);
        assert!(completion.more);
        let Ok(Outcome::Accepted(stream, Address::Unnamed)) = completion.result else { panic!("{completion:?}") };
        let server = bench.driver.adopt(stream).unwrap();
        let recv = bench.submit(Op::recv(server, vec![0u8; 9]));
        assert_eq!(bench.bytes_of(recv), [i]);
        bench.close(server);
    }
    bench.close(listener);
    assert_eq!(bench.kind_of(accept), ErrorKind::Cancelled);
    bench.finish();
}

fn a_stale_socket_file_is_replaced(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    drop(UnixListener::bind(&place.0).unwrap());
    assert!(UnixStream::connect(&place.0).is_err(), "nobody listens there");
    let listener = bench.driver.listen(place.address(), &Default::default()).unwrap();
    let _client = UnixStream::connect(&place.0).unwrap();
    bench.close(listener);
    bench.finish();
}

fn a_path_at_which_a_server_listens_is_in_use(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    let listener = bench.driver.listen(place.address(), &Default::default()).unwrap();
    let error = bench.driver.listen(place.address(), &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::InUse, Some(&place.address())), "{error}");
    let _client = UnixStream::connect(&place.0).expect("the first one is as it was");
    bench.close(listener);
    bench.finish();
}

fn a_file_that_is_not_a_socket_is_in_use_and_left_alone(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    std::fs::write(&place.0, "precious").unwrap();
    let error = bench.driver.listen(place.address(), &Default::default()).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::InUse, Some(&place.address())), "{error}");
    assert_eq!(std::fs::read_to_string(&place.0).unwrap(), "precious");
    bench.finish();
}

fn the_file_is_removed_when_the_listener_is_closed(on: &On) {
    let place = Place::new();
    for dropped in [false, true] {
        let mut bench = on.bench();
        let listener = bench.driver.listen(place.address(), &Default::default()).unwrap();
        assert!(place.0.exists());
        bench.submit(Op::accept_multi(listener));
        bench.settle();
        if dropped {
            drop(bench);
        } else {
            bench.close(listener);
            bench.finish();
        }
        assert!(!place.0.exists(), "dropped with the driver: {dropped}");
    }
}

fn the_file_is_left_if_another_server_took_its_place(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    let listener = bench.driver.listen(place.address(), &Default::default()).unwrap();
    std::fs::remove_file(&place.0).unwrap();
    let _other = UnixListener::bind(&place.0).unwrap();
    bench.close(listener);
    UnixStream::connect(&place.0).expect("the other one's file is still there");
    bench.finish();
}

fn connecting_where_nobody_listens_is_refused(on: &On) {
    let (mut bench, place) = (on.bench(), Place::new());
    drop(UnixListener::bind(&place.0).unwrap());
    let socket = bench.driver.socket(place.address()).unwrap();
    let connect = bench.submit(Op::connect(socket, place.address()));
    let error = bench.outcome_of(connect).unwrap_err();
    assert_eq!((error.kind(), error.address()), (ErrorKind::Refused, Some(&place.address())), "{error}");
    bench.close(socket);
    std::fs::remove_file(&place.0).unwrap();
    let socket = bench.driver.socket(place.address()).unwrap();
    let connect = bench.submit(Op::connect(socket, place.address()));
    let error = bench.outcome_of(connect).unwrap_err();
    assert_eq!((error.os_code(), error.address()), (Some(libc::ENOENT), Some(&place.address())), "{error}");
    bench.close(socket);
    bench.finish();
}

fn an_unusable_path_is_an_error(on: &On) {
    let mut bench = on.bench();
    let long: Address = PathBuf::from(format!("/tmp/{}", "x".repeat(200))).into();
    assert_eq!(bench.driver.listen(&long, &Default::default()).unwrap_err().address(), Some(&long));
    let socket = bench.driver.socket(&long).unwrap();
    for nowhere in [long, Address::Unnamed] {
        let refused = bench.driver.submit(Op::connect(socket, &nowhere), 0).unwrap_err();
        assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    }
    let missing: Address = PathBuf::from("/tmp/no-such-directory/socket").into();
    assert_eq!(bench.driver.listen(&missing, &Default::default()).unwrap_err().address(), Some(&missing));
    assert!(bench.driver.listen(Address::Unnamed, &Default::default()).is_err());
    assert_eq!(
        bench.driver.datagram(missing, &Default::default()).unwrap_err().kind(),
        ErrorKind::Unsupported,
        "no datagrams by path"
    );
    bench.close(socket);
    bench.finish();
}

fn a_unix_connection_is_not_a_tcp_stream(on: &On) {
    let mut bench = on.over(Transport::Unix).bench();
    let (socket, _peer) = bench.pair();
    let stream = bench.driver.release(socket).unwrap();
    let error = std::net::TcpStream::try_from(stream).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    bench.finish();
}
