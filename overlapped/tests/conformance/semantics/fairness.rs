//! On sockets that skip packets on success, a session whose peer always has more to say takes no
//! more of the port's threads than one that awaits each answer.

use overlapped::engine::{Received, Sent};
use overlapped::error::Action;
use overlapped::port::{CompletionPacket, Queued};
use overlapped::{CompletionPort, Engine, Socket};

use crate::harness::engine::*;

engine_rules! {
    with_skipping_flooders_and_quiet_sessions_are_served_alike,
    with_skipping_each_packet_lets_its_socket_succeed_at_once_a_single_time: "nothing succeeds within a start",
    with_skipping_what_the_driver_was_given_renews_the_share: "nothing succeeds within a start",
}

/// An echo session. It has one operation in flight.
struct Session {
    socket: Socket,
    peer: Peer,
    answers: usize,
}

impl Session {
    /// Serves a packet as a program does: as long as starts succeed at once, it goes on. Returns
    /// how many operations ended.
    fn serve(&mut self, packet: CompletionPacket) -> usize {
        let (mut ended, mut next) = (0, Queued::Done(packet));
        while let Queued::Done(mut packet) = next {
            ended += 1;
            next = if packet.action() == Some(Action::Receive) {
                let received = packet.result::<Received<Vec<u8>>>().unwrap();
                assert_eq!(received.bytes, 1);
                self.socket.send(received.buf).to_port(0).unwrap()
            } else {
                self.answers += 1;
                let sent = packet.result::<Sent<Vec<u8>>>().unwrap();
                self.socket.recv(sent.buf).to_port(0).unwrap()
            };
        }
        ended
    }
}

fn session(engine: &Engine, port: &CompletionPort, key: usize) -> Session {
    let (socket, peer) = pair(engine);
    socket.associate(port, key).unwrap();
    socket.skip_packet_on_success(true).unwrap();
    Session { socket, peer, answers: 0 }
}

/// Each session has one operation in flight, and input for it. So each brings one packet in a
/// round, and what differs is only what a thread does before it goes on to the next packet.
fn with_skipping_flooders_and_quiet_sessions_are_served_alike(engine: &Engine) {
    const FLOODERS: usize = 4;
    const SESSIONS: usize = 12;
    let rounds = if is_simulated(engine) { 8 } else { 32 };
    // More than a flooder can be served.
    let backlog = 64 * rounds;
    let port = CompletionPort::new(1, 64);
    let mut sessions: Vec<_> = (0..SESSIONS).map(|key| session(engine, &port, key)).collect();
    for (key, session) in sessions.iter().enumerate() {
        session.socket.recv(vec![0; 1]).to_port(0).unwrap();
        write(&session.peer, &vec![1; if key < FLOODERS { backlog } else { 1 }]);
    }
    let mut served = [0; SESSIONS];
    let mut unread = [0; SESSIONS];
    for _ in 0..rounds {
        let packets: Vec<_> = (0..SESSIONS).map(|_| port.get(WAIT).unwrap().expect("each brings one")).collect();
        for packet in packets {
            let (key, session) = (packet.key, &mut sessions[packet.key]);
            let before = session.answers;
            served[key] += session.serve(packet);
            unread[key] += session.answers - before;
        }
        for (key, session) in sessions.iter().enumerate().skip(FLOODERS) {
            // A quiet client awaits its answer, and only then asks again.
            if unread[key] > 0 {
                assert_eq!(read(&session.peer, unread[key]), [1]);
                unread[key] = 0;
                write(&session.peer, b"\x01");
            }
        }
    }
    let (flooders, quiet) = served.split_at(FLOODERS);
    let of_quiet: usize = quiet.iter().sum();
    let of_all = of_quiet + flooders.iter().sum::<usize>();
    // A fair share is 8 of 12.
    assert!(of_quiet * SESSIONS >= of_all * (SESSIONS - FLOODERS), "{of_quiet} operations of {of_all}: {served:?}");
    for session in &sessions {
        close(&session.socket);
    }
    port.close();
}

/// A program that only receives: of its operations, every second one ends within its start.
fn with_skipping_each_packet_lets_its_socket_succeed_at_once_a_single_time(engine: &Engine) {
    const PACKETS: usize = 32;
    let port = CompletionPort::new(1, 16);
    let Session { socket, peer, .. } = session(engine, &port, 1);
    write(&peer, &[1; 4 * PACKETS]);
    await_input(&socket, 4 * PACKETS);
    let mut started = socket.recv(vec![0; 1]).to_port(0).unwrap();
    // The first one may be tried, since nothing was before it.
    if let Queued::Done(_) = started {
        started = socket.recv(vec![0; 1]).to_port(0).unwrap();
    }
    assert!(matches!(started, Queued::Pending(_)), "two succeeded in a row");
    for _ in 0..PACKETS {
        let mut packet = port.get(WAIT).unwrap().unwrap();
        assert_eq!(packet.result::<Received<Vec<u8>>>().unwrap().bytes, 1);
        assert!(matches!(socket.recv(vec![0; 1]).to_port(0).unwrap(), Queued::Done(_)), "it skips none");
        assert!(matches!(socket.recv(vec![0; 1]).to_port(0).unwrap(), Queued::Pending(_)), "two in a row");
    }
    port.get(WAIT).unwrap().unwrap();
}

/// However a transfer came to the driver: because it could not succeed yet, too.
fn with_skipping_what_the_driver_was_given_renews_the_share(engine: &Engine) {
    let port = CompletionPort::new(1, 16);
    let Session { socket, peer, .. } = session(engine, &port, 1);
    let receive = || socket.recv(vec![0; 1]).to_port(0).unwrap();
    for _ in 0..8 {
        assert!(matches!(receive(), Queued::Pending(_)), "there is nothing");
        write(&peer, &[1; 2]);
        port.get(WAIT).unwrap().unwrap();
        await_input(&socket, 1);
        assert!(matches!(receive(), Queued::Done(_)), "it has been behind everybody else");
        assert!(matches!(receive(), Queued::Pending(_)), "two in a row");
        write(&peer, &[1]);
        port.get(WAIT).unwrap().unwrap();
    }
}
