//! Async sessions on a simulated network: time is virtual, and the same seed gives the same run.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use overlapped::driver::{CloseMode, Flags};
use overlapped::{Op, Outcome};
use proactor::codec::Lines;
use proactor::{AsyncSession, Network, Server, Tasks, Time, Wait};

use crate::harness::driver;

const CLIENTS: usize = 12;
const LINES: usize = 20;

/// What the tasks did, and when.
type Diary = Arc<Mutex<Vec<(Time, String)>>>;

/// Answers every line after a while. Some lines are answered by a task of their own that offloads
/// work.
async fn answer(session: AsyncSession, diary: Diary) {
    let id = session.id();
    let note = |what: String| diary.lock().unwrap().push((session.now(), format!("{id}: {what}")));
    let waiting = Rc::new(RefCell::new(0));
    while let Some(line) = session.next().await {
        let text = String::from_utf8_lossy(&line).into_owned();
        note(text.clone());
        let pause = Duration::from_millis(line.len() as u64 * 7 % 100);
        if line.len() % 3 == 0 {
            let (own, waiting) = (session.clone(), Rc::clone(&waiting));
            *waiting.borrow_mut() += 1;
            session
                .spawn(async move {
                    own.sleep(pause).await;
                    let line = own.offload(move || line.to_ascii_uppercase()).await.unwrap();
                    own.send(line).await.unwrap();
                    *waiting.borrow_mut() -= 1;
                })
                .unwrap();
        } else {
            session.sleep(pause).await;
            session.send(text.to_ascii_uppercase()).await.unwrap();
        }
    }
    while *waiting.borrow() > 0 {
        session.sleep(Duration::from_millis(10)).await;
    }
    note("ends".into());
}

/// What each client received, what the tasks did, and the trace of the network.
fn run(seed: u64) -> (Vec<Vec<u8>>, Vec<(Time, String)>, u64) {
    let network = Network::new(seed);
    let diary = Diary::default();
    let notes = Arc::clone(&diary);
    let logic = Tasks::new(move |session| answer(session, Arc::clone(&notes)));
    let mut server =
        Server::builder().listen("10.0.0.1:7777").shards(3).codec(Lines::new()).simulate(&network, logic).unwrap();
    let mut driver = driver(&network);
    let address = server.local_addrs()[0].clone();
    let mut answers = vec![Vec::new(); CLIENTS];
    let mut sockets = Vec::new();
    for client in 0..CLIENTS {
        let socket = driver.socket(&address).unwrap();
        driver.submit(Op::connect(socket, &address), u64::MAX).unwrap();
        let lines: String = (0..LINES).map(|line| format!("{client}-{line}-{}\n", "x".repeat(line * client))).collect();
        let room = vec![0u8; lines.len()];
        driver.submit(Op::send(socket, lines.into_bytes()), u64::MAX).unwrap();
        driver.submit(Op::recv_with(socket, room, Flags::WAIT_ALL), client as u64).unwrap();
        sockets.push(socket);
    }
    let mut open = CLIENTS;
    let all = server.run(|server| {
        driver.turn(Wait::Poll).unwrap();
        while let Some(completion) = driver.next() {
            let outcome = completion.result.unwrap();
            if let (Outcome::Received(bytes), true) = (outcome, completion.token < CLIENTS as u64) {
                let client = completion.token as usize;
                let mut received = completion.buf.unwrap().take::<Vec<u8>>().unwrap();
                received.truncate(bytes);
                answers[client] = received;
                driver
                    .submit(
                        Op::close(sockets[client], CloseMode::Graceful { linger: Duration::from_secs(1) }),
                        u64::MAX,
                    )
                    .unwrap();
                open -= 1;
            }
        }
        open == 0 && server.handle().sessions() == 0
    });
    assert!(all.unwrap(), "{open} clients wait for ever");
    let diary = diary.lock().unwrap().clone();
    (answers, diary, network.trace())
}

#[test]
fn every_line_is_answered_and_the_same_seed_gives_the_same_run() {
    for seed in 1..6 {
        let (answers, diary, trace) = run(seed);
        for (client, answer) in answers.iter().enumerate() {
            let mut lines: Vec<&str> = std::str::from_utf8(answer).unwrap().lines().collect();
            let mut expected: Vec<String> =
                (0..LINES).map(|line| format!("{client}-{line}-{}", "X".repeat(line * client))).collect();
            lines.sort_unstable();
            expected.sort_unstable();
            assert_eq!(lines, expected, "seed {seed}, client {client}");
        }
        assert_eq!(diary.iter().filter(|(_, what)| what.ends_with("ends")).count(), CLIENTS);
        let again = run(seed);
        assert!(again == (answers, diary, trace), "seed {seed}: another run");
        assert_ne!(run(seed + 100).2, trace);
    }
}

#[test]
fn hours_pass_at_once_and_timers_are_exact_to_their_grain() {
    const GRAIN: Duration = Duration::from_nanos(1 << 23);
    let network = Network::new(3);
    let diary = Diary::default();
    let notes = Arc::clone(&diary);
    let logic = Tasks::new(move |session: AsyncSession| {
        let diary = Arc::clone(&notes);
        async move {
            for hours in 1..=3 {
                let due = session.now() + Duration::from_secs(hours * 3600);
                session.sleep_until(due).await;
                diary.lock().unwrap().push((due, session.now().since(due).as_nanos().to_string()));
                assert!(session.now() >= due && session.now() - due < GRAIN);
            }
        }
    });
    let mut server = Server::builder().listen("10.0.0.1:7777").simulate(&network, logic).unwrap();
    let mut driver = driver(&network);
    let socket = driver.socket(&server.local_addrs()[0]).unwrap();
    driver.submit(Op::connect(socket, &server.local_addrs()[0]), 0).unwrap();
    let ended = server.run(|_| {
        driver.turn(Wait::Poll).unwrap();
        while driver.next().is_some() {}
        diary.lock().unwrap().len() == 3
    });
    assert!(ended.unwrap());
    assert!(network.now() >= Time::from_nanos(6 * 3600 * 1_000_000_000));
}
