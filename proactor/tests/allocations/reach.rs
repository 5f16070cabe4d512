//! A rule such as "a minute of silence" sets a timer with every packet: that costs no allocation,
//! and neither do the ways out of the logic where nothing uses them.

use std::time::Duration;

use proactor::codec::LengthPrefixed;
use proactor::{Flow, Handler, Session};

use crate::echoed::{Count, allocations_of};
use crate::{backends, builder};

/// Echoes, and counts the allocations.
#[derive(Clone)]
struct Echo {
    with_timers: bool,
    count: Count,
}

impl Handler for Echo {
    type State = ();
    type Message = String;

    fn connected(&mut self, _: &Session) {}

    fn received(&mut self, session: &Session, (): &mut (), packet: &[u8]) -> Flow {
        if self.with_timers {
            session.after(Duration::from_secs(60), 1).unwrap();
            session.after(Duration::from_secs(30), 2).unwrap();
            assert!(session.cancel_timer(2));
        }
        session.send(packet).unwrap();
        self.count.packet();
        Flow::Continue
    }
}

#[test]
fn a_packet_costs_no_allocation_with_timers_nor_without_them() {
    for backend in backends() {
        for with_timers in [false, true] {
            let codec = LengthPrefixed::u32();
            let (count, counted) = Count::new();
            let server = builder(backend).codec(codec).start(Echo { with_timers, count }).unwrap();
            let allocations = allocations_of(&server, codec, &counted);
            assert_eq!(allocations, 0, "on {backend}, with timers: {with_timers}");
        }
    }
}
