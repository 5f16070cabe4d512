//! Each packet is answered with the same packet.

use crate::client::packet;
use crate::server::Server;

pub(crate) fn tried(server: &Server) {
    let mut one = server.connect();
    let mut other = server.connect();
    for length in [0, 1, 64, 1000, 16 * 1024, 60_000] {
        let (mine, yours) = (packet(length, 1), packet(length, 2));
        one.write(&mine);
        other.write(&yours);
        other.expect(&yours);
        one.expect(&mine);
    }
    let first = packet(64, 3);
    one.write_apart(&[&first[..2], &first[2..4], &first[4..30], &first[30..]]);
    one.expect(&first);
    let burst: Vec<u8> = (0..100).flat_map(|seed| packet(64, seed)).collect();
    one.write(&burst);
    one.expect(&burst);
    // The last packet ends in a second write, together with the whole of another.
    let three = [packet(64, 4), packet(300, 5), packet(64, 6)].concat();
    one.write_apart(&[&three[..200], &three[200..]]);
    one.expect(&three);
    let many: Vec<u8> = (0..20_000).flat_map(|seed| packet(seed as usize % 700, seed)).collect();
    one.write_while_expecting(&many);
    server.connect().reset();
    other.write(&burst);
    other.expect(&burst);
    one.finish();
}
