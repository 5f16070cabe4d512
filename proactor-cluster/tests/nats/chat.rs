//! Nodes that are one chat, and what their members have heard.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use proactor::cluster::{ClusterNode, Gap};
use proactor::codec::Lines;
use proactor::{Flow, Group, Handle, Handler, NoMessage, Server, Session, ShardHandle};

use crate::broker::wait_until;

/// What a node has broadcast and was told.
#[derive(Default)]
struct Told {
    broadcast: Vec<String>,
    gaps: Vec<Gap>,
}

#[derive(Clone)]
struct Chat(Arc<Mutex<Told>>);

impl Handler for Chat {
    type State = Group;
    type Message = NoMessage;
    fn connected(&mut self, session: &Session) -> Group {
        let room = session.handle().group("the room.*>").unwrap();
        session.join(&room).unwrap();
        room
    }
    fn received(&mut self, _: &Session, room: &mut Group, line: &[u8]) -> Flow {
        // Under the lock: in the order in which it is broadcast.
        let mut told = self.0.lock().unwrap();
        told.broadcast.push(String::from_utf8(line.to_vec()).unwrap());
        room.broadcast(line).unwrap();
        Flow::Continue
    }
    fn cluster_gap(&mut self, _: &ShardHandle, _: Option<&Group>, gap: &Gap) {
        self.0.lock().unwrap().gaps.push(gap.clone());
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    pub(crate) heard: Arc<Mutex<Vec<String>>>,
    said: AtomicUsize,
}

impl Client {
    fn new(server: &Server) -> Client {
        let stream = TcpStream::connect(server.local_addrs()[0].ip().unwrap()).unwrap();
        let (heard, lines) =
            (Arc::<Mutex<Vec<String>>>::default(), BufReader::new(stream.try_clone().unwrap()).lines());
        let kept = Arc::clone(&heard);
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line)));
        Client { stream, heard, said: AtomicUsize::new(0) }
    }

    pub(crate) fn say(&self, line: &str) {
        self.said.fetch_add(1, Ordering::Relaxed);
        writeln!(&self.stream, "{line}").unwrap();
    }

    fn has_heard(&self, beginning: &str) -> bool {
        self.heard.lock().unwrap().iter().any(|line| line.starts_with(beginning))
    }
}

pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) handle: Handle,
    /// It ends with this.
    _server: Mutex<Server>,
    pub(crate) clients: Vec<Client>,
    told: Arc<Mutex<Told>>,
}

impl Node {
    pub(crate) fn start(name: &str, place: ClusterNode, clients: usize) -> Node {
        let told = Arc::default();
        let builder = Server::builder().listen("127.0.0.1:0").codec(Lines::new()).shards(2).cluster(place);
        let server = builder.start(Chat(Arc::clone(&told))).unwrap();
        let clients: Vec<Client> = (0..clients).map(|_| Client::new(&server)).collect();
        wait_until("the clients to be members", || server.handle().sessions() == clients.len());
        Node { name: name.into(), handle: server.handle(), _server: Mutex::new(server), clients, told }
    }

    pub(crate) fn gaps(&self, count: impl Fn(&Gap) -> u64) -> u64 {
        self.told.lock().unwrap().gaps.iter().map(count).sum()
    }

    pub(crate) fn unpublished(&self) -> u64 {
        self.gaps(|gap| if let Gap::Unpublished { packets } = gap { *packets } else { 0 })
    }

    pub(crate) fn interruptions(&self) -> u64 {
        self.gaps(|gap| u64::from(*gap == Gap::Interrupted))
    }

    fn missed(&self, from: &str) -> u64 {
        self.gaps(|gap| match gap {
            Gap::Missed { node, packets } if **node == *from => *packets,
            _ => 0,
        })
    }
}

/// Has each node speak until every client has heard all of them. From then on what is missing is
/// known.
pub(crate) fn meet(nodes: &[Node], word: &str) {
    let all_hear = || {
        let says = |node: &Node| format!("{word} {} ", node.name);
        let hears = |client: &Client| nodes.iter().all(|node| client.has_heard(&says(node)));
        nodes.iter().flat_map(|node| &node.clients).all(hears)
    };
    let mut number = 0;
    wait_until(&format!("every client to hear {word:?} of all nodes"), || {
        for node in nodes {
            node.clients[0].say(&format!("{word} {} {number}", node.name));
        }
        number += 1;
        std::thread::sleep(Duration::from_millis(50));
        all_hear()
    });
}

/// Checks what each client has heard since the nodes have met: all that each node broadcast, in
/// order, once; and that what is missing was told exactly. Returns how much is missing.
pub(crate) fn check(nodes: &[Node]) -> u64 {
    let mut all_missing = 0;
    for from in nodes {
        // Behind all that its other clients have said.
        let said = || from.clients.iter().map(|client| client.said.load(Ordering::Relaxed)).sum::<usize>();
        wait_until("all that was said to be broadcast", || from.told.lock().unwrap().broadcast.len() == said());
        let last = format!("done {} last", from.name);
        from.clients[0].say(&last);
        for here in nodes {
            let broadcast = || from.told.lock().unwrap().broadcast.clone();
            for client in &here.clients {
                wait_until("the last line", || client.has_heard(&last));
                let (broadcast, heard) = (broadcast(), client.heard.lock().unwrap().clone());
                let mut of_node = heard.iter().filter(|line| broadcast.contains(line)).peekable();
                let (mut missing, mut has_begun) = (0, false);
                for line in &broadcast {
                    match of_node.next_if(|next| *next == line) {
                        Some(_) => has_begun = true,
                        None if has_begun => missing += 1,
                        None => {}
                    }
                }
                let (here_name, name) = (&here.name, &from.name);
                assert_eq!(of_node.next(), None, "a client of {here_name} heard it of {name} out of order, or twice");
                assert!(here_name != name || missing == 0, "own members get all");
                wait_until("what is missing to be told", || here.missed(name) >= missing);
                assert_eq!(here.missed(name), missing, "{here_name} lacks so many of {name}");
                all_missing += missing;
            }
        }
        let stats = from.handle.cluster().unwrap();
        assert_eq!(from.unpublished(), stats.unpublished);
        let broadcast = from.told.lock().unwrap().broadcast.len() as u64;
        assert_eq!(stats.published + stats.unpublished, broadcast, "{stats:?}");
        assert_eq!(stats.invalid, 0);
    }
    all_missing
}
