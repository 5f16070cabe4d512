//! What single calls do to an outbox.

use super::*;

#[test]
fn takes_whole_packets_up_to_its_limit_counting_what_is_in_flight() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    let take = |outbox: &mut Outbox| match outbox.take(
        id(0),
        TakeLimits::new(0, LIMIT),
        &groups,
        &mut SendMemory::default(),
    ) {
        Some(Taken::Bytes(bytes)) => bytes,
        other => panic!("{other:?}"),
    };
    outbox.push(Frame::of(b"abc"), 0, 8, false, Vec::new).unwrap();
    assert_eq!(take(&mut outbox), b"abc");
    outbox.push(Frame::of(b"defgh"), 0, 8, false, Vec::new).unwrap();
    assert_eq!(outbox.push(Frame::of(b"i"), 0, 8, false, Vec::new), Err(SendError::Full));
    outbox.sent(3);
    outbox.push(Frame::of(b"i"), 0, 8, false, Vec::new).unwrap();
    assert_eq!((outbox.len(), take(&mut outbox)), (6, b"defghi".to_vec()));
    assert!(!outbox.has_queued());
}

#[test]
fn what_lies_in_one_piece_of_a_log_is_taken_as_that_and_nothing_else_is() {
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(1 << 20)).unwrap();
    let mut groups = LocalGroups::default();
    groups.insert(LocalGroup::new(Group::new(), log.reader()));
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    let mut stamp = 0;
    // Records, the own bytes queued behind them, the stamp up to which they are due, and whether
    // one piece is taken.
    for (records, own, late, one) in [
        (&[(10, false), (20, false)][..], 0, 0, true),
        (&[(10, false)], 0, 0, true),
        (&[(10, false), (5, true), (20, false)], 0, 0, false),
        (&[(10, true)], 0, 0, false),
        (&[(10, false)], 3, 0, false),
        (&[(10, false), (10, false)], 0, 1, false),
        (&[(3000, false), (2000, false)], 0, 0, false),
        // As many bytes in the first piece as are for it in both.
        (&[(2000, true), (1900, false), (1000, false), (2000, true)], 0, 0, false),
        (&[(3000, true)], 0, 0, false),
        (&[(3000, false)], 0, 0, true),
        (&[(10, false)], 0, 0, true),
    ] {
        let mut expected = Vec::new();
        for (bytes, except) in records {
            stamp += 1;
            let mark = BroadcastHeader { stamp, except: except.then_some(id(0)) };
            log.append(&[&vec![stamp as u8; *bytes]], || mark).unwrap();
            if !except {
                expected.extend(vec![stamp as u8; *bytes]);
            }
        }
        let news = groups.at_mut(0).unwrap().count_news(stamp);
        for record in groups.at(0).unwrap().withheld.clone() {
            outbox.positions.withhold(0, &news, &record);
        }
        outbox.queue_news(id(0), 0, &news, &groups);
        outbox.push(Frame::of(&vec![b'o'; own]), stamp, LIMIT, false, Vec::new).unwrap();
        expected.extend(vec![b'o'; own]);
        let mut taken = Vec::new();
        let mut first = true;
        for due in [stamp - late, stamp, stamp] {
            let some = outbox.take(id(0), TakeLimits::new(due, LIMIT), &groups, &mut SendMemory::default());
            if std::mem::take(&mut first) {
                assert_eq!(matches!(some, Some(Taken::Slice(_))), one, "{records:?}");
            }
            let Some(some) = some else { continue };
            outbox.sent(some.len());
            match some {
                Taken::Bytes(bytes) => taken.extend(bytes),
                Taken::Slice(slice) => taken.extend_from_slice(slice.as_ref()),
                Taken::Gather(gather) => gather.iter().for_each(|piece| taken.extend_from_slice(piece)),
                Taken::Packet(_) | Taken::Packets(_) => unreachable!("nothing received is sent on here"),
            }
        }
        assert!(taken == expected, "{records:?}");
        assert_eq!(outbox.len(), 0);
    }
}

#[test]
fn what_does_not_fit_leaves_nothing_behind() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    outbox.push(Frame::of(b"abc"), 1, 64, false, Vec::new).unwrap();
    for (stamp, bytes) in [(1, 99), (1, 62), (0, 62)] {
        let frame = Frame::of(&[b'x'; 99][..bytes]);
        assert_eq!(outbox.push(frame, stamp, 64, false, Vec::new), Err(SendError::Full));
    }
    assert_eq!(outbox.push(Frame::of(b""), 1, 64, false, Vec::new), Ok(Pushed { bytes: 0, len: 3 }));
    outbox.push(Frame::of(b"de"), 1, 64, false, Vec::new).unwrap();
    // What was issued before it goes before it.
    outbox.push(Frame::of(b"fg"), 0, 64, false, Vec::new).unwrap();
    match outbox.take(id(0), TakeLimits::new(1, 64), &groups, &mut SendMemory::default()) {
        Some(Taken::Bytes(bytes)) => assert_eq!(bytes, b"fgabcde"),
        other => panic!("{other:?}"),
    }
}

fn prefixed(packet: &[u8]) -> Frame<'_> {
    Framing::LengthPrefixed(LengthPrefixed::u16()).frame(packet).unwrap().unwrap()
}

#[test]
fn a_burst_is_appended_while_it_stays_below_the_mark_and_fits_into_the_memory() {
    let groups = LocalGroups::default();
    let with_memory = |bytes, high| {
        let mut outbox = Outbox::default();
        assert!(!outbox.append(prefixed(b"de")), "there is nothing that it could be behind");
        outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(bytes)).unwrap();
        assert!(!outbox.append(prefixed(b"de")), "nobody has allowed it");
        outbox.allow_appending(high);
        outbox
    };
    assert!(!with_memory(64, 13).append(prefixed(b"de")), "it would be at the mark with the widest header");
    assert!(with_memory(64, 14).append(prefixed(b"de")));
    assert!(!with_memory(12, 64).append(prefixed(b"de")), "the widest header has no room");
    let mut outbox = with_memory(17, 64);
    assert!(outbox.append(prefixed(b"de")) && outbox.len() == 7);
    assert!(outbox.append(prefixed(b"")) && outbox.len() == 9, "it needs 8 bytes, and 10 were left");
    assert!(!outbox.append(prefixed(b"f")), "9 bytes are needed, and 8 are left");
    match outbox.take(id(0), TakeLimits::new(1, 64), &groups, &mut SendMemory::default()) {
        Some(Taken::Bytes(bytes)) => assert_eq!(bytes, b"abc\0\x02de\0\0"),
        other => panic!("{other:?}"),
    }
    assert!(!outbox.append(prefixed(b"")), "they have left");
}

#[test]
fn nothing_is_appended_after_anything_else_was_done_with_the_outbox() {
    type Other = fn(&mut Outbox, &LocalGroups);
    let groups = LocalGroups::default();
    let others: [(&str, Other); 8] = [
        ("joining a group, whose broadcasts are between", |outbox, _| outbox.join(0, 0, 0)),
        ("leaving one", |outbox, groups| {
            outbox.join(0, 0, 0);
            outbox.leave(id(0), 0, None, 64, groups);
        }),
        ("taking", |outbox, groups| {
            outbox.take(id(0), TakeLimits::new(1, 64), groups, &mut SendMemory::default());
        }),
        ("clearing", |outbox, _| outbox.clear()),
        ("dropping", |outbox, groups| outbox.drop_oldest(id(0), 0, groups)),
        ("a latest packet, which counts too", |outbox, _| {
            outbox.put_latest(1, Frame::of(b"new"), 1, 64).unwrap();
        }),
        ("latest packets behind it", |outbox, _| {
            outbox.put_latest(1, Frame::of(b"new"), 1, 64).unwrap();
            outbox.allow_appending(64);
            outbox.settle_latest(1, false, Vec::new);
        }),
        ("the end of the stream", |outbox, _| outbox.end_appending()),
    ];
    for (what, other) in others {
        let mut outbox = Outbox::default();
        outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(64)).unwrap();
        outbox.allow_appending(64);
        assert!(outbox.append(Frame::of(b"d")));
        other(&mut outbox, &groups);
        assert!(!outbox.append(Frame::of(b"e")), "{what}");
    }
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    outbox.push(Frame::of(b"abc"), 1, 64, false, || Vec::with_capacity(64)).unwrap();
    outbox.allow_appending(64);
    assert!(!outbox.append(Frame::of(b"e")), "in a group, each private send has a stamp of its own");
}

#[test]
fn packets_of_a_byte_take_no_more_memory_for_their_ends_than_for_their_bytes() {
    let groups = LocalGroups::default();
    let mut outbox = Outbox::default();
    for number in 0..10_000 {
        outbox.make_room(id(0), 1, LIMIT, &groups);
        outbox.push(Frame::of(&[number as u8]), 0, LIMIT, true, Vec::new).unwrap();
    }
    assert_eq!(
        (outbox.len(), outbox.dropped()),
        (LIMIT / size_of::<Run>(), 10_000 - (LIMIT / size_of::<Run>()) as u64)
    );
}

#[test]
fn records_that_a_log_has_forgotten_count_as_dropped() {
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(8192)).unwrap();
    let mut groups = LocalGroups::default();
    groups.insert(LocalGroup::new(Group::new(), log.reader()));
    let mut outbox = Outbox::default();
    outbox.join(0, 0, 0);
    for stamp in 1..=10 {
        log.append(&[&[stamp as u8; 4000]], || BroadcastHeader { stamp, except: None }).unwrap();
    }
    let news = groups.at_mut(0).unwrap().count_news(10);
    outbox.queue_news(id(0), 0, &news, &groups);
    assert!(outbox.positions.has_lost(&groups));
    outbox.skip_lost(id(0), &groups);
    assert!(!outbox.positions.has_lost(&groups));
    assert_eq!((outbox.dropped(), outbox.len()), (8, 8000));
    let Some(Taken::Gather(gather)) =
        outbox.take(id(0), TakeLimits::new(10, 1 << 20), &groups, &mut SendMemory::default())
    else {
        panic!("two records")
    };
    assert!(gather.iter().flatten().copied().eq([9; 4000].into_iter().chain([10; 4000])));
}

#[test]
fn a_private_send_outside_of_groups_reads_no_clock_and_stays_behind_what_is_queued() {
    let (id, groups) = (id(0), LocalGroups::default());
    let mut outbox = Outbox::default();
    let no_clock = || panic!("it was read");
    assert_eq!(outbox.stamp(no_clock), 0);
    outbox.push(Frame::of(b"abc"), 7, 64, false, Vec::new).unwrap();
    assert_eq!(outbox.stamp(no_clock), 7, "a packet from another thread is queued");
    outbox.join(0, 0, 0);
    assert_eq!(outbox.stamp(|| 9), 9);
    outbox.leave(id, 0, None, 64, &groups);
    assert_eq!(outbox.stamp(no_clock), 7);
}
