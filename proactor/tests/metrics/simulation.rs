//! On simulated networks: the counts are exact in every order of events, and the same each time.

use proactor::codec::LengthPrefixed;
use proactor::metrics::{Format, encode};
use proactor::{Network, Server};

use crate::counts::Echo;
use crate::page::Page;

const ADDRESS: &str = "10.0.0.1:80";

/// Clients that talk in turn and leave in several ways. Returns the page, and the packets and bytes
/// that were echoed.
fn run(seed: u64) -> (String, u64, u64) {
    let builder = Server::builder().listen(ADDRESS).shards(3).codec(LengthPrefixed::u16()).metrics(true);
    let sim = builder.simulate(&Network::new(seed), Echo).unwrap();
    let handle = sim.handle();
    let (mut packets, mut bytes) = (0, 0);
    let mut clients = Vec::new();
    for round in 0..40_u64 {
        let step = (seed * 31 + round * 17) % 7;
        match step {
            0 | 1 => clients.push(sim.client(ADDRESS, LengthPrefixed::u16())),
            2 if clients.len() > 2 => {
                let client = clients.remove((round as usize * 5) % clients.len());
                if round.is_multiple_of(2) { client.close() } else { client.reset() }
            }
            _ => {
                for (index, client) in clients.iter().enumerate() {
                    let burst = 1 + (round as usize + index) % 9;
                    let packet = vec![b'.'; 10 * burst];
                    (0..burst).for_each(|_| client.send(&packet));
                    (0..burst).for_each(|_| client.expect(&packet));
                    packets += burst as u64;
                    bytes += (burst * (packet.len() + 2)) as u64;
                }
            }
        }
    }
    clients.iter().for_each(|client| client.close());
    sim.advance(std::time::Duration::from_secs(10));
    let page = encode(&handle.registry(), Format::Prometheus);
    (page, packets, bytes)
}

#[test]
fn counts_are_exact_and_the_same_for_the_same_seed() {
    for seed in 0..30 {
        let (text, packets, bytes) = run(seed);
        assert_eq!(run(seed).0, text, "seed {seed}");
        let page = Page::parse(&text);
        let of = |name: &str| page.sum(&format!("proactor_{name}"), &[]);
        let counted = ["received_packets_total", "sent_packets_total", "received_bytes_total", "sent_bytes_total"];
        let expected = [packets, packets, bytes, bytes].map(|count| count as f64);
        assert_eq!(counted.map(of), expected, "seed {seed}");
        assert_eq!([of("sessions"), of("queued_bytes")], [0.0, 0.0], "seed {seed}");
        assert_eq!(of("accepts_total"), of("closes_total"), "seed {seed}");
        assert_eq!(of("turn_seconds_sum"), 0.0, "a simulated turn takes no time");
        assert!(of("turn_completions_count") > 0.0);
        page.check_histograms();
    }
}
