//! Hazards of edge-triggered readiness: each test puts an event where it could be lost or be taken
//! for one of another socket.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;
use crate::address::Address;
use crate::buf::{AnyBuf, PoolConfig};
use crate::sys::{maker::Maker, op::Beside, socket::SystemSocket};

mod connecting;

const PATIENCE: Duration = Duration::from_secs(20);
/// The share of a socket in a turn, as a driver has it.
const TURN_BYTES: u32 = 64 * 1024;

/// A backend, driven by hand.
struct Bench {
    poll: Poll,
    handles: Vec<Option<Handle>>,
    /// Buffers of receives, by the operation's slot.
    bufs: Vec<Option<AnyBuf>>,
    seen: VecDeque<Event>,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(PoolConfig::new(), TURN_BYTES)
    }

    fn with(pool: PoolConfig, turn_bytes: u32) -> Bench {
        let options = BackendOptions { sockets: 1000, submissions: 1024, turn_bytes, direct_descriptors: false };
        let poll = Poll::new(&options, Pool::new(pool), "a test").unwrap();
        Bench { poll, handles: Vec::new(), bufs: Vec::new(), seen: VecDeque::new() }
    }

    fn attach_at(&mut self, socket: u32, handle: Handle) {
        self.poll.attach(socket, &handle).unwrap();
        if self.handles.len() <= socket as usize {
            self.handles.push(None);
        }
        self.handles[socket as usize] = Some(handle);
    }

    /// A socket that the program has made, and may have another descriptor of.
    fn attach(&mut self, made: impl Into<OwnedFd>) -> u32 {
        let socket = self.handles.len() as u32;
        self.attach_at(socket, Handle::System(SystemSocket::of(made.into().into()).unwrap()));
        socket
    }

    fn id(&mut self, buf: Option<AnyBuf>) -> OpId {
        self.bufs.push(buf);
        OpId::new(self.bufs.len() as u32 - 1, 1)
    }

    fn start_with(&mut self, socket: u32, kind: OpKind, mut owned: Owned) -> OpId {
        let id = self.id(owned.buf.take());
        let handle = self.handles[socket as usize].as_ref().unwrap();
        owned.buf = self.bufs[id.slot() as usize].take();
        self.poll.start(id, kind, socket, handle, Some(&mut owned));
        self.bufs[id.slot() as usize] = owned.buf;
        id
    }

    fn start(&mut self, socket: u32, kind: OpKind) -> OpId {
        self.start_with(socket, kind, Owned::default())
    }

    fn connect(&mut self, socket: u32, address: &Address) -> OpId {
        let owned = Owned { beside: Beside::Address(Ok(address.clone())), ..Owned::default() };
        self.start_with(socket, OpKind::Connect, owned)
    }

    fn recv(&mut self, socket: u32, room: usize) -> OpId {
        self.recv_with(socket, room, Flags::NONE)
    }

    fn recv_with(&mut self, socket: u32, room: usize, flags: Flags) -> OpId {
        let owned = Owned { buf: Some(AnyBuf::to_recv(vec![0u8; room])), ..Owned::default() };
        self.start_with(socket, OpKind::Recv { flags }, owned)
    }

    fn send(&mut self, socket: u32, bytes: Vec<u8>) -> OpId {
        let owned = Owned { buf: Some(AnyBuf::to_send(bytes)), ..Owned::default() };
        self.start_with(socket, OpKind::Send { flags: Flags::NONE }, owned)
    }

    /// Turns once without waiting, and keeps the events in `seen`.
    fn look(&mut self) {
        self.poll.turn(Some(Time::ZERO)).unwrap();
        while let Some(event) = self.poll.next() {
            self.seen.push_back(event);
        }
    }

    /// Turns until the system has been asked once more, and nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..3 {
            self.look();
        }
    }

    /// The next event of any operation.
    fn event(&mut self) -> Event {
        let end = clock::now() + PATIENCE;
        loop {
            if let Some(event) = self.seen.pop_front().or_else(|| self.poll.next()) {
                return event;
            }
            assert!(clock::now() < end, "nothing happens");
            self.poll.turn(Some(end)).unwrap();
        }
    }

    /// The next event, which is the last of an operation.
    fn ended(&mut self, id: OpId) -> Result<Outcome, Failure> {
        let event = self.event();
        assert_eq!((event.id, event.more), (id, false), "{event:?}");
        event.result
    }

    /// A receive's bytes.
    fn received(&mut self, id: OpId) -> Vec<u8> {
        let Ok(Outcome::Received(bytes)) = self.ended(id) else { panic!("it receives bytes") };
        let buf = self.bufs[id.slot() as usize].take();
        let mut owned = Owned { buf, progress: bytes as u64, ..Owned::default() };
        owned.set_received();
        owned.buf.unwrap().take().unwrap()
    }

    fn code(&mut self, id: OpId) -> i32 {
        match self.ended(id) {
            Err(Failure::Code(code)) => code,
            other => panic!("it should fail: {other:?}"),
        }
    }

    fn believes_readable(&self, socket: u32) -> bool {
        self.poll.sockets[socket as usize].receives.ready
    }
}

fn streams() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (peer, _) = listener.accept().unwrap();
    peer.set_nodelay(true).unwrap();
    (ours, peer)
}

fn write(mut peer: impl Write, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
}

#[test]
fn bytes_that_came_before_a_socket_was_attached_are_received() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    write(&peer, b"early");
    let socket = bench.attach(ours);
    let recv = bench.recv(socket, 9);
    assert_eq!(bench.received(recv), b"early");
}

#[test]
fn bytes_that_come_between_a_vain_attempt_and_the_wait_are_received() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    for _ in 0..100 {
        bench.settle();
        bench.poll.sockets[socket as usize].receives.ready = true;
        let recv = bench.recv(socket, 9);
        assert!(!bench.believes_readable(socket), "it was tried in vain");
        write(&peer, b"late");
        assert_eq!(bench.received(recv), b"late");
    }
}

#[test]
fn a_short_receive_is_known_to_have_drained_the_socket_and_a_full_one_is_not() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    write(&peer, b"abcdef");
    for (room, bytes, left) in [(3, &b"abc"[..], true), (9, b"def", false)] {
        let recv = bench.recv(socket, room);
        assert_eq!(bench.received(recv), bytes);
        assert_eq!(bench.believes_readable(socket), left);
    }
    let recv = bench.recv(socket, 9);
    bench.settle();
    assert!(bench.seen.is_empty());
    write(&peer, b"g");
    assert_eq!(bench.received(recv), b"g");
}

#[test]
fn an_end_that_came_with_the_last_bytes_is_found_after_them() {
    for pooled in [false, true] {
        let mut bench = Bench::new();
        let (ours, peer) = streams();
        let socket = bench.attach(ours);
        write(&peer, b"last");
        peer.shutdown(Shutdown::Write).unwrap();
        // Both are there before the system is asked, once.
        bench.settle();
        if pooled {
            let id = bench.start(socket, OpKind::RecvMulti);
            let packet = bench.event();
            assert!(packet.more && matches!(&packet.result, Ok(Outcome::Packet(packet)) if packet[..] == *b"last"));
            assert!(matches!(bench.ended(id), Ok(Outcome::Received(0))));
        } else {
            let recv = bench.recv(socket, 9);
            assert_eq!(bench.received(recv), b"last");
            let end = bench.recv(socket, 9);
            assert_eq!(bench.received(end), b"");
        }
        // The other half is open.
        let send = bench.send(socket, b"answer".to_vec());
        assert!(matches!(bench.ended(send), Ok(Outcome::Sent(6))));
        let mut answer = [0; 6];
        (&peer).read_exact(&mut answer).unwrap();
    }
}

#[test]
fn peeking_does_not_drain_the_socket() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    write(&peer, b"seen");
    for flags in [Flags::PEEK, Flags::PEEK, Flags::NONE] {
        let recv = bench.recv_with(socket, 9, flags);
        assert_eq!(bench.received(recv), b"seen");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn bytes_after_urgent_data_are_received() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    write(&peer, b"ab");
    // SAFETY: one byte, there during the call.
    assert_eq!(unsafe { libc::send(peer.as_raw_fd(), b"!".as_ptr().cast(), 1, libc::MSG_OOB) }, 1);
    write(&peer, b"cd");
    bench.settle();
    for (flags, bytes) in [(Flags::NONE, b"ab".as_slice()), (Flags::OUT_OF_BAND, b"!"), (Flags::NONE, b"cd")] {
        let recv = bench.recv_with(socket, 9, flags);
        assert_eq!(bench.received(recv), bytes);
    }
    let none = bench.recv_with(socket, 9, Flags::OUT_OF_BAND);
    assert_eq!(bench.code(none), libc::EINVAL);
}

/// A message with descriptors ends a receive on a Unix socket, whatever follows it.
#[test]
fn bytes_after_a_message_with_descriptors_are_received() {
    let mut bench = Bench::new();
    let (ours, peer) = UnixStream::pair().unwrap();
    let socket = bench.attach(ours);
    send_with_descriptor(&peer, b"ab");
    write(&peer, b"cd");
    bench.settle();
    let mut got = Vec::new();
    while got.len() < 4 {
        let recv = bench.recv(socket, 9);
        got.extend(bench.received(recv));
    }
    assert_eq!(got, b"abcd");
}

fn send_with_descriptor(peer: &UnixStream, bytes: &[u8]) {
    #[repr(C)]
    struct Control {
        head: libc::cmsghdr,
        fd: libc::c_int,
        padding: libc::c_int,
    }
    // SAFETY: all zeroes is valid for both.
    let (mut header, mut control): (libc::msghdr, Control) = unsafe { (std::mem::zeroed(), std::mem::zeroed()) };
    // SAFETY: it only computes.
    let (len, space) = unsafe { (libc::CMSG_LEN(4), libc::CMSG_SPACE(4)) };
    control.head.cmsg_len = len as _;
    control.head.cmsg_level = libc::SOL_SOCKET;
    control.head.cmsg_type = libc::SCM_RIGHTS;
    control.fd = peer.as_raw_fd();
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = (&raw mut control).cast();
    header.msg_controllen = space as _;
    // SAFETY: what the header names is there during the call.
    let sent = unsafe { libc::sendmsg(peer.as_raw_fd(), &raw const header, 0) };
    assert_eq!(sent, bytes.len() as isize, "{}", std::io::Error::last_os_error());
}

#[test]
fn readiness_of_an_old_socket_is_not_taken_for_the_new_one_in_its_slot() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    // The program has another descriptor of the same socket, so the socket lives on.
    let twin = ours.try_clone().unwrap();
    let socket = bench.attach(ours);
    bench.settle();
    for _ in 0..2 {
        write(&peer, b"for the old one");
        let handle = bench.handles[socket as usize].take().unwrap();
        bench.poll.detach(socket, &handle).unwrap();
        drop(handle);
        let (ours, new_peer) = streams();
        bench.attach_at(socket, Handle::accepted(ours.into()));
        let recv = bench.recv(socket, 9);
        write(&peer, b"again");
        bench.settle();
        assert!(bench.seen.is_empty());
        assert!(!bench.believes_readable(socket));
        write(&new_peer, b"new");
        assert_eq!(bench.received(recv), b"new");
    }
    drop(twin);
}

#[test]
fn closing_ends_the_watching_of_a_socket_that_has_another_descriptor() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let twin = ours.try_clone().unwrap();
    let socket = bench.attach(ours);
    let handle = bench.handles[socket as usize].take().unwrap();
    let id = bench.id(None);
    bench.poll.close(id, socket, handle);
    assert!(matches!(bench.ended(id), Ok(Outcome::Closed)));
    bench.settle();
    write(&peer, b"nobody is there");
    let until = clock::now() + Duration::from_millis(20);
    bench.poll.turn(Some(until)).unwrap();
    assert!(clock::now() >= until, "its bytes do not end a wait");
    drop(twin);
}

#[test]
fn an_accepted_socket_that_lives_on_in_a_fork_does_not_disturb_the_new_one_in_its_slot() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let twin = ours.try_clone().unwrap();
    bench.attach_at(0, Handle::accepted(ours.into()));
    bench.settle();
    let handle = bench.handles[0].take().unwrap();
    let id = bench.id(None);
    bench.poll.close(id, 0, handle);
    assert!(matches!(bench.ended(id), Ok(Outcome::Closed)));
    let (ours, new_peer) = streams();
    bench.attach_at(0, Handle::accepted(ours.into()));
    let recv = bench.recv(0, 9);
    write(&peer, b"for the old one");
    bench.settle();
    assert!(bench.seen.is_empty());
    write(&new_peer, b"new");
    assert_eq!(bench.received(recv), b"new");
    drop(twin);
}

#[test]
fn a_reset_ends_waiting_operations_in_both_directions() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    bench.settle();
    let recv = bench.recv(socket, 9);
    let send = loop {
        // As much as the system takes, until it takes no more.
        let send = bench.send(socket, vec![0; 1 << 20]);
        match bench.poll.next() {
            Some(event) => assert_eq!(event.id, send),
            None => break send,
        }
    };
    bench.settle();
    assert!(bench.seen.is_empty(), "both wait");
    socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    let mut codes = [bench.event(), bench.event()].map(|event| match event.result {
        Err(Failure::Code(code)) if !event.more => (event.id.slot(), code),
        other => panic!("it should fail: {other:?}"),
    });
    codes.sort();
    assert_eq!((codes[0].0, codes[1].0), (recv.slot(), send.slot()));
    assert!(codes.iter().any(|(_, code)| *code == libc::ECONNRESET), "{codes:?}");
    assert!(codes.iter().all(|(_, code)| [libc::ECONNRESET, libc::EPIPE].contains(code)), "{codes:?}");
}

#[test]
fn a_waiting_operation_that_is_cancelled_ends_once_and_takes_no_bytes() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    bench.settle();
    let recv = bench.recv(socket, 9);
    bench.poll.cancel(recv);
    bench.poll.cancel(recv);
    assert_eq!(bench.code(recv), libc::ECANCELED);
    bench.settle();
    assert!(bench.seen.is_empty());
    write(&peer, b"kept");
    let next = bench.recv(socket, 9);
    assert_eq!(bench.received(next), b"kept");
}

#[test]
fn a_cancel_between_readiness_and_the_attempt_takes_no_bytes() {
    let mut bench = Bench::new();
    let (ours, peer) = streams();
    let socket = bench.attach(ours);
    bench.settle();
    let recv = bench.recv(socket, 9);
    write(&peer, b"kept");
    let end = clock::now() + PATIENCE;
    while bench.poll.ready.is_empty() {
        bench.poll.turn(Some(end)).unwrap();
    }
    bench.poll.cancel(recv);
    assert_eq!(bench.code(recv), libc::ECANCELED);
    let next = bench.recv(socket, 9);
    assert_eq!(bench.received(next), b"kept");
}

#[test]
fn a_cancel_after_the_end_changes_nothing() {
    let mut bench = Bench::new();
    let (ours, _peer) = streams();
    let socket = bench.attach(ours);
    let send = bench.send(socket, b"out".to_vec());
    bench.poll.cancel(send);
    assert!(matches!(bench.ended(send), Ok(Outcome::Sent(3))));
    bench.settle();
    assert!(bench.seen.is_empty());
}

#[test]
fn many_readable_sockets_share_few_pooled_buffers() {
    let pool = PoolConfig::new().buffers(2).buffer_bytes(64);
    let mut bench = Bench::with(pool, TURN_BYTES);
    let mut peers = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..20 {
        let (ours, peer) = streams();
        let socket = bench.attach(ours);
        ids.push(bench.start(socket, OpKind::RecvMulti));
        write(&peer, b"packet");
        peers.push(peer);
    }
    for _ in 0..20 {
        let event = bench.event();
        assert!(event.more && matches!(&event.result, Ok(Outcome::Packet(packet)) if packet[..] == *b"packet"));
    }
    // Keeping them is back-pressure. Nothing is lost.
    peers.iter().for_each(|peer| write(peer, b"again"));
    let kept = [bench.event(), bench.event()];
    assert!(kept.iter().all(|event| event.more && matches!(event.result, Ok(Outcome::Packet(_)))));
    let starved = bench.event();
    assert!(!starved.more && matches!(starved.result, Err(Failure::NoBuffer)), "{starved:?}");
    drop(kept);
    let socket = ids.iter().position(|id| *id == starved.id).unwrap() as u32;
    bench.seen.clear();
    bench.start(socket, OpKind::RecvMulti);
    let mut found = false;
    while !found {
        let event = bench.event();
        found = matches!(&event.result, Ok(Outcome::Packet(packet)) if packet[..] == *b"again");
    }
}

#[test]
fn a_flooding_peer_brings_its_share_of_a_turn_and_others_are_served() {
    let pool = PoolConfig::new().buffers(8).buffer_bytes(64);
    let mut bench = Bench::with(pool, 256);
    let (flooded, flood) = streams();
    let (quiet, other) = streams();
    let (flooded, quiet) = (bench.attach(flooded), bench.attach(quiet));
    let flooding = bench.start(flooded, OpKind::RecvMulti);
    bench.start(quiet, OpKind::RecvMulti);
    write(&flood, &[7; 64 * 100]);
    write(&other, b"quiet");
    let (mut bytes, mut turns) = (0, 0);
    while bytes < 64 * 100 {
        bench.look();
        let turn: Vec<usize> = bench
            .seen
            .drain(..)
            .filter(|event| event.id == flooding)
            .map(|event| match event.result {
                Ok(Outcome::Packet(packet)) => packet.len(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(turn.iter().sum::<usize>() < 256 + 64, "{turn:?}");
        bytes += turn.iter().sum::<usize>();
        turns += 1;
    }
    assert!(turns >= 25);
}

#[test]
fn a_wait_does_not_end_early() {
    let mut bench = Bench::new();
    for micros in [1, 100, 999, 1001, 2500] {
        let until = clock::now() + Duration::from_micros(micros);
        bench.poll.turn(Some(until)).unwrap();
        assert!(clock::now() >= until, "a loop would turn in vain");
    }
}

#[test]
fn a_wake_up_ends_the_present_wait_or_the_next() {
    let mut bench = Bench::new();
    let wake = bench.poll.wake.clone();
    wake.wake();
    bench.poll.turn(None).unwrap();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(10));
        wake.wake();
    });
    bench.poll.turn(None).unwrap();
    thread.join().unwrap();
}
