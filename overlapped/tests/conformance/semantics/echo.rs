//! A mebibyte is echoed in each of the four models.

use std::cell::RefCell;
use std::rc::Rc;

use overlapped::driver::{CloseMode, Flags};
use overlapped::engine::{Received, Sent};
use overlapped::future::block_on;
use overlapped::port::Queued;
use overlapped::routine::sleep_alertable;
use overlapped::{CompletionPort, Engine, Event, Overlapped, Socket};

use crate::harness::engine::*;
use crate::harness::pattern;

engine_rules! {
    by_events,
    by_routines,
    by_a_completion_port,
    by_futures,
}

const BYTES: usize = 1 << 20;
const PIECE: usize = 10_000;

/// Both ends belong to the engine. The client has one send and one receive in flight while the
/// server echoes piece by piece.
struct Client {
    socket: Socket,
    send: Overlapped<Sent<Vec<u8>>>,
    receive: Overlapped<Received<Vec<u8>>>,
}

impl Client {
    fn start(engine: &Engine) -> (Client, Socket) {
        let (listener, address) = listen(engine);
        let accept = listener.accept().start().unwrap();
        let socket = engine.socket(&address, &Default::default()).unwrap();
        end(socket.connect(&address).start().unwrap()).unwrap();
        let server = end(accept).unwrap().socket;
        let send = socket.send(pattern(BYTES)).start().unwrap();
        socket.shutdown(overlapped::driver::ShutdownHow::Send).start().unwrap().detach();
        let receive = socket.recv_with(Vec::with_capacity(BYTES + 1), Flags::WAIT_ALL).start().unwrap();
        (Client { socket, send, receive }, server)
    }

    /// After the server has closed: checks that every byte has come back, and no more.
    fn finish(self) {
        assert_eq!(end(self.send).unwrap().bytes, BYTES as u64);
        assert!(end(self.receive).unwrap().buf == pattern(BYTES));
        close(&self.socket);
    }
}

fn by_events(engine: &Engine) {
    let (client, server) = Client::start(engine);
    let event = Event::new();
    loop {
        let mut receive = server.recv(vec![0; PIECE]).event(&event).start().unwrap();
        assert!(event.wait(WAIT).unwrap());
        let received = receive.result(overlapped::driver::Wait::Poll).unwrap();
        if received.bytes == 0 {
            break;
        }
        let mut send = server.send(received.buf).event(&event).start().unwrap();
        assert!(event.wait(WAIT).unwrap());
        send.result(overlapped::driver::Wait::Poll).unwrap();
    }
    close(&server);
    client.finish();
}

fn by_routines(engine: &Engine) {
    fn receive(server: Rc<RefCell<Option<Socket>>>) {
        let socket = server.borrow().clone().unwrap();
        socket.recv(vec![0; PIECE]).on_complete(move |received| send(server, received.unwrap())).unwrap();
    }
    fn send(server: Rc<RefCell<Option<Socket>>>, received: Received<Vec<u8>>) {
        if received.bytes == 0 {
            server.take();
            return;
        }
        let socket = server.borrow().clone().unwrap();
        let again = move |sent: Result<Sent<Vec<u8>>, _>| {
            sent.unwrap();
            receive(server);
        };
        socket.send(received.buf).on_complete(again).unwrap();
    }
    let (client, server) = Client::start(engine);
    let server = Rc::new(RefCell::new(Some(server)));
    receive(Rc::clone(&server));
    while server.borrow().is_some() {
        assert!(sleep_alertable(WAIT).unwrap() > 0);
    }
    client.finish();
}

fn by_a_completion_port(engine: &Engine) {
    for skip in [false, true] {
        let (client, server) = Client::start(engine);
        let port = CompletionPort::new(1, 4);
        server.associate(&port, 1).unwrap();
        server.skip_packet_on_success(skip).unwrap();
        let packet = |queued| match queued {
            Queued::Done(packet) => packet,
            Queued::Pending(_) => port.get(WAIT).unwrap().unwrap(),
        };
        loop {
            let mut received = packet(server.recv(vec![0; PIECE]).to_port(0).unwrap());
            let received = received.result::<Received<Vec<u8>>>().unwrap();
            if received.bytes == 0 {
                break;
            }
            packet(server.send(received.buf).to_port(0).unwrap()).result::<Sent<Vec<u8>>>().unwrap();
        }
        close(&server);
        client.finish();
    }
}

fn by_futures(engine: &Engine) {
    let (client, server) = Client::start(engine);
    let served = block_on(async {
        let mut buffer = vec![0; PIECE];
        loop {
            let received = server.recv(buffer).await.unwrap();
            if received.bytes == 0 {
                return server.close(CloseMode::Now).await;
            }
            buffer = server.send(received.buf).await.unwrap().buf;
            buffer.resize(PIECE, 0);
        }
    });
    served.unwrap().unwrap();
    client.finish();
}
