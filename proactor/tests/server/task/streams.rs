//! A session as a stream of tokio's traits.

use std::io::Write;
use std::net::Shutdown;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use proactor::codec::Lines;
use proactor::{AsyncSession, CloseReason, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{PATIENCE, connect, expect, on_each_backend, pattern, read_end, serve, wait_until};

#[test]
fn a_session_as_a_tokio_stream_carries_bytes_both_ways_at_once() {
    on_each_backend(|builder| {
        let (server, address) =
            serve(builder.limits(Limits::new().outbox_bytes(64 * 1024)), |mut session: AsyncSession| async move {
                let mut writer = session.clone();
                // Pieces that do not match the packets.
                let mut buffer = vec![0; 5000];
                loop {
                    let read = session.read(&mut buffer).await?;
                    if read == 0 {
                        AsyncWriteExt::shutdown(&mut writer).await?;
                        return Ok::<_, std::io::Error>(());
                    }
                    writer.write_all(&buffer[..read]).await?;
                }
            });
        let client = connect(address);
        let bytes = pattern(7, 8 << 20);
        thread::scope(|scope| {
            scope.spawn(|| {
                (&client).write_all(&bytes).unwrap();
                client.shutdown(Shutdown::Write).unwrap();
            });
            expect(&client, &bytes);
            read_end(&client);
        });
        drop(client);
        wait_until("every session has ended", || server.handle().sessions() == 0);
        assert_eq!(server.handle().stats().closed(CloseReason::ByPeer), 1);
    });
}

#[test]
fn an_empty_packet_is_not_the_end_of_the_stream() {
    on_each_backend(|builder| {
        let (_server, address) = serve(builder.codec(Lines::new()), |mut session: AsyncSession| async move {
            let mut all = String::new();
            session.read_to_string(&mut all).await.unwrap();
            session.send(&all).await
        });
        let mut client = connect(address);
        client.write_all(b"one\n\n").unwrap();
        // Empty packets both before the reader waits and while it waits.
        thread::sleep(Duration::from_millis(20));
        client.write_all(b"\ntwo\n\nthree\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        expect(&client, b"onetwothree\n");
    });
}

/// A reader must not take a stream that was cut for a complete one.
#[test]
fn a_stream_that_was_cut_is_an_error_for_its_reader() {
    on_each_backend(|builder| {
        let (told, tells) = mpsc::channel();
        let (_server, address) = serve(builder.codec(Lines::new().max_line(10)), move |mut session: AsyncSession| {
            let told = told.clone();
            async move {
                let mut all = String::new();
                told.send(session.read_to_string(&mut all).await.map_err(|error| error.kind())).unwrap();
            }
        });
        let mut client = connect(address);
        client.write_all(b"one\nand one that is too long\n").unwrap();
        assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), Err(std::io::ErrorKind::ConnectionAborted));
    });
}
