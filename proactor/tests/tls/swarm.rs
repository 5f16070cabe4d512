//! Sessions over TLS behind PROXY protocol headers, on simulated networks that cut sends and
//! receives short: clients that behave, and clients that leave, stall, send garbage or take
//! nothing, all at once. A seed gives one run: the same order, lengths and times.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::sim::NetworkConfig;
use proactor::codec::LengthPrefixed;
use proactor::tls::{Tls, TlsClient};
use proactor::{
    AsyncSession, CloseReason, Limits, Listener, Network, Origin, ProxyHeader, ProxyProtocol, ProxyVersion, Server,
    Target, Tasks, Time, TlsFailure,
};

use super::peers::{Authority, NAME};

const SECOND: Duration = Duration::from_secs(1);
const AT: &str = "10.0.0.1:7443";
const CLIENTS: u64 = 24;
const FLOOD: usize = 300_000;
/// Seeds of a run in CI. `PROACTOR_SWARM_SEEDS` has more.
const SEEDS: u64 = 8;

#[derive(Clone)]
struct Told(Network, Arc<Mutex<Vec<(Time, String)>>>);

impl Told {
    fn add(&self, what: String) {
        self.1.lock().unwrap().push((self.0.now(), what));
    }
}

/// The address that the header of a client claims.
fn claims(token: u64) -> SocketAddr {
    SocketAddr::from(([203, 0, 113, token as u8], 50_000))
}

/// Sends a frame, and reads the frame that comes back.
async fn exchange(session: &AsyncSession, packet: &[u8], back: usize) -> Option<()> {
    let frame = [&u32::try_from(packet.len()).unwrap().to_be_bytes()[..], packet].concat();
    session.send(frame).await.ok()?;
    let mut came = Vec::new();
    while came.len() < 4 + back {
        came.extend(session.next().await?);
    }
    assert_eq!(came.len(), 4 + back);
    assert!(back != packet.len() || came[4..] == *packet);
    Some(())
}

async fn client(session: AsyncSession, tls: TlsClient, token: u64, told: Told) -> Option<()> {
    let kind = token % 8;
    let version = if token.is_multiple_of(3) { ProxyVersion::V1 } else { ProxyVersion::V2 };
    let header = ProxyHeader::new(version, claims(token), "10.0.0.1:443".parse().unwrap()).to_bytes();
    match kind {
        // Nothing of a header, and one that is none.
        0 => return session.next().await.map(drop),
        1 => session.send("PROXY TCP4 nobody knows\r\n").await.ok()?,
        _ => {
            let cut = header.len() * token as usize / CLIENTS as usize;
            session.send(&header[..cut]).await.ok()?;
            session.sleep(SECOND / 50).await;
            session.send(&header[cut..]).await.ok()?;
        }
    }
    match kind {
        // Garbage for a hello, and nothing.
        2 => session.send("GET / HTTP/1.0\r\n\r\n").await.ok()?,
        3 => return session.next().await.map(drop),
        _ => {}
    }
    if kind < 4 {
        session.closed().await;
        return None;
    }
    let started = session.start_tls_to(&tls, NAME).await;
    told.add(format!("client {token} {started:?}"));
    started.ok()?;
    for round in 1..=6 {
        exchange(&session, &vec![token as u8; round * round * 541], round * round * 541).await?;
        session.sleep(SECOND / 100 * (token as u32 % 5)).await;
    }
    match kind {
        // In the middle of a frame, without a word.
        4 => {
            session.send([0, 0, 1, 0, 7]).await.ok()?;
            session.session().abort();
        }
        5 => {
            session.session().shutdown();
            while session.next().await.is_some() {}
        }
        // Takes nothing for a while.
        6 => {
            session.session().pause();
            session.send([&[0, 0, 0, 5][..], b"flood"].concat()).await.ok()?;
            session.sleep(SECOND).await;
            session.session().resume();
            let mut came = 0;
            while came < 4 + FLOOD {
                came += session.next().await?.len();
            }
            assert_eq!(came, 4 + FLOOD);
        }
        _ => {}
    }
    told.add(format!("client {token} is done"));
    Some(())
}

async fn server(session: AsyncSession, told: Told) -> Option<()> {
    let peer = session.peer_addr().ip().unwrap();
    assert!((0..CLIENTS).any(|token| claims(token) == peer), "{peer} is nobody's claim");
    assert!(session.session().tls().is_some());
    told.add(format!("server {:?} {peer}", session.id()));
    while let Some(packet) = session.next().await {
        told.add(format!("packet {:?} {}", session.id(), packet.len()));
        match &packet[..] {
            b"flood" => session.send(vec![0; FLOOD]).await.ok()?,
            packet => session.send(packet).await.ok()?,
        }
    }
    told.add(format!("end {:?}", session.id()));
    Some(())
}

fn run((tls, to): (&Tls, &TlsClient), seed: u64) -> Vec<(Time, String)> {
    // One in so many.
    let share = 1 + seed as u32 % 5;
    let config = NetworkConfig::new().short_sends(share).short_receives(share).early_ends(2 * share);
    let config = config.latency(SECOND / 1000, SECOND / 1000 * (1 + seed as u32 % 40));
    let network = Network::with_config(seed, config);
    let told = Told(network.clone(), Arc::default());
    let (told_to, to) = (told.clone(), to.clone());
    let logic = Tasks::new(move |session: AsyncSession| {
        let (to, told) = (to.clone(), told_to.clone());
        async move {
            match session.session().origin() {
                Origin::Connected { token, .. } => drop(client(session, to, token, told).await),
                _ => drop(server(session, told).await),
            }
        }
    });
    let listener = Listener::new(AT).tls(tls).proxy_protocol(ProxyProtocol::required().timeout(SECOND * 2));
    let sim = Server::builder()
        .listen(listener.codec(LengthPrefixed::u32().max_packet(1 << 20)))
        .shards(1 + seed as usize % 3);
    let sim = sim.limits(Limits::new().outbox_bytes(1 << 20)).simulate(&network, logic).unwrap();
    for token in 0..CLIENTS {
        sim.handle().connect(AT.parse::<Target>().unwrap(), token).unwrap();
    }
    sim.advance(SECOND * 20);
    let stats = sim.handle().stats();
    assert_eq!(stats.sessions, 0, "seed {seed}");
    assert_eq!(stats.closed(CloseReason::Panic), 0, "seed {seed}");
    assert_eq!(stats.tls_failed(TlsFailure::NotTls), CLIENTS / 8, "seed {seed}");
    assert_eq!(stats.tls_failed(TlsFailure::TimedOut), CLIENTS / 8, "seed {seed}");
    assert_eq!(stats.refused_in_all(), CLIENTS / 4, "seed {seed}: {:?}", stats.refusals().collect::<Vec<_>>());
    sim.handle().drain(SECOND);
    sim.advance(SECOND * 2);
    assert!(sim.has_ended());
    assert_eq!((sim.live().sockets, sim.live().buffers), (0, 0), "seed {seed}");
    drop(sim);
    let told = told.1.lock().unwrap();
    told.clone()
}

#[test]
fn a_seed_gives_one_run_whatever_clients_do() {
    let authority = Authority::new();
    let tls = Tls::new(authority.server().handshake_timeout(SECOND * 2)).unwrap();
    let to = authority.client();
    let seeds = std::env::var("PROACTOR_SWARM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut runs = Vec::new();
    for seed in 0..seeds {
        // Nothing that a run leaves may be resumed by the next.
        tls.reload().unwrap();
        to.reload().unwrap();
        let first = run((&tls, &to), seed);
        tls.reload().unwrap();
        to.reload().unwrap();
        let again = run((&tls, &to), seed);
        if let Some((first, again)) = first.iter().zip(&again).find(|(first, again)| first != again) {
            panic!("seed {seed}: {first:?}, and then {again:?}");
        }
        assert_eq!(first.len(), again.len(), "seed {seed}");
        let count = |what: &str| first.iter().filter(|(_, told)| told.contains(what)).count() as u64;
        // Each client that shakes hands is served to its end.
        assert_eq!(count("Ok(())"), CLIENTS / 2, "seed {seed}");
        assert_eq!(count("is done"), CLIENTS / 2, "seed {seed}");
        assert_eq!(count("packet"), CLIENTS / 2 * 6 + CLIENTS / 8, "seed {seed}");
        runs.push(first);
    }
    let all = runs.len();
    runs.dedup();
    assert_eq!(runs.len(), all, "other seeds give other runs");
}
