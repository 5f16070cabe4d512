//! A client of any transport, over a real connection.

use std::io::{Read, Write};
use std::net::SocketAddr;

use proactor::codec::{LengthPrefixed, Lines};
use proactor::tls::Tls;
use proactor::{Builder, Listener, Server, WebSocket};

use crate::frames::{ACCEPTED, BINARY, LAST, REQUEST, TEXT, sent};
use crate::harness::{backends, connect};
use crate::peers::Authority;

/// How a member's packets lie in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Prefixed,
    Lines,
    Binary,
    Text,
}

/// Each form plain, then each over TLS: the listeners of [`listening`], in their order.
pub(crate) const FORMS: [Form; 4] = [Form::Prefixed, Form::Lines, Form::Binary, Form::Text];

/// The longest packet, as the listeners have it.
pub(crate) const MOST: usize = 1 << 20;

/// A listener for each form, plain and over TLS.
pub(crate) fn listening(builder: Builder, tls: &Tls) -> Builder {
    let listener = |form, is_over_tls| {
        let listener = Listener::new("127.0.0.1:0");
        let listener = match form {
            Form::Prefixed => listener.codec(LengthPrefixed::u32().max_packet(MOST)),
            Form::Lines => listener.codec(Lines::new().max_line(MOST)),
            Form::Binary => listener.websocket(WebSocket::new().max_message(MOST)),
            Form::Text => listener.websocket(WebSocket::new().max_message(MOST).text()),
        };
        if is_over_tls { listener.tls(tls) } else { listener }
    };
    let all = FORMS.map(|form| (form, false)).into_iter().chain(FORMS.map(|form| (form, true)));
    all.fold(builder, |builder, (form, is_over_tls)| builder.listen(listener(form, is_over_tls)))
}

/// Runs a test on each backend, with one shard and with two.
pub(crate) fn on_each_backend(test: impl Fn(Builder)) {
    for backend in backends() {
        for shards in [1, 2] {
            test(Server::builder().shards(shards).backend(Some(backend)));
        }
    }
}

/// Something that bytes can be read from and written to.
pub(crate) trait Stream: Read + Write + Send {}
impl<S: Read + Write + Send> Stream for S {}

pub(crate) struct Member {
    pub(crate) name: String,
    form: Form,
    stream: Box<dyn Stream>,
    /// What has come and was not asked for, from `used` on.
    came: Vec<u8>,
    used: usize,
    /// Of one read. It stays: to make one takes a build without optimization a long time.
    buffer: Vec<u8>,
}

impl Member {
    /// Connects at a listener of [`listening`], by its index, and is accepted.
    pub(crate) fn new<M: Send + 'static>(server: &Server<M>, index: usize, authority: &Authority) -> Member {
        let address: SocketAddr = server.local_addrs()[index].ip().unwrap();
        let (form, is_over_tls) = (FORMS[index % FORMS.len()], index >= FORMS.len());
        let stream: Box<dyn Stream> =
            if is_over_tls { Box::new(authority.peer().connect(address).0) } else { Box::new(connect(address)) };
        let name = format!("{form:?}{}", if is_over_tls { " over TLS" } else { "" });
        let mut member = Member { name, form, stream, came: Vec::new(), used: 0, buffer: vec![0; 64 * 1024] };
        match form {
            Form::Prefixed | Form::Lines => member.stream.flush().unwrap(),
            Form::Binary | Form::Text => {
                member.write(REQUEST.as_bytes());
                assert_eq!(String::from_utf8(member.bytes(ACCEPTED.len())).unwrap(), ACCEPTED);
            }
        }
        member
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    /// Waits for more bytes.
    #[track_caller]
    fn read(&mut self) {
        self.came.drain(..std::mem::take(&mut self.used));
        match self.stream.read(&mut self.buffer) {
            Ok(0) => panic!("{}: the stream has ended", self.name),
            Ok(count) => self.came.extend_from_slice(&self.buffer[..count]),
            Err(error) => panic!("{}: {error}", self.name),
        }
    }

    #[track_caller]
    fn bytes(&mut self, count: usize) -> Vec<u8> {
        while self.came.len() - self.used < count {
            self.read();
        }
        self.used += count;
        self.came[self.used - count..self.used].to_vec()
    }

    pub(crate) fn say(&mut self, packet: &[u8]) {
        let framed = match self.form {
            Form::Prefixed => [&(packet.len() as u32).to_be_bytes()[..], packet].concat(),
            Form::Lines => [packet, b"\n"].concat(),
            Form::Binary => sent(BINARY, packet),
            Form::Text => sent(TEXT, packet),
        };
        self.write(&framed);
    }

    /// The next packet, in exactly this form.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Vec<u8> {
        match self.form {
            Form::Prefixed => {
                let len = self.bytes(4);
                self.bytes(u32::from_be_bytes(len.try_into().unwrap()) as usize)
            }
            Form::Lines => {
                let mut searched = 0;
                loop {
                    let rest = &self.came[self.used + searched..];
                    if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                        let mut line = self.bytes(searched + end + 1);
                        line.pop();
                        return line;
                    }
                    searched += rest.len();
                    self.read();
                }
            }
            Form::Binary | Form::Text => {
                let kind = if self.form == Form::Text { TEXT } else { BINARY };
                let [first, second] = self.bytes(2)[..] else { unreachable!("two bytes") };
                assert_eq!(first, LAST | kind, "{}", self.name);
                let len = match second {
                    126 => u16::from_be_bytes(self.bytes(2).try_into().unwrap()).into(),
                    127 => u64::from_be_bytes(self.bytes(8).try_into().unwrap()) as usize,
                    short => short.into(),
                };
                self.bytes(len)
            }
        }
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, packet: &[u8]) {
        let came = self.next();
        assert!(came == packet, "{}: {} instead of {}", self.name, came.escape_ascii(), packet.escape_ascii());
    }
}
