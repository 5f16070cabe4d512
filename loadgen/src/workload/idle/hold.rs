//! A process that holds sessions: told over its standard input how many to add, it answers when
//! each has had its message echoed. It ends with its input.

use std::io::{self, BufRead, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::super::affinity;
use super::super::content::Content;
use super::super::echoes::{Answers, Echo, Place};
use super::super::setup::STALLED;

/// Sessions that are added, and speak, at once: as many as the accept queue of any server takes.
const BATCH: usize = 100;

/// Sessions per source address. With half of the usual port range (14,116) in use, the kernel takes
/// milliseconds to find a free port.
const FROM_ONE_ADDRESS: usize = 10_000;

#[derive(Args, Clone, Debug)]
pub struct HoldOptions {
    /// Address of the server
    #[arg(long)]
    connect: SocketAddr,
    /// Address to connect from, and after many sessions those that follow it
    #[arg(long)]
    source: Ipv4Addr,
    /// Bytes in a message
    #[arg(long)]
    size: usize,
}

pub fn run(options: &HoldOptions) -> Result<()> {
    affinity::raise_descriptor_limit()?;
    let said = Content::random(options.size, false, 1);
    let mut sessions: Vec<Session> = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("grow", count)) => grow(options, &said, &mut sessions, count.parse().context("grow")?)?,
            None if line == "echo" => sessions.chunks_mut(BATCH).try_for_each(|batch| echo(batch, &said))?,
            _ => bail!("{line} is not understood"),
        }
        writeln!(io::stdout(), "done")?;
    }
    Ok(())
}

struct Session {
    socket: TcpStream,
    number: usize,
    place: Place,
}

fn grow(options: &HoldOptions, said: &Content, sessions: &mut Vec<Session>, count: usize) -> Result<()> {
    let end = sessions.len() + count;
    while sessions.len() < end {
        let begin = sessions.len();
        for number in begin..end.min(begin + BATCH) {
            let source = Ipv4Addr::from_bits(options.source.to_bits() + (number / FROM_ONE_ADDRESS) as u32);
            let socket = connect(source, options.connect)
                .with_context(|| format!("session {number} from {source} to {}", options.connect))?;
            sessions.push(Session { socket, number, place: Place::first(said, number) });
        }
        echo(&mut sessions[begin..], said)?;
    }
    Ok(())
}

fn connect(source: Ipv4Addr, server: SocketAddr) -> Result<TcpStream> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    net::bind(&socket, &SocketAddr::from((source, 0)))?;
    net::connect(&socket, &server)?;
    // Reset when it is closed, so that no port is held by one that is long gone.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(STALLED))?;
    Ok(socket)
}

/// A message on each of them, all sent before the first echo is awaited.
fn echo(sessions: &mut [Session], said: &Content) -> Result<()> {
    for session in &mut *sessions {
        let message = session.place.say(said);
        session.socket.write_all(message).with_context(|| describe(session))?;
    }
    let mut buffer = vec![0; said.message];
    for session in sessions {
        let mut echo = Echo::default();
        while session.place.under_way() > 0 {
            let count = match session.socket.read(&mut buffer) {
                Ok(0) => bail!("server closed {}", describe(session)),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error).with_context(|| format!("no answer on {}", describe(session))),
            };
            let answers = echo.received(said, session.place, &buffer[..count]);
            session.place.answered += answers.with_context(|| describe(session))?;
        }
    }
    Ok(())
}

fn describe(session: &Session) -> String {
    format!("session {}, whose messages echoed so far are {}", session.number, session.place.answered)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, TcpListener};
    use std::thread;

    /// Echoes on so many sessions at a time, and changes the byte at this place of everything.
    fn server(change: Option<usize>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let mut socket = socket.unwrap();
                thread::spawn(move || {
                    let mut buffer = [0; 256];
                    while let Ok(count @ 1..) = socket.read(&mut buffer) {
                        if let Some(place) = change {
                            buffer[place] ^= 1;
                        }
                        socket.write_all(&buffer[..count]).unwrap();
                    }
                });
            }
        });
        address
    }

    fn options(connect: SocketAddr) -> HoldOptions {
        HoldOptions { connect, source: "127.0.0.7".parse().unwrap(), size: 40 }
    }

    #[test]
    fn sessions_are_added_and_speak_again() {
        let options = options(server(None));
        let (said, mut sessions) = (Content::random(40, false, 1), Vec::new());
        grow(&options, &said, &mut sessions, 5).unwrap();
        grow(&options, &said, &mut sessions, 3).unwrap();
        echo(&mut sessions, &said).unwrap();
        let answered: Vec<_> = sessions.iter().map(|session| session.place.answered).collect();
        assert_eq!(answered, [2; 8]);
        assert_eq!(sessions[7].socket.local_addr().unwrap().ip(), IpAddr::from(options.source));
    }

    #[test]
    fn a_wrong_byte_is_an_error() {
        let said = Content::random(40, false, 1);
        let error = format!("{:#}", grow(&options(server(Some(9))), &said, &mut Vec::new(), 2).unwrap_err());
        assert!(error.contains("session 0") && error.contains("byte 9 of 40"), "{error}");
    }
}
