//! Whatever comes in goes back.

use crate::client::bytes;
use crate::server::Server;

pub(crate) fn tried(server: &Server) {
    let mut one = server.connect();
    let mut other = server.connect();
    for length in [1, 64, 1024, 16 * 1024, 100_000] {
        let (mine, yours) = (bytes(length, 1), bytes(length, 2));
        one.write(&mine);
        other.write(&yours);
        other.expect(&yours);
        one.expect(&mine);
    }
    one.write_apart(&[b"a", b"few", b"pieces"]);
    one.expect(b"afewpieces");
    // Far more than sockets hold: the server has to wait for room, and nothing may be lost or
    // change places.
    one.write_while_expecting(&bytes(32 * 1024 * 1024, 3));
    other.write(b"the other");
    server.connect().reset();
    other.expect(b"the other");
    one.write(b"the last");
    one.expect(b"the last");
    one.finish();
    for seed in 0..100 {
        let message = bytes(64, seed);
        let mut next = server.connect();
        next.write(&message);
        next.expect(&message);
        next.reset();
    }
    other.write(b"still there");
    other.expect(b"still there");
}
