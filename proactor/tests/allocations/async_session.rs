//! How much memory an idle session with a task takes, with its task and future. Counted are the
//! bytes that its shard's thread holds.

use std::io::{Read, Write};
use std::net::TcpStream;

use proactor::{AsyncSession, Server};

use crate::counting::bytes_held;
use crate::open_files::raise_open_files;
use crate::{backends, builder, connect};

const FEW: usize = 500;
const MANY: usize = 2_000;

/// Answers every packet with the bytes that its shard holds.
async fn answer(session: AsyncSession) {
    while session.next_with(|_| session.try_send(bytes_held().to_be_bytes())).await.is_some() {}
}

fn held_by_the_shard(stream: &mut TcpStream) -> i64 {
    let mut held = [0; 8];
    stream.write_all(b"how many bytes?").unwrap();
    stream.read_exact(&mut held).unwrap();
    i64::from_be_bytes(held)
}

fn bytes_a_session<M>(server: &Server<M>) -> i64 {
    let mut streams: Vec<TcpStream> = Vec::new();
    let mut grow = |sessions: usize| {
        while streams.len() < sessions {
            let mut stream = connect(server);
            held_by_the_shard(&mut stream);
            streams.push(stream);
        }
        held_by_the_shard(streams.last_mut().unwrap())
    };
    let before = grow(FEW);
    let after = grow(MANY);
    (after - before) / (MANY - FEW) as i64
}

#[test]
fn an_idle_async_session_takes_at_most_1152_bytes() {
    // Both ends of the sessions, and some thousand files of the tests beside this one.
    if raise_open_files() < 2 * MANY + 10_000 {
        eprintln!("skipped: the limit of open files is too low");
        return;
    }
    for backend in backends() {
        let server = builder(backend).serve(answer).unwrap();
        let bytes = bytes_a_session(&server);
        assert!((300..=1152).contains(&bytes), "{backend}: {bytes} bytes a session with a task");
    }
}
