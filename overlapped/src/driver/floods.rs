//! Peers that send more than their share of a turn. If there are many, each turn reads only some of
//! them. What these bring and what the program sends of it is then still in the processor's cache
//! when it is needed.

use crate::sys::op::OpKind;

use super::Driver;
use super::operations::Stage;

/// What ends with a packet of so many bytes is a share of a turn. Other reasons for which the
/// system ends a multishot receive do not matter here.
pub(super) const FLOOD_BYTES: usize = 8192;

/// So many are read again in a turn. With the usual share that is 256 KiB.
const AT_ONCE: usize = 4;

impl Driver {
    /// A multishot receive has brought its share of a turn. It goes on when its turn has come.
    pub(super) fn put_off(&mut self, slot: u32) {
        debug_assert!(self.operations[slot].kind == OpKind::RecvMulti);
        self.operations[slot].stage = Stage::Parked;
        // Forgets those that were cancelled, as for the starved.
        if self.floods.len() >= 2 * self.operations.len() {
            let operations = &self.operations;
            self.floods.retain(|id| operations.get(*id).is_some_and(|operation| operation.stage == Stage::Parked));
        }
        self.floods.push_back(self.operations.id(slot));
    }

    /// Goes on with those whose turn has come.
    pub(super) fn read_floods(&mut self) {
        let mut begun = 0;
        while begun < AT_ONCE
            && let Some(id) = self.floods.pop_front()
        {
            if self.operations.get(id).is_some_and(|operation| operation.stage == Stage::Parked) {
                self.begin(id.slot());
                begun += 1;
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;
    use crate::driver::{DriverConfig, Wait};
    use crate::id::OpId;
    use crate::report::Backend;
    use crate::sys::op::Outcome;
    use crate::{ErrorKind, Op};

    const PEERS: usize = 12;
    /// The usual one, and as much as a buffer.
    const SHARE: usize = 64 * 1024;
    const SHARES: usize = 2;

    /// A driver that reads from peers, and the peers, which have sent some shares each. `None` if
    /// `PROACTOR_TEST_WITHOUT` says that io_uring is refused here.
    fn flooded() -> Option<(Driver, Vec<OpId>, Vec<TcpStream>)> {
        let config = DriverConfig::new().backend(Backend::Uring).turn_bytes(SHARE as u32);
        let mut driver = match Driver::new(config) {
            Ok(driver) => driver,
            Err(error) => {
                let without = std::env::var("PROACTOR_TEST_WITHOUT").unwrap_or_default();
                assert!(without.contains("uring"), "PROACTOR_TEST_WITHOUT does not name io_uring, but {error}");
                return None;
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (mut receives, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..PEERS {
            let mut peer = TcpStream::connect(address).unwrap();
            peer.write_all(&[7; SHARES * SHARE]).unwrap();
            let socket = driver.adopt(listener.accept().unwrap().0.into()).unwrap();
            receives.push(driver.submit(Op::recv_multi(socket), 0).unwrap());
            peers.push(peer);
        }
        Some((driver, receives, peers))
    }

    /// The bytes of a turn, and the operations that have ended.
    fn turn(driver: &mut Driver) -> (usize, Vec<OpId>) {
        driver.turn(Wait::For(Duration::from_millis(100))).unwrap();
        let (mut bytes, mut ended) = (0, Vec::new());
        while let Some(completion) = driver.next() {
            match completion.result {
                Ok(Outcome::Packet(packet)) => bytes += packet.len(),
                Err(error) if error.kind() == ErrorKind::Cancelled => ended.push(completion.id),
                other => panic!("{other:?}"),
            }
        }
        (bytes, ended)
    }

    #[test]
    fn a_turn_reads_some_of_many_and_all_in_the_end() {
        let Some((mut driver, _, mut peers)) = flooded() else { return };
        let limited = driver
            .report()
            .features
            .iter()
            .any(|feature| feature.name == "limit of a multishot receive" && feature.used);
        let (mut came, mut turns) = (turn(&mut driver).0, 1);
        while came < PEERS * SHARES * SHARE {
            let bytes = turn(&mut driver).0;
            assert!(bytes <= AT_ONCE * SHARE || !limited, "{bytes} bytes in a turn");
            (came, turns) = (came + bytes, turns + 1);
            assert!(turns < 10_000, "{came} bytes came");
        }
        assert!(driver.floods.len() <= PEERS);
        // None is forgotten.
        for peer in &mut peers {
            peer.write_all(b"x").unwrap();
        }
        while came < PEERS * (SHARES * SHARE + 1) {
            came += turn(&mut driver).0;
            turns += 1;
            assert!(turns < 20_000, "{came} bytes came");
        }
    }

    #[test]
    fn those_that_wait_for_their_turn_can_be_cancelled_and_closed() {
        let Some((mut driver, receives, peers)) = flooded() else { return };
        turn(&mut driver);
        assert!(receives.iter().all(|id| driver.cancel(*id)));
        let (mut ended, mut turns) = (Vec::new(), 0);
        while ended.len() < PEERS && turns < 100 {
            ended.extend(turn(&mut driver).1);
            turns += 1;
        }
        // Turns in which nothing ends wait.
        (0..3).for_each(|_| ended.extend(turn(&mut driver).1));
        assert_eq!(ended.len(), PEERS, "each has one end");
        assert!(driver.floods.is_empty());
        drop(driver);
        for mut peer in peers {
            assert!(!matches!(peer.read(&mut [0]), Ok(1..)));
        }
    }
}
