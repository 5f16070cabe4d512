use super::fetches::{Fetches, GIVE_UP_AFTER, Step, Wanted, shard_of};
use super::letter::{Ask, Letter};
use super::packed::VERSION;
use super::*;
use crate::resume::token::Mint;
use crate::resume::wire::Afresh;

/// That of a listener.
const MARK: u64 = 5;
const WINDOW: Duration = Duration::from_secs(60);

fn id(slot: u32) -> SessionId {
    format!("0.{slot}.1").parse().unwrap()
}

fn at(millis: u64) -> Time {
    Time::ZERO + Duration::from_millis(millis)
}

/// Asks for what is behind a byte of a packing.
fn of(token: &Token, ticket: u64, packing: u64, at: u32) -> Ask {
    Ask { version: VERSION, ticket, packing, at, has: 0, token: token.clone(), listener: MARK }
}

/// What a node that asks for bytes of the first packing is answered: the length of the part, or
/// another node. `None`: it is not.
fn ask(hand_overs: &HandOvers, token: &Token, asks: (u64, u64), at: u32) -> Option<Result<usize, u64>> {
    let mut said = None;
    let packing = u64::from(at > 0);
    hand_overs.answer(&of(token, asks.1, packing, at), asks.0, 100, Time::ZERO, |answer| {
        said = Some(match answer {
            Answer::Part { bytes, .. } => Ok(bytes.len()),
            Answer::Elsewhere(node) => Err(node),
            Answer::Refused(reason) => panic!("{reason}"),
        });
        true
    });
    said
}

fn take_back(hand_overs: &HandOvers, token: &Token) -> Option<Bytes> {
    let (number, packed) = hand_overs.take_back(token, MARK).unwrap()?;
    hand_overs.is_back(number, true);
    Some(packed)
}

#[test]
fn what_is_taken_back_and_cannot_go_on_is_still_packed() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    hand_overs.went(std::slice::from_ref(&token), vec![0; 50], &of(&token, 1, 0, 0), 7, WINDOW, at(0));
    let (number, _) = hand_overs.take_back(&token, MARK).unwrap().unwrap();
    assert_eq!((ask(&hand_overs, &token, (7, 1), 0), hand_overs.take_back(&token, MARK)), (None, Ok(None)));
    hand_overs.is_back(number, false);
    assert_eq!(ask(&hand_overs, &token, (7, 1), 0), Some(Ok(50)));
}

#[test]
fn a_session_goes_on_only_at_the_listener_that_it_had() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    hand_overs.went(std::slice::from_ref(&token), vec![0; 150], &of(&token, 1, 0, 0), 7, WINDOW, at(0));
    for (node, packing, from) in [(8, 0, 0), (7, 1, 100)] {
        let mut said = false;
        let other = Ask { listener: MARK + 1, ..of(&token, 1, packing, from) };
        hand_overs.answer(&other, node, 100, at(0), |answer| {
            assert_eq!(answer, Answer::Refused(Afresh::Unknown));
            said = true;
            true
        });
        assert!(said);
    }
    assert_eq!(hand_overs.take_back(&token, MARK + 1), Err(Afresh::Unknown));
    assert_eq!(hand_overs.find(&token), Some(Whereabouts::Packed), "it was given to nobody");

    let mut fetches: Fetches<&str> = Fetches::new(0);
    assert_eq!(fetches.begin("first", wanted(1), 7, at(0)), Ok(None));
    let other = Wanted { listener: 3, ..wanted(1) };
    assert_eq!(fetches.begin("other", other, 7, at(1)), Err("other"));
    assert_eq!(fetches.take_all(), ["first"]);
}

#[test]
fn of_many_who_ask_at_once_one_gets_the_last_part_or_the_session_goes_on_here() {
    for slot in 0..2000 {
        let hand_overs = HandOvers::default();
        let mint = Mint::of_number(1);
        let token = mint.token(id(slot), 1);
        hand_overs.went(
            std::slice::from_ref(&token),
            vec![0; 50],
            &of(&mint.token(id(0), 0), 1, 0, 0),
            7,
            WINDOW,
            at(0),
        );
        let start = std::sync::Barrier::new(3);
        let have = std::thread::scope(|scope| {
            let asking = [7, 8].map(|node| {
                let (start, hand_overs, token) = (&start, &hand_overs, &token);
                scope.spawn(move || {
                    start.wait();
                    ask(hand_overs, token, (node, 1), 0) == Some(Ok(50))
                })
            });
            start.wait();
            let is_back = take_back(&hand_overs, &token).is_some();
            usize::from(is_back) + asking.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>()
        });
        assert_eq!(have, 1, "in round {slot}");
    }
}

#[test]
fn a_last_part_that_could_not_leave_is_not_given() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    hand_overs.went(std::slice::from_ref(&token), vec![0; 50], &of(&mint.token(id(0), 0), 1, 0, 0), 7, WINDOW, at(0));
    let mut is_last = false;
    assert!(hand_overs.answer(&of(&token, 1, 0, 0), 7, 100, at(0), |answer| {
        is_last = matches!(answer, Answer::Part { total: 50, bytes: [_, ..], .. });
        assert_eq!(hand_overs.find(&token), Some(Whereabouts::At(7)), "while it leaves");
        false
    }));
    assert!(is_last);
    assert_eq!(ask(&hand_overs, &token, (8, 1), 0), Some(Ok(50)));
    assert!(hand_overs.answer(&of(&token, 1, 0, 0), 8, 100, at(0), |_| false));
    assert_eq!(take_back(&hand_overs, &token), None, "it has left once");
}

#[test]
fn until_the_last_part_leaves_the_newest_who_asks_gets_it_and_then_only_the_one_who_was_given_it() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    let mut forged = token.clone();
    forged.0[31] ^= 1;
    hand_overs.went(std::slice::from_ref(&token), vec![0; 150], &of(&mint.token(id(0), 0), 1, 0, 0), 7, WINDOW, at(0));
    assert_eq!(hand_overs.find(&token), Some(Whereabouts::Packed));
    assert_eq!((hand_overs.find(&forged), ask(&hand_overs, &forged, (7, 1), 0)), (None, None));
    assert_eq!(ask(&hand_overs, &token, (7, 1), 0), Some(Ok(100)));
    assert_eq!(ask(&hand_overs, &token, (8, 1), 0), Some(Ok(100)), "the newer takes it over");
    assert_eq!(ask(&hand_overs, &token, (8, 1), 100), Some(Ok(50)));
    assert_eq!(ask(&hand_overs, &token, (8, 1), 100), Some(Ok(50)), "it was lost");
    for asks in [(7, 1), (9, 1), (8, 2)] {
        assert_eq!(ask(&hand_overs, &token, asks, 0), Some(Err(8)));
    }
    assert_eq!((hand_overs.find(&token), take_back(&hand_overs, &token)), (Some(Whereabouts::At(8)), None));
    hand_overs.came_there(&token, (7, 1), true);
    assert_eq!(ask(&hand_overs, &token, (8, 1), 100), Some(Ok(50)), "another says nothing of it");
    hand_overs.came_there(&token, (8, 1), false);
    assert_eq!(ask(&hand_overs, &token, (9, 1), 0), Some(Ok(100)), "it could not go on there");
    assert_eq!(ask(&hand_overs, &token, (8, 1), 0), Some(Ok(100)));
    assert_eq!(ask(&hand_overs, &token, (8, 1), 100), Some(Ok(50)));
    hand_overs.came_there(&token, (8, 1), true);
    hand_overs.fetches(&token, true);
    assert_eq!(ask(&hand_overs, &token, (9, 1), 0), None, "it may be on its way back");
    hand_overs.fetches(&token, false);
    assert_eq!(ask(&hand_overs, &token, (8, 1), 100), Some(Err(8)));
    hand_overs.expire(at(69_999));
    assert_eq!(hand_overs.find(&token), Some(Whereabouts::At(8)));
    hand_overs.expire(at(70_000));
    assert_eq!(hand_overs.find(&token), None);
}

#[test]
fn what_nobody_was_given_goes_on_here() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let tokens = [mint.token(id(3), 1), mint.token(id(4), 2)];
    hand_overs.went(&tokens, vec![1; 150], &of(&mint.token(id(0), 0), 1, 0, 0), 7, WINDOW, at(0));
    assert_eq!(ask(&hand_overs, &tokens[1], (7, 1), 0), Some(Ok(100)));
    assert_eq!(take_back(&hand_overs, &tokens[1]).map(|packed| packed.len()), Some(150));
    assert!(tokens.iter().all(|token| hand_overs.find(token).is_none() && take_back(&hand_overs, token).is_none()));
    // It is not lost by another session that had the token before.
    hand_overs.came(&tokens, id(9));
    hand_overs.ended(id(8));
    assert_eq!(hand_overs.find(&tokens[0]), Some(Whereabouts::Here(id(9))));
    hand_overs.went(&tokens, vec![1; 50], &of(&mint.token(id(0), 0), 2, 0, 0), 7, WINDOW, at(0));
    assert_eq!(hand_overs.find(&tokens[0]), Some(Whereabouts::Packed));
    hand_overs.expire(at(69_999));
    assert_eq!(hand_overs.find(&tokens[0]), Some(Whereabouts::Packed), "as long as its client may come");
    hand_overs.expire(at(70_000));
    assert_eq!(take_back(&hand_overs, &tokens[0]), None, "it has waited long enough");
    assert!(hand_overs.make_room(MOST_HELD, at(0)), "and takes no memory");
    hand_overs.came(&tokens, id(10));
    hand_overs.ended(id(9));
    assert_eq!(hand_overs.find(&tokens[0]), Some(Whereabouts::Here(id(10))));
    hand_overs.ended(id(10));
    let table = hand_overs.lock();
    assert!(table.came.is_empty() && table.names.is_empty());
}

#[test]
fn what_waits_and_what_is_known_have_limits() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    hand_overs.went(
        &[mint.token(id(0), 0)],
        vec![0; MOST_HELD - 10],
        &of(&mint.token(id(0), 0), 1, 0, 0),
        7,
        WINDOW,
        at(0),
    );
    assert!(hand_overs.make_room(10, at(9_999)) && !hand_overs.make_room(11, at(9_999)));
    assert!(hand_overs.make_room(11, at(10_000)), "nobody has asked for it of late");
    assert_eq!(hand_overs.find(&mint.token(id(0), 0)), None);
    for slot in 1..=MOST_KNOWN as u32 + 1 {
        hand_overs.went(&[mint.token(id(slot), 0)], Vec::new(), &of(&mint.token(id(0), 0), 1, 0, 0), 7, WINDOW, at(0));
    }
    assert!(hand_overs.make_room(MOST_HELD, at(0)), "the oldest is forgotten");
    assert_eq!(hand_overs.find(&mint.token(id(1), 0)), None);
    assert_eq!(hand_overs.find(&mint.token(id(2), 0)), Some(Whereabouts::Packed));
}

#[test]
fn what_is_given_waits_until_it_is_taken_for_so_long_after_it_was_asked_for() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    let ask = of(&token, 1, 0, 0);
    assert!(!hand_overs.is_awaited(at(0)));
    hand_overs.went(std::slice::from_ref(&token), vec![0; 50], &ask, 7, WINDOW, at(0));
    assert!(hand_overs.is_awaited(at(9_999)) && !hand_overs.is_awaited(at(10_000)));
    assert!(hand_overs.answer(&ask, 7, 100, at(30_000), |_| true));
    hand_overs.expire(at(39_999));
    assert!(hand_overs.is_awaited(at(39_999)));
    assert!(hand_overs.answer(&ask, 7, 100, at(39_999), |answer| matches!(answer, Answer::Part { .. })));
    hand_overs.came_there(&token, (7, 1), true);
    assert!(!hand_overs.is_awaited(at(40_000)));
    hand_overs.expire(at(109_998));
    assert_eq!(hand_overs.find(&token), Some(Whereabouts::At(7)));
    hand_overs.expire(at(109_999));
    assert_eq!(hand_overs.find(&token), None);
}

fn wanted(slot: u32) -> Wanted {
    let mut token = Token([0; 32]);
    token.0[12..16].copy_from_slice(&slot.to_be_bytes());
    Wanted { token, has: 9, listener: 2 }
}

/// The ticket, and from which byte on is asked.
fn asked(step: &Step<&'static str>) -> (u64, u32) {
    let Step::Write(_, letter) = step else { panic!("{step:?}") };
    let Some(Letter::Ask(Ask { ticket, at, .. })) = Letter::parse(letter) else { panic!("{step:?}") };
    (ticket, at)
}

#[test]
fn a_session_is_asked_for_part_by_part_and_again_until_its_time_is_over() {
    let mut fetches: Fetches<&str> = Fetches::new(3);
    assert_eq!(fetches.begin("old", wanted(1), 7, at(0)), Ok(None));
    let steps = fetches.turn(at(0));
    let (ticket, from) = asked(&steps[0]);
    assert_eq!((steps.len(), from, shard_of(ticket)), (1, 0, 3));
    assert!(fetches.turn(at(249)).is_empty());
    assert_eq!(asked(&fetches.turn(at(250))[0]), (ticket, 0), "it was not answered");
    let part = |at: u32, bytes: &'static [u8]| Answer::Part { packing: 2, total: 5, at, bytes };
    assert_eq!(fetches.hear(ticket, 8, part(0, b"abc"), at(300)), None, "another node was not asked");
    let next = fetches.hear(ticket, 7, part(0, b"abc"), at(300)).unwrap();
    assert_eq!(asked(&next), (ticket, 3));
    for wrong in
        [part(0, b"abc"), part(3, b"def"), part(4, b"e"), Answer::Part { packing: 2, total: 6, at: 3, bytes: b"d" }]
    {
        assert_eq!(fetches.hear(ticket, 7, wrong, at(300)), None, "{wrong:?}");
    }
    // Its client has come again.
    let again = fetches.begin("new", wanted(1), 7, at(4900));
    assert!(matches!(again, Ok(Some("old"))));
    assert!(fetches.turn(at(5000)).iter().all(|step| matches!(step, Step::Write(..))), "it has its own time");
    let whole = fetches.hear(ticket, 7, part(3, b"de"), at(500));
    assert_eq!(whole, Some(Step::Whole("new", ticket, b"abcde".to_vec())));
    assert!(fetches.is_empty());

    assert_eq!(fetches.begin("late", wanted(2), 7, at(1000)), Ok(None));
    let (ticket, _) = asked(&fetches.turn(at(1000))[0]);
    let moved = fetches.hear(ticket, 7, Answer::Elsewhere(9), at(1100)).unwrap();
    assert!(matches!(moved, Step::Write(9, _)));
    let over = fetches.turn(at(1000) + GIVE_UP_AFTER);
    assert_eq!(over, [Step::Not("late", Afresh::NodeSilent)]);
    assert_eq!(fetches.hear(ticket, 9, part(0, b"abcde"), at(7000)), None, "it comes too late");
    assert_eq!(fetches.deadline(), Time::MAX);
}

#[test]
fn nodes_that_each_take_another_to_have_the_session_are_not_asked_faster_than_one_that_is_silent() {
    let mut fetches: Fetches<&str> = Fetches::new(0);
    assert_eq!(fetches.begin("client", wanted(1), 7, at(0)), Ok(None));
    let (ticket, _) = asked(&fetches.turn(at(0))[0]);
    let mut asks = 0;
    for turn in 0..1000 {
        let node = [7, 8][turn % 2];
        let said = fetches.hear(ticket, node, Answer::Elsewhere([8, 7][turn % 2]), at(1));
        if said.is_none() {
            break;
        }
        asks += 1;
    }
    assert_eq!(asks, 3);
    assert!(fetches.turn(at(200)).is_empty());
    assert_eq!(asked(&fetches.turn(at(251))[0]), (ticket, 0), "when it is time");
}

#[test]
fn a_session_that_could_not_go_on_is_nowhere() {
    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    let went = || hand_overs.went(std::slice::from_ref(&token), vec![0; 50], &of(&token, 1, 0, 0), 7, WINDOW, at(0));
    went();
    assert_eq!(ask(&hand_overs, &token, (7, 1), 0), Some(Ok(50)));
    hand_overs.dropped(std::slice::from_ref(&token), MARK, WINDOW, at(5));
    assert_eq!(hand_overs.find(&token), Some(Whereabouts::Nowhere));
    let mut refused = false;
    hand_overs.answer(&of(&token, 1, 0, 0), 8, 100, at(0), |answer| {
        refused = answer == Answer::Refused(Afresh::Unknown);
        true
    });
    assert!(refused);
    hand_overs.expire(at(70_005));
    assert_eq!(hand_overs.find(&token), None);
    assert!(hand_overs.make_room(MOST_HELD, at(0)));
}

#[test]
fn parts_of_two_packings_are_never_joined() {
    let mut fetches: Fetches<&str> = Fetches::new(0);
    assert_eq!(fetches.begin("client", wanted(1), 7, at(0)), Ok(None));
    let (ticket, _) = asked(&fetches.turn(at(0))[0]);
    let part = |packing: u64, at: u32, bytes: &'static [u8]| Answer::Part { packing, total: 5, at, bytes };
    assert_eq!(asked(&fetches.hear(ticket, 7, part(1, 0, b"abc"), at(1)).unwrap()), (ticket, 3));
    assert_eq!(fetches.hear(ticket, 7, part(2, 3, b"de"), at(1)), None, "it is of another");
    assert_eq!(asked(&fetches.hear(ticket, 7, part(2, 0, b"AB"), at(1)).unwrap()), (ticket, 2), "it begins anew");
    for late in [part(1, 0, b"abc"), part(1, 3, b"de"), part(1, 2, b"c")] {
        assert_eq!(fetches.hear(ticket, 7, late, at(1)), None, "{late:?}");
    }
    let whole = fetches.hear(ticket, 7, part(2, 2, b"CDE"), at(1));
    assert_eq!(whole, Some(Step::Whole("client", ticket, b"ABCDE".to_vec())));

    let (hand_overs, mint) = (HandOvers::default(), Mint::of_number(1));
    let token = mint.token(id(3), 1);
    for packing in [1, 2] {
        hand_overs.went(
            std::slice::from_ref(&token),
            vec![packing; 150],
            &of(&mint.token(id(0), 0), 1, 0, 0),
            7,
            WINDOW,
            at(0),
        );
        let mut said = Vec::new();
        hand_overs.answer(&of(&token, 1, 1, 100), 7, 100, at(0), |answer| {
            let Answer::Part { packing, at, bytes, .. } = answer else { panic!("{answer:?}") };
            said.push((packing, at, bytes.len()));
            true
        });
        assert_eq!(said, [if packing == 1 { (1, 100, 50) } else { (2, 0, 100) }]);
    }
}

#[test]
fn so_many_connections_wait_and_no_session_is_longer_than_may_be() {
    let mut fetches: Fetches<u32> = Fetches::new(0);
    for slot in 0..1024 {
        assert_eq!(fetches.begin(slot, wanted(slot), 7, at(0)).ok(), Some(None));
    }
    assert_eq!(fetches.begin(1024, wanted(1024), 7, at(0)).err(), Some(1024));
    let long = Answer::Part { packing: 1, total: MOST_BYTES as u32 + 1, at: 0, bytes: b"a" };
    assert!(fetches.hear(1, 7, long, at(1)).is_none());
    assert_eq!(fetches.take_all().len(), 1024);
}
