//! Operations that use only a part of their buffer: a range of its contents, or the room behind
//! them.

use bytes::BytesMut;
use overlapped::buf::{BufExt, Spare};
use overlapped::driver::Flags;
use overlapped::engine::Received;
use overlapped::port::Queued;
use overlapped::{CompletionPort, Engine, ErrorKind};

use crate::harness::engine::*;
use crate::harness::pattern;

engine_rules! {
    a_receive_into_a_slice_takes_exactly_those_bytes,
    a_session_buffer_is_filled_behind_what_is_there,
    spare_room_is_filled_behind_the_contents_and_sets_the_length,
    a_receive_into_a_part_that_fails_leaves_the_buffer_as_it_was,
    a_peek_into_a_part_takes_nothing,
    slices_are_sent_alone_and_in_lists,
    a_list_of_slices_is_filled_slice_after_slice,
    a_receive_that_is_tried_within_its_start_keeps_to_its_part,
    a_datagram_that_is_larger_than_its_part_is_truncated_to_it: "it has no datagrams",
}

fn a_receive_into_a_slice_takes_exactly_those_bytes(engine: &Engine) {
    let (socket, peer) = pair(engine);
    // A header of four bytes, a body, and the next message at once.
    write(&peer, b"\0\0\0\x05hello\0\0\0\x03you");
    let mut buf = vec![0xff; 1000];
    for text in [&b"hello"[..], b"you"] {
        let header = end(socket.recv_with(buf.slice(..4), Flags::WAIT_ALL).start().unwrap()).unwrap();
        assert_eq!((header.bytes, header.buf.range()), (4, 0..4));
        buf = header.buf.into_inner();
        assert_eq!((&buf[..4], buf.len()), (&[0, 0, 0, text.len() as u8][..], 1000));
        let body = 4..4 + text.len();
        let received = end(socket.recv_with(buf.slice(body.clone()), Flags::WAIT_ALL).start().unwrap()).unwrap();
        buf = received.buf.into_inner();
        assert_eq!((received.bytes, &buf[body.clone()]), (text.len(), text));
        assert!(buf[9..].iter().all(|byte| *byte == 0xff), "nothing behind the longest was touched");
    }
}

fn a_session_buffer_is_filled_behind_what_is_there(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(5000);
    let (mut buf, mut got) = (vec![0; bytes.len()].into_boxed_slice(), 0);
    let writer = writer(&peer, bytes.clone());
    while got < bytes.len() {
        let received = end(socket.recv(buf.slice(got..)).start().unwrap()).unwrap();
        assert!(received.bytes > 0);
        got += received.bytes;
        buf = received.buf.into_inner();
    }
    assert!(*buf == *bytes);
    writer.join().unwrap();
}

fn spare_room_is_filled_behind_the_contents_and_sets_the_length(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let bytes = pattern(3000);
    let writer = writer(&peer, bytes.clone());
    let mut buf = BytesMut::from(&b"before "[..]);
    for (at, size) in [(0, 1), (1, 999), (1000, 2000)] {
        let received = end(socket.recv_with(buf.spare(size), Flags::WAIT_ALL).start().unwrap()).unwrap();
        assert_eq!(received.bytes, size);
        buf = received.buf.into_inner();
        assert_eq!(buf.len(), 7 + at + size);
    }
    assert!(buf.starts_with(b"before ") && buf[7..] == bytes);
    writer.join().unwrap();
    // There is more room, which is not used.
    let mut buf = Vec::with_capacity(1000);
    buf.extend_from_slice(b"ab");
    write(&peer, b"cdef");
    let received = end(socket.recv_with(buf.spare(2), Flags::WAIT_ALL).start().unwrap()).unwrap();
    assert_eq!(received.buf.into_inner(), b"abcd");
    assert_eq!(receive_all(&socket, 2), b"ef");
}

fn a_receive_into_a_part_that_fails_leaves_the_buffer_as_it_was(engine: &Engine) {
    let (socket, _peer) = pair(engine);
    let mut slice = socket.recv(b"abcdef".to_vec().slice(1..3)).start().unwrap();
    let mut spare = socket.recv(b"abcdef".to_vec().spare(100)).start().unwrap();
    settle(engine);
    assert_eq!(socket.cancel_all(), 2);
    assert_eq!(slice.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(spare.result(WAIT).unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!(slice.take_buf().unwrap().into_inner(), b"abcdef");
    assert_eq!(spare.take_buf().unwrap().into_inner(), b"abcdef");
}

fn a_peek_into_a_part_takes_nothing(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"xyz");
    await_input(&socket, 3);
    let peek = end(socket.recv_with(b"abcdef".to_vec().slice(1..3), Flags::PEEK).start().unwrap()).unwrap();
    assert_eq!((peek.bytes, &peek.buf.into_inner()[..]), (2, &b"axydef"[..]));
    let peek = end(socket.recv_with(b"abc".to_vec().spare(2), Flags::PEEK).start().unwrap()).unwrap();
    assert_eq!((peek.bytes, &peek.buf.into_inner()[..]), (2, &b"abcxy"[..]));
    assert_eq!(receive_all(&socket, 3), b"xyz");
}

fn slices_are_sent_alone_and_in_lists(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let sent = end(socket.send(b"hello".to_vec().slice(1..=3)).start().unwrap()).unwrap();
    assert_eq!((sent.bytes, &sent.buf.into_inner()[..]), (3, &b"hello"[..]));
    assert_eq!(read(&peer, 3), b"ell");
    let pieces = [b"abc".to_vec().slice(..1), b"def".to_vec().slice(3..), b"ghi".to_vec().slice(1..)];
    assert_eq!(end(socket.send(pieces).start().unwrap()).unwrap().bytes, 3);
    assert_eq!(read(&peer, 3), b"ahi");
    // A range of a list of more buffers than the system takes at once.
    let bytes = pattern(9000);
    let list: Vec<Vec<u8>> = bytes.chunks(3).map(<[u8]>::to_vec).collect();
    let send = socket.send(list.slice(1000..8000)).start().unwrap();
    let reader = reader_of(&peer, 7000);
    assert_eq!(end(send).unwrap().bytes, 7000);
    assert!(reader.join().unwrap() == bytes[1000..8000]);
}

fn a_list_of_slices_is_filled_slice_after_slice(engine: &Engine) {
    let (socket, peer) = pair(engine);
    write(&peer, b"123456");
    let slices = [b"abcd".to_vec().slice(2..), b"efgh".to_vec().slice(..1), b"ijklmn".to_vec().slice(2..5)];
    let received = end(socket.recv_with(slices, Flags::WAIT_ALL).start().unwrap()).unwrap();
    let bufs = received.buf.map(|slice| slice.into_inner());
    assert_eq!(bufs, [&b"ab12"[..], b"3fgh", b"ij456n"]);
    write(&peer, b"7890");
    let rooms = [b"a".to_vec().spare(3), b"b".to_vec().spare(1)];
    let received = end(socket.recv_with(rooms, Flags::WAIT_ALL).start().unwrap()).unwrap();
    assert_eq!(received.buf.map(|spare| spare.into_inner()), [&b"a789"[..], b"b0"]);
}

fn a_receive_that_is_tried_within_its_start_keeps_to_its_part(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let port = CompletionPort::new(1, 64);
    socket.associate(&port, 1).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    write(&peer, b"123456");
    await_input(&socket, 6);
    let result = |queued| -> Received<Spare<Vec<u8>>> {
        let mut packet = match queued {
            Queued::Done(packet) => packet,
            Queued::Pending(_) => port.get(WAIT).unwrap().unwrap(),
        };
        packet.result().unwrap()
    };
    let mut got = Vec::new();
    while got.len() < 6 {
        let received = result(socket.recv(b"abc".to_vec().spare(2)).to_port(0).unwrap());
        assert!((1..=2).contains(&received.bytes), "{}", received.bytes);
        let buf = received.buf.into_inner();
        assert_eq!((&buf[..3], buf.len()), (&b"abc"[..], 3 + received.bytes));
        got.extend_from_slice(&buf[3..]);
    }
    assert_eq!(got, b"123456");
}

fn a_datagram_that_is_larger_than_its_part_is_truncated_to_it(engine: &Engine) {
    let ours = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let theirs = engine.datagram("127.0.0.1:0", &Default::default()).unwrap();
    let write = |bytes: &'static [u8]| end(theirs.send_to(bytes, ours.local_addr().unwrap()).start().unwrap()).unwrap();
    write(b"12345");
    let mut receive = ours.recv_from(b"abcdef".to_vec().slice(2..4)).start().unwrap();
    let error = receive.result(WAIT).unwrap_err();
    assert_eq!((error.kind(), error.transferred()), (ErrorKind::Truncated, 2));
    assert_eq!(receive.take_buf().unwrap().into_inner(), b"ab12ef");
    write(b"123");
    let received = end(ours.recv_from(b"abc".to_vec().spare(64)).start().unwrap()).unwrap();
    assert_eq!((received.bytes, &received.buf.into_inner()[..]), (3, &b"abc123"[..]));
}
