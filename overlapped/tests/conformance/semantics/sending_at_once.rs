//! Sends that the thread which starts them makes itself.

use overlapped::driver::Wait;
use overlapped::engine::Sent;
use overlapped::error::Action;
use overlapped::{CompletionPort, Engine, Event, Overlapped};

use crate::harness::engine::*;

threaded_rules! {
    a_send_that_the_system_takes_has_ended_when_its_start_returns,
    sends_of_many_threads_leave_whole_and_those_of_each_in_order,
}

fn a_send_that_the_system_takes_has_ended_when_its_start_returns(engine: &Engine) {
    let (socket, peer) = pair(engine);
    let (event, port) = (Event::new(), CompletionPort::new(1, 4));
    socket.associate(&port, 7).unwrap();
    let mut send = socket.send(b"by event ".to_vec()).event(&event).start().unwrap();
    assert!(event.is_signalled());
    assert_eq!(send.result(Wait::Poll).unwrap().buf, b"by event ");
    socket.send(b"by packet".to_vec()).to_port(1).unwrap();
    let mut packet = port.get(Wait::Poll).unwrap().expect("it is there");
    assert_eq!((packet.key, packet.token, packet.action()), (7, 1, Some(Action::Send)));
    assert_eq!(packet.result::<Sent<Vec<u8>>>().unwrap().bytes, 9);
    assert!(port.get(Wait::Poll).unwrap().is_none(), "each is told once");
    assert_eq!(read(&peer, 18), b"by event by packet");
}

/// Each send is too large for the system to take all of it at once, while others are started.
fn sends_of_many_threads_leave_whole_and_those_of_each_in_order(engine: &Engine) {
    const THREADS: usize = 4;
    const SENDS: usize = 30;
    const LEN: usize = 50_001;
    let (socket, peer) = pair(engine);
    let reader = reader_of(&peer, THREADS * SENDS * LEN);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let socket = &socket;
            scope.spawn(move || {
                let mut before: Option<Overlapped<Sent<Vec<u8>>>> = None;
                for number in 0..SENDS {
                    let send = socket.send(vec![(thread * SENDS + number) as u8; LEN]).start().unwrap();
                    // Two at a time, and now and then one.
                    if let Some(mut before) = before.replace(send) {
                        assert_eq!(before.result(WAIT).unwrap().bytes, LEN as u64);
                    }
                    if number % 3 == 2 {
                        before.take().unwrap().result(WAIT).unwrap();
                    }
                }
                before.into_iter().for_each(|mut last| drop(last.result(WAIT).unwrap()));
            });
        }
    });
    let bytes = reader.join().unwrap();
    let mut next = [0; THREADS];
    for whole in bytes.chunks(LEN) {
        let (thread, number) = (usize::from(whole[0]) / SENDS, usize::from(whole[0]) % SENDS);
        assert!(whole.iter().all(|byte| *byte == whole[0]), "another send lies within");
        assert_eq!(number, next[thread], "those of a thread are in order");
        next[thread] += 1;
    }
    assert_eq!(next, [SENDS; THREADS]);
}
