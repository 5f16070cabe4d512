//! Connects to a WebSocket server that echoes, says a few things, and checks what comes back.
//!
//! ```text
//! cargo run -p proactor --features websocket --example websocket_client -- echo.example.org:80
//! /chat
//! ```

use std::io::Write;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use proactor::{
    CloseCode, CloseReason, ConnectError, Deflate, Flow, Handler, MessageKind, NoMessage, SendError, Server, Session,
    SessionId, Target, WebSocketClient,
};

/// What is said first, and the length of what is said last.
const WORDS: [&str; 3] = ["hello", "größer 😀", ""];
const LONG: usize = 300_000;

/// Says one thing after the other, each when the answer to the one before has come.
#[derive(Clone)]
struct Client {
    result: Sender<Result<(), String>>,
    long: Vec<u8>,
}

impl Client {
    fn say(&self, session: &Session, step: usize) -> Result<(), SendError> {
        match WORDS.get(step) {
            Some(word) => session.send_as(MessageKind::Text, word.as_bytes()),
            None => session.send(&self.long),
        }
    }
}

impl Handler for Client {
    /// How many answers have come.
    type State = usize;
    type Message = NoMessage;

    fn connected(&mut self, session: &Session) -> usize {
        let _ = self.say(session, 0);
        0
    }

    fn received(&mut self, session: &Session, answers: &mut usize, answer: &[u8]) -> Flow {
        let is_right = match WORDS.get(*answers) {
            Some(word) => answer == word.as_bytes() && session.packet_kind() == MessageKind::Text,
            None => answer == self.long && session.packet_kind() == MessageKind::Binary,
        };
        if !is_right {
            let _ = self.result.send(Err(format!("answer {answers} is not what was said")));
            return Flow::Close;
        }
        *answers += 1;
        if *answers <= WORDS.len() {
            return self.say(session, *answers).map_or(Flow::Close, |()| Flow::Continue);
        }
        session.close_with(CloseCode::new(4000).expect("a code of our own"), "done");
        Flow::Continue
    }

    fn connect_failed(&mut self, _: Option<&Session>, _: u64, error: &ConnectError) {
        let _ = self.result.send(Err(error.to_string()));
    }

    fn closed(&mut self, _: SessionId, answers: usize, reason: &CloseReason) {
        let result = match answers {
            answers if answers > WORDS.len() => Ok(()),
            answers => Err(format!("after {answers} answers: {reason}")),
        };
        let _ = self.result.send(result);
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [address, path] = arguments.as_slice() else {
        say("usage: websocket_client HOST:PORT PATH");
        return ExitCode::from(2);
    };
    match run(address, path) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str, path: &str) -> Result<(), Box<dyn std::error::Error>> {
    let (result, told) = channel();
    let client = Client { result, long: (0..LONG).map(|index| index as u8).collect() };
    // It listens for nobody: it only connects. What is said at once must fit into its outbox.
    let limits = proactor::Limits::new().outbox_bytes(1 << 20);
    let server = Server::builder().listen("127.0.0.1:0").shards(1).limits(limits).start(client)?;
    let websocket = WebSocketClient::new(path).protocols(["echo.v1"]).max_message(1 << 20).deflate(&Deflate::new());
    server.handle().connect(address.parse::<Target>()?.websocket(&websocket), 0)?;
    let result = told.recv()?;
    // What is left to say is said: our close frame.
    server.handle().drain(Duration::from_secs(5));
    server.wait()?;
    Ok(result?)
}

fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
