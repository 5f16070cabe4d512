//! Once a session has warmed up, a packet that its task reads in place costs no allocation. An
//! owned packet costs one.

use proactor::AsyncSession;
use proactor::codec::LengthPrefixed;

use crate::echoed::{COUNTED, Count, allocations_of};
use crate::{backends, builder};

/// Echoes, and counts the allocations.
async fn echo(session: AsyncSession, owned: bool, mut count: Count) {
    loop {
        let sent = match owned {
            true => session.next().await.map(|packet| session.try_send(packet)),
            false => session.next_with(|packet| session.try_send(packet)).await,
        };
        let Some(sent) = sent else { return };
        sent.unwrap();
        count.packet();
    }
}

#[test]
fn a_packet_costs_no_allocation_in_place_and_one_if_it_is_owned() {
    for backend in backends() {
        for owned in [false, true] {
            let codec = LengthPrefixed::u32();
            let (count, counted) = Count::new();
            let builder = builder(backend).codec(codec);
            let server = builder.serve(move |session| echo(session, owned, count.clone())).unwrap();
            let allocations = allocations_of(&server, codec, &counted);
            let expected = if owned { COUNTED } else { 0 };
            assert_eq!(allocations, expected, "on {backend}, in {COUNTED} packets");
        }
    }
}
