//! Nodes whose users have keys, and clients that log in.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use proactor::cluster::ClusterNode;
use proactor::codec::Lines;
use proactor::{Flow, Handle, Handler, IdentifyError, IfTaken, NoMessage, Server, Session};
use proactor_cluster::Nats;

use crate::broker::PATIENCE;

/// A line is `POLICY USER`. The answer is the cluster's.
#[derive(Clone)]
struct Users;

impl Handler for Users {
    type State = ();
    type Message = NoMessage;
    fn connected(&mut self, _: &Session) {}
    fn received(&mut self, session: &Session, (): &mut (), line: &[u8]) -> Flow {
        let Some((policy, user)) = std::str::from_utf8(line).unwrap().split_once(' ') else { return Flow::Close };
        let if_taken = match policy {
            "replace" => IfTaken::Replace,
            "share" => IfTaken::Share,
            _ => IfTaken::Refuse,
        };
        if session.identify_with(user, if_taken).is_err() {
            let _ = session.send(b"taken here");
        }
        Flow::Continue
    }
    fn identified(&mut self, session: &Session, (): &mut (), _: &[u8], result: Result<(), IdentifyError>) {
        let answer = match result {
            Ok(()) => "ok",
            Err(IdentifyError::TakenElsewhere) => "taken",
            Err(IdentifyError::Unreachable) => "unreachable",
            Err(error) => panic!("{error}"),
        };
        let _ = session.send(answer.as_bytes());
    }
}

pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) address: SocketAddr,
    /// It ends with this.
    server: Mutex<Server>,
}

impl Node {
    pub(crate) fn start(place: ClusterNode) -> Node {
        let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(2).cluster(place);
        let server = builder.start(Users).unwrap();
        let address = server.local_addrs()[0].ip().unwrap();
        Node { handle: server.handle(), address, server: Mutex::new(server) }
    }

    /// Ends in order, as a program does before it exits.
    pub(crate) fn end(self) {
        let server = self.server.into_inner().unwrap();
        server.handle().stop();
        server.wait().unwrap();
    }

    pub(crate) fn join(url: &str, name: &str, lease: Duration) -> Node {
        Node::start(Nats::new(url).node(name).directory(1).connect().unwrap().lease(lease))
    }
}

pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Client(BufReader::new(stream))
    }

    /// Logs in once. Returns the client and the answer.
    pub(crate) fn try_log_in(address: SocketAddr, line: &str) -> (Client, String) {
        let mut client = Client::new(address);
        client.say(line);
        let answer = client.line();
        (client, answer)
    }

    /// Logs in. On a busy machine, and while the lease of a node that is away ends, the answer may
    /// take longer than one login waits, which is then told to try again.
    pub(crate) fn log_in(address: SocketAddr, line: &str) -> (Client, String) {
        let until = Instant::now() + PATIENCE;
        let (mut client, mut answer) = Client::try_log_in(address, line);
        // The one before may not have left yet.
        let mut is_again = false;
        while answer == "unreachable" || (is_again && answer == "taken here") {
            assert!(Instant::now() < until, "{line}: {answer}");
            drop(client);
            (client, answer) = Client::try_log_in(address, line);
            is_again = true;
        }
        (client, answer)
    }

    /// Logs in while the node that has the user is away, whose lease ends first.
    pub(crate) fn take_over(address: SocketAddr, line: &str) -> Client {
        let (client, answer) = Client::log_in(address, line);
        assert_eq!(answer, "ok");
        client
    }

    pub(crate) fn say(&mut self, line: &str) {
        writeln!(self.0.get_mut(), "{line}").unwrap();
    }

    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// Waits until the server ends the connection.
    pub(crate) fn expect_end(mut self) {
        let mut rest = Vec::new();
        // A reset is an end too.
        if self.0.read_to_end(&mut rest).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            panic!("the connection was not ended in {PATIENCE:?}");
        }
    }

    /// Whether the server has not ended the connection.
    pub(crate) fn is_open(&self) -> bool {
        let stream = self.0.get_ref();
        stream.set_nonblocking(true).unwrap();
        let peeked = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        peeked.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
    }
}
