//! The network's rules, as drivers on it observe them.

use std::time::Duration;

use crate::buf::*;
use crate::driver::*;
use crate::error::*;
use crate::future::block_on;
use crate::options::*;
use crate::report::*;
use crate::sim::*;
use crate::time::*;
use crate::{Address, Engine, Event};

/// A driver on a network, and completions that came while a test waited for others.
struct Host {
    driver: Driver,
    seen: Vec<Completion>,
}

impl Host {
    fn on(network: &Network) -> Host {
        let config = DriverConfig::new().network(network.clone());
        Host { driver: Driver::new(config).unwrap(), seen: Vec::new() }
    }

    fn submit(&mut self, op: Op) -> OpId {
        self.driver.submit(op, 0).unwrap()
    }

    fn turn(&mut self, wait: Wait) -> Result<(), Error> {
        let turned = self.driver.turn(wait);
        while let Some(completion) = self.driver.next() {
            self.seen.push(completion);
        }
        turned
    }

    /// Turns until nothing more can happen; gives the error that says so.
    fn run_dry(&mut self) -> ErrorKind {
        loop {
            if let Err(error) = self.turn(Wait::Forever) {
                return error.kind();
            }
        }
    }

    /// The next completion of an operation, which has to come.
    fn next_of(&mut self, id: OpId) -> Completion {
        loop {
            if let Some(at) = self.seen.iter().position(|completion| completion.id == id) {
                return self.seen.remove(at);
            }
            self.turn(Wait::Forever).expect("the operation never ended");
        }
    }

    fn outcome_of(&mut self, id: OpId) -> Result<Outcome, Error> {
        let completion = self.next_of(id);
        assert!(!completion.more);
        completion.result
    }

    fn kind_of(&mut self, id: OpId) -> ErrorKind {
        self.outcome_of(id).expect_err("a failure").kind()
    }

    /// Everything received up to the end of the stream, and the error that ended it if it did not
    /// end in order.
    fn read_to_end(&mut self, socket: SocketId) -> (Vec<u8>, Option<ErrorKind>) {
        let mut all = Vec::new();
        loop {
            let receive = self.submit(Op::recv(socket, vec![0u8; 10_000]));
            let completion = self.next_of(receive);
            match completion.result {
                Ok(Outcome::Received(0)) => return (all, None),
                Ok(_) => all.extend(completion.buf.unwrap().take::<Vec<u8>>().unwrap()),
                Err(error) => return (all, Some(error.kind())),
            }
        }
    }

    /// A listener, and two ends of a connection to it: the one that connected, and the one that was
    /// accepted.
    fn pair(&mut self) -> (SocketId, SocketId, SocketId) {
        let listener = self.driver.listen("127.0.0.1:0", &ListenOptions::new()).unwrap();
        let (client, server) = self.connect(listener);
        (listener, client, server)
    }

    fn connect(&mut self, listener: SocketId) -> (SocketId, SocketId) {
        let address = self.driver.local_addr(listener).unwrap();
        let accept = self.submit(Op::accept(listener));
        let client = self.driver.socket(&address).unwrap();
        let connect = self.submit(Op::connect(client, &address));
        assert!(matches!(self.outcome_of(connect), Ok(Outcome::Connected)));
        let Ok(Outcome::Accepted(stream, peer)) = self.outcome_of(accept) else { panic!("not accepted") };
        assert_eq!(self.driver.local_addr(client).unwrap(), peer);
        assert_eq!(self.driver.peer_addr(client).unwrap(), address);
        (client, self.driver.adopt(stream).unwrap())
    }

    fn close(&mut self, socket: SocketId, mode: CloseMode) {
        let close = self.submit(Op::close(socket, mode));
        assert!(matches!(self.outcome_of(close), Ok(Outcome::Closed)));
    }

    /// Checks that nothing is left, here or on the network. This is its only host.
    fn finish(mut self, network: &Network) {
        self.seen.clear();
        assert_eq!(self.driver.live(), Live::default());
        while network.advance() {}
        let state = network.lock();
        assert!(state.sockets.is_empty(), "{:?}", state.sockets);
        assert!(state.clients.is_empty() && state.listeners.is_empty());
    }
}

const _: fn() = || {
    fn goes_anywhere<T: Send + Sync>() {}
    goes_anywhere::<Network>();
};

fn pattern(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn every_byte_arrives_in_order_past_bounded_buffers() {
    for seed in 0..20 {
        let network = Network::new(seed);
        let mut host = Host::on(&network);
        assert_eq!(host.driver.report().backend, Backend::Sim);
        let (listener, client, server) = host.pair();
        let bytes = pattern(1_000_000);
        let send = host.submit(Op::send(client, bytes.clone()));
        let end = host.submit(Op::shutdown(client, ShutdownHow::Send));
        // Both buffers are full, and nobody receives.
        assert_eq!(host.run_dry(), ErrorKind::WouldDeadlock);
        assert!(network.lock().sockets.len() >= 3 && host.driver.live().operations == 2);
        assert_eq!(host.read_to_end(server), (bytes, None), "seed {seed}");
        assert!(matches!(host.outcome_of(send), Ok(Outcome::Sent(1_000_000))));
        assert!(matches!(host.outcome_of(end), Ok(Outcome::ShutDown)));
        host.close(server, CloseMode::Now);
        host.close(client, CloseMode::Now);
        host.close(listener, CloseMode::Now);
        host.finish(&network);
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let network = Network::new(seed);
        let mut host = Host::on(&network);
        let (listener, client, server) = host.pair();
        let mut order = vec![host.driver.random()];
        let send = host.submit(Op::send(client, pattern(100_000)));
        host.submit(Op::send(server, pattern(50_000)));
        host.submit(Op::timer(network.now() + Duration::from_millis(2)));
        host.submit(Op::recv_multi(server));
        host.submit(Op::recv(client, vec![0u8; 20_000]));
        host.outcome_of(send).unwrap();
        host.submit(Op::close(client, CloseMode::Now));
        host.submit(Op::close(server, CloseMode::Now));
        host.submit(Op::close(listener, CloseMode::Now));
        host.run_dry();
        order.extend(host.seen.iter().map(|completion| u64::from(completion.id.slot())));
        (order, network.now(), network.trace())
    };
    let first = run(7);
    let other = run(8);
    assert_eq!(first, run(7));
    assert_eq!(first, std::thread::spawn(move || run(7)).join().unwrap(), "on another thread");
    assert_ne!((&first.0, first.1, first.2), (&other.0, other.1, other.2));
    assert_ne!(first.2, other.2);
}

#[test]
fn completions_due_at_one_moment_come_in_an_order_of_the_seed() {
    let orders: std::collections::BTreeSet<Vec<u64>> = (0..30)
        .map(|seed| {
            let mut host = Host::on(&Network::new(seed));
            let sockets: Vec<SocketId> =
                (0..3).map(|_| host.driver.socket(std::net::SocketAddr::from(([127, 0, 0, 1], 1))).unwrap()).collect();
            for (token, socket) in sockets.into_iter().enumerate() {
                host.driver.submit(Op::close(socket, CloseMode::Now), token as u64).unwrap();
            }
            host.turn(Wait::Poll).unwrap();
            host.seen.iter().map(|completion| completion.token).collect()
        })
        .collect();
    assert_eq!(orders.len(), 6, "every order of three: {orders:?}");
}

#[test]
fn the_clock_moves_to_what_happens_next_and_never_in_a_poll() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let at = Time::from_nanos(5_000_000_000);
    let timer = host.submit(Op::timer(at));
    host.turn(Wait::Poll).unwrap();
    assert_eq!((network.now(), host.driver.now()), (Time::ZERO, Time::ZERO));
    host.turn(Wait::For(Duration::from_secs(1))).unwrap();
    assert_eq!(network.now(), Time::from_nanos(1_000_000_000), "nothing came, the wait is over");
    assert!(matches!(host.outcome_of(timer), Ok(Outcome::Elapsed)));
    assert_eq!(network.now(), at);

    // Another host's timer counts for `advance`. For this host nothing is to come.
    let mut other = Host::on(&network);
    other.submit(Op::timer(at + Duration::from_secs(1)));
    other.turn(Wait::Poll).unwrap();
    assert!(!network.advance_to(at));
    assert!(network.advance_to(at + Duration::from_millis(1)));
    assert!(network.advance());
    assert_eq!(network.now(), at + Duration::from_secs(1));
    assert!(!network.advance(), "its moment has come, whether it has taken note or not");
    let error = host.driver.turn(Wait::Forever).unwrap_err();
    assert_eq!((error.kind(), error.action()), (ErrorKind::WouldDeadlock, Action::Turn));
}

#[test]
fn a_driver_that_was_woken_returns() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    host.driver.wake_handle().wake();
    host.turn(Wait::Forever).unwrap();
    assert_eq!(host.turn(Wait::Forever).unwrap_err().kind(), ErrorKind::WouldDeadlock, "one wait for one wake-up");
    let wake = host.driver.wake_handle();
    std::thread::spawn(move || wake.wake()).join().unwrap();
    host.turn(Wait::For(Duration::from_secs(1))).unwrap();
    assert_eq!(network.now(), Time::ZERO);
}

#[test]
fn addresses_are_taken_once_and_given_back() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let options = ListenOptions::new();
    let kind = |result: Result<SocketId, Error>| result.unwrap_err().kind();
    let first = host.driver.listen("127.0.0.1:0", &options).unwrap();
    let address = host.driver.local_addr(first).unwrap().ip().unwrap();
    assert_ne!(address.port(), 0);
    assert_eq!(kind(host.driver.listen(address, &options)), ErrorKind::InUse);
    assert_eq!(kind(host.driver.listen(format!("0.0.0.0:{}", address.port()).as_str(), &options)), ErrorKind::InUse);
    let v6 = format!("[::]:{}", address.port());
    let both = options.clone().only_v6(false);
    assert_eq!(kind(host.driver.listen(v6.as_str(), &both)), ErrorKind::InUse);
    let v6 = host.driver.listen(v6.as_str(), &options).unwrap();
    let elsewhere = host.driver.listen(format!("10.1.2.3:{}", address.port()).as_str(), &options).unwrap();
    let error = host.driver.listen("203.0.113.1:80", &options).unwrap_err();
    assert_eq!(
        (error.kind(), error.address()),
        (ErrorKind::AddressNotAvailable, Some(&"203.0.113.1:80".parse().unwrap()))
    );
    assert_eq!(kind(host.driver.listen("unix:/nowhere", &options)), ErrorKind::Unsupported);
    for listener in [first, v6, elsewhere] {
        host.close(listener, CloseMode::Now);
    }
    let again = host.driver.listen(address, &options).unwrap();
    host.close(again, CloseMode::Now);
    host.finish(&network);
}

#[test]
fn a_listener_on_all_addresses_is_reached_by_each() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let both = ListenOptions::new().only_v6(false);
    let listener = host.driver.listen("[::]:7777", &both).unwrap();
    for address in ["127.0.0.1:7777", "10.9.8.7:7777", "[::1]:7777", "0.0.0.0:7777"] {
        let address: Address = address.parse().unwrap();
        let client = host.driver.socket(&address).unwrap();
        let connect = host.submit(Op::connect(client, &address));
        assert!(matches!(host.outcome_of(connect), Ok(Outcome::Connected)), "{address}");
        assert_eq!(host.driver.peer_addr(client).unwrap().ip().unwrap().port(), 7777);
    }
    // They are not accepted, and are reset with their listener.
    host.close(listener, CloseMode::Now);
}

#[test]
fn connecting_without_a_listener_is_refused_and_to_a_reserved_address_times_out() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let nobody: Address = "127.0.0.1:9".parse().unwrap();
    let client = host.driver.socket(&nobody).unwrap();
    let connect = host.submit(Op::connect(client, &nobody));
    assert_eq!(host.kind_of(connect), ErrorKind::Refused);
    let send = host.submit(Op::send(client, b"to nobody"));
    assert_eq!(host.kind_of(send), ErrorKind::NotConnected);
    let receive = host.submit(Op::recv(client, vec![0u8; 8]));
    assert_eq!(host.kind_of(receive), ErrorKind::NotConnected);
    host.close(client, CloseMode::Now);

    let nowhere: Address = "203.0.113.1:9".parse().unwrap();
    let client = host.driver.socket(&nowhere).unwrap();
    let before = network.now();
    let connect = host.submit(Op::connect(client, &nowhere));
    assert_eq!(host.kind_of(connect), ErrorKind::TimedOut);
    assert!(network.now() - before > Duration::from_secs(10));
    let connect = host.submit(Op::connect(client, &nowhere));
    host.turn(Wait::For(Duration::from_secs(2))).unwrap();
    assert!(host.driver.cancel(connect));
    assert_eq!(host.kind_of(connect), ErrorKind::Cancelled);
    host.close(client, CloseMode::Now);
    host.finish(&network);
}

#[test]
fn a_full_backlog_holds_connections_up() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let options = ListenOptions::new().backlog(2);
    let listener = host.driver.listen("127.0.0.1:0", &options).unwrap();
    let address = host.driver.local_addr(listener).unwrap();
    let mut connects: Vec<OpId> = (0..3)
        .map(|_| {
            let client = host.driver.socket(&address).unwrap();
            host.submit(Op::connect(client, &address))
        })
        .collect();
    host.turn(Wait::For(Duration::from_millis(500))).unwrap();
    host.turn(Wait::For(Duration::from_millis(500))).unwrap();
    connects.retain(|connect| !host.seen.iter().any(|completion| completion.id == *connect));
    assert_eq!(connects.len(), 1, "one waits");
    let accept = host.submit(Op::accept(listener));
    assert!(matches!(host.outcome_of(accept), Ok(Outcome::Accepted(..))));
    assert!(matches!(host.outcome_of(connects[0]), Ok(Outcome::Connected)));
    assert!(network.now() > Time::from_nanos(900_000_000), "it asked again after a second");
}

#[test]
fn closing_with_unread_input_resets_and_the_peer_loses_bytes_on_their_way() {
    let mut lost = 0;
    for seed in 0..20 {
        let network = Network::new(seed);
        let mut host = Host::on(&network);
        let (listener, client, server) = host.pair();
        let send = host.submit(Op::send(client, b"never read"));
        host.outcome_of(send).unwrap();
        let arrived = network.now() + Duration::from_millis(1);
        while network.advance_to(arrived) {}
        let answer = pattern(120_000);
        let send = host.submit(Op::send(server, answer.clone()));
        host.outcome_of(send).unwrap();
        host.close(server, CloseMode::Now);
        let (received, error) = host.read_to_end(client);
        assert_eq!(error, Some(ErrorKind::Reset), "seed {seed}");
        assert!(answer.starts_with(&received));
        lost += usize::from(received.len() < answer.len());
        let send = host.submit(Op::send(client, b"any more?"));
        assert_eq!(host.kind_of(send), ErrorKind::Reset);
        host.close(client, CloseMode::Now);
        host.close(listener, CloseMode::Now);
        host.finish(&network);
    }
    assert!(lost > 0, "something was lost under some seed");
}

#[test]
fn closing_in_order_loses_nothing_and_later_bytes_are_answered_with_a_reset() {
    for seed in 0..20 {
        let network = Network::new(seed);
        let mut host = Host::on(&network);
        let (listener, client, server) = host.pair();
        let answer = pattern(100_000);
        let send = host.submit(Op::send(server, answer.clone()));
        host.outcome_of(send).unwrap();
        host.close(server, CloseMode::Now);
        assert_eq!(host.read_to_end(client), (answer, None), "seed {seed}");
        let send = host.submit(Op::send(client, b"too late"));
        assert!(matches!(host.outcome_of(send), Ok(Outcome::Sent(8))), "it does not know yet");
        host.run_dry();
        let send = host.submit(Op::send(client, b"too late"));
        assert_eq!(host.kind_of(send), ErrorKind::Reset);
        host.close(client, CloseMode::Now);
        host.close(listener, CloseMode::Now);
        host.finish(&network);
    }
}

#[test]
fn a_half_closed_stream_goes_on_the_other_way() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let (listener, client, server) = host.pair();
    let shut = host.submit(Op::shutdown(client, ShutdownHow::Send));
    host.outcome_of(shut).unwrap();
    assert_eq!(host.read_to_end(server), (vec![], None));
    let send = host.submit(Op::send(server, pattern(10_000)));
    host.outcome_of(send).unwrap();
    let send = host.submit(Op::send(client, b"after the end"));
    assert_eq!(host.kind_of(send), ErrorKind::ShutDown);
    let linger = Duration::from_secs(5);
    let close = host.submit(Op::close(server, CloseMode::Graceful { linger }));
    assert_eq!(host.read_to_end(client), (pattern(10_000), None));
    assert!(matches!(host.outcome_of(close), Ok(Outcome::Closed)));
    host.close(client, CloseMode::Now);
    host.close(listener, CloseMode::Now);
    host.finish(&network);
}

#[test]
fn peeks_readiness_and_out_of_band_data() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let (_, client, server) = host.pair();
    let ready = host.submit(Op::recv(server, vec![0u8; 0]));
    host.turn(Wait::Poll).unwrap();
    assert!(host.seen.is_empty(), "nothing is there to be received");
    host.submit(Op::send(client, b"seen twice"));
    assert!(matches!(host.outcome_of(ready), Ok(Outcome::Received(0))));
    let peek = host.submit(Op::recv_with(server, vec![0u8; 64], Flags::PEEK));
    assert_eq!(host.next_of(peek).buf.unwrap().take::<Vec<u8>>().unwrap(), b"seen twice");
    let all = host.submit(Op::recv_with(server, vec![0u8; 10], Flags::WAIT_ALL));
    assert_eq!(host.next_of(all).buf.unwrap().take::<Vec<u8>>().unwrap(), b"seen twice");
    let send = host.submit(Op::send_with(client, b"!", Flags::OUT_OF_BAND));
    assert_eq!(host.kind_of(send), ErrorKind::Unsupported);
    let receive = host.submit(Op::recv_with(server, vec![0u8; 1], Flags::OUT_OF_BAND));
    assert_eq!(host.kind_of(receive), ErrorKind::Unsupported);
}

#[test]
fn without_short_transfers_a_send_arrives_in_one_receive() {
    let config = NetworkConfig::new().short_sends(0).short_receives(0).early_ends(0);
    for seed in 0..20 {
        let network = Network::with_config(seed, config.clone());
        let mut host = Host::on(&network);
        let (_, client, server) = host.pair();
        let receive = host.submit(Op::recv(server, vec![0u8; 20_000]));
        host.submit(Op::send(client, pattern(10_000)));
        assert_eq!(host.next_of(receive).buf.unwrap().take::<Vec<u8>>().unwrap(), pattern(10_000));
    }
}

#[test]
fn a_pool_that_is_empty_holds_a_stream_up_and_loses_nothing() {
    let network = Network::new(3);
    let pool = PoolConfig::new().buffers(2).buffer_bytes(64);
    let config = DriverConfig::new().network(network.clone()).pool(pool);
    let mut host = Host { driver: Driver::new(config).unwrap(), seen: Vec::new() };
    let (_, client, server) = host.pair();
    host.submit(Op::send(client, pattern(1_000)));
    let receive = host.submit(Op::recv_multi(server));
    assert_eq!(host.run_dry(), ErrorKind::WouldDeadlock);
    assert_eq!(host.driver.live().packets, 2);
    let mut all = Vec::new();
    while all.len() < 1_000 {
        let completion = host.next_of(receive);
        assert!(completion.more);
        let Ok(Outcome::Packet(packet)) = completion.result else { panic!("{completion:?}") };
        all.extend_from_slice(&packet);
    }
    assert_eq!(all, pattern(1_000));
}

#[test]
fn simulated_and_real_do_not_mix() {
    let network = Network::new(1);
    let mut host = Host::on(&network);
    let (_, _, server) = host.pair();
    let stream = host.driver.release(server).unwrap();
    let refused = Driver::new(DriverConfig::new()).unwrap().adopt(stream).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    let refused = Host::on(&Network::new(1)).driver.adopt(refused.given).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument, "another network");
    let mut other_host = Host::on(&network);
    let socket = other_host.driver.adopt(refused.given).unwrap();
    let stream = other_host.driver.release(socket).unwrap();
    assert_eq!(std::net::TcpStream::try_from(stream).unwrap_err().kind(), ErrorKind::InvalidArgument);

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let real = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let refused = host.driver.adopt(real.into()).unwrap_err();
    assert_eq!(refused.error.kind(), ErrorKind::InvalidArgument);
    std::net::TcpStream::try_from(refused.given).unwrap();
}

#[test]
fn a_network_is_for_the_simulated_backend_and_a_thread_that_waits() {
    let kind = |config| Driver::new(config).unwrap_err().kind();
    let none = DriverConfig::new().backend(Backend::Sim);
    assert_eq!(kind(none), ErrorKind::InvalidArgument);
    let network = Network::new(1);
    let other = DriverConfig::new().backend(Backend::Uring).network(network.clone());
    assert_eq!(kind(other), ErrorKind::InvalidArgument);
    let error = Engine::builder().network(&network).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);

    let engine = Engine::builder().network(&network).local().unwrap();
    assert_eq!((engine.report().backend, engine.now()), (Backend::Sim, Time::ZERO));
    let slept = block_on(async { engine.sleep(Duration::from_secs(3600)).await }).unwrap();
    slept.unwrap();
    assert_eq!(engine.now(), Time::from_nanos(3_600_000_000_000));
    let event = Event::new();
    assert_eq!(event.wait(Wait::For(Duration::from_secs(60))).ok(), Some(false));
    assert_eq!(network.now(), Time::from_nanos(3_660_000_000_000));
    assert_eq!(event.wait(Wait::Forever).unwrap_err().kind(), ErrorKind::WouldDeadlock);
}
