//! A child that is forked from a process with a server can end: it neither waits for the server's
//! threads, which it does not have, nor stops them in the parent.
//!
//! A program of its own, because it forks.
#![cfg(unix)]

mod echo;

use std::io::{Read, Write};
use std::net::TcpStream;

use proactor::Server;

use echo::Echo;

#[test]
fn a_forked_child_drops_a_server_without_a_wait_and_the_parent_serves_on() {
    let server = Server::builder().listen("127.0.0.1:0").shards(2).start(Echo).unwrap();
    let address = server.local_addrs()[0].ip().unwrap();
    // SAFETY: the child only drops the server, and ends with `_exit`.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        // SAFETY: the alarm ends a child that hangs; the parent keeps its own copy of the server.
        unsafe {
            libc::alarm(20);
            drop(std::ptr::read(&raw const server));
            libc::_exit(0);
        }
    }
    let mut status = 0;
    // SAFETY: the child is ours.
    assert_eq!((unsafe { libc::waitpid(pid, &raw mut status, 0) }, status), (pid, 0), "the child hung");
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"hello").unwrap();
    let mut echo = [0; 5];
    client.read_exact(&mut echo).unwrap();
    assert_eq!(&echo, b"hello");
}
