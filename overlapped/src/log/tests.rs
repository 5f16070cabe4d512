use crate::buf::SendBuf;

use super::shared::SPARE_SEGMENTS;
use proptest::prelude::*;

use super::*;

fn small() -> LogConfig {
    LogConfig::new().segment_bytes(4096).record_bytes(10_000).log_bytes(20_000)
}

/// Record `number`: bytes that say which it is.
fn record(number: u64, len: usize) -> Vec<u8> {
    (0..len).map(|at| (number as u8).wrapping_mul(31).wrapping_add(at as u8)).collect()
}

fn bytes<M: Copy + 'static>(reader: &LogReader<M>, from: u64, to: u64) -> Vec<u8> {
    let mut gather = Gather::default();
    reader.slices(from..to).for_each(|slice| gather.push_slice(slice));
    let all = gather.iter().collect::<Vec<_>>().concat();
    assert_eq!(all.len(), gather.len());
    // As the kernel would find them.
    let parts: usize = (0..SendBuf::parts(&gather)).map(|i| gather.part(i).1).sum();
    assert_eq!(parts, all.len());
    all
}

#[test]
fn adjacent_pieces_are_one_part_and_own_bytes_keep_their_place() {
    let log = Log::new(small()).unwrap();
    let mut reader = log.reader();
    log.append(&[b"ab", b"c"], || ()).unwrap();
    log.append(&[b"de"], || ()).unwrap();
    log.append(&[b""], || panic!("nothing is appended")).unwrap();
    reader.refresh();
    let mut gather = Gather::default();
    gather.set_own(b"__xyz".to_vec());
    gather.push_own(2..4);
    gather.push_own(4..5);
    for number in 0..2 {
        reader.slices(number..number + 1).for_each(|slice| gather.push_slice(slice));
    }
    gather.push(b"!");
    assert_eq!(gather.iter().collect::<Vec<_>>(), [&b"xyz"[..], b"abcde", b"!"]);
    assert_eq!((gather.len(), SendBuf::parts(&gather)), (9, 3));
    assert!(gather.clear().capacity() >= 6 && gather.is_empty());
    assert!(size_of::<Gather<u64>>() <= 6 * size_of::<usize>(), "an operation holds it without a box");
}

#[test]
fn records_that_are_too_long_and_sizes_out_of_range_are_refused_by_name() {
    let log = Log::new(small()).unwrap();
    let error = log.append(&[&[0; 5000], &[0; 5001]], || ()).unwrap_err();
    assert!(error.to_string().contains("10001 bytes"), "{error}");
    let error = Log::<()>::new(small().log_bytes(14_095)).unwrap_err();
    assert!(error.to_string().contains("14096"), "{error}");
    assert!(Log::<()>::new(small().segment_bytes(4095)).is_err());
    assert!(Log::<()>::new(small().record_bytes(0)).is_err());
}

#[test]
fn a_slice_outlives_the_log_and_a_segment_that_is_held_is_not_written_to() {
    let log = Log::new(small()).unwrap();
    let mut reader = log.reader();
    log.append(&[&record(7, 3000)], || ()).unwrap();
    let slice = reader.slices(0..1).next().unwrap();
    for number in 0..200 {
        log.append(&[&record(number, 2000)], || ()).unwrap();
        reader.refresh();
        reader.trim(reader.end());
    }
    assert!(slice.as_ref() == record(7, 3000));
    // In steady state the segments are used again: few are needed, and one is held.
    assert!(log.memory() < 8 * 8192, "{} bytes", log.memory());
    drop((reader, log));
    assert!(slice.as_ref() == record(7, 3000));
}

#[test]
fn every_byte_of_memory_is_counted_until_its_last_holder_drops_it() {
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(40_960)).unwrap();
    let one = log.memory();
    let reader = log.reader();
    for number in 0..100 {
        log.append(&[&record(number, 4096)], || ()).unwrap();
    }
    // Ten that wait for the reader, its own, and a spare one.
    assert_eq!(log.memory(), (10 + 1 + 1) * one);
    let slice = reader.slices(0..1).next().unwrap();
    drop(reader);
    assert_eq!(log.memory(), 2 * one, "the newest, and the slice's");
    drop(slice);
    assert_eq!(log.memory(), one);
}

#[test]
fn a_reader_that_falls_behind_knows_how_many_records_it_has_lost() {
    let log = Log::new(small()).unwrap();
    let mut reader = log.reader();
    let mut keeps_up = log.reader();
    for number in 0..100 {
        log.append(&[&record(number, 1000)], || number).unwrap();
        keeps_up.refresh();
        keeps_up.trim(keeps_up.end());
    }
    reader.refresh();
    let front = reader.front();
    assert_eq!((reader.end(), keeps_up.end()), (100, 100));
    assert!((80..=97).contains(&front), "{front}");
    let marks: Vec<u64> = reader.records(0..100).map(|record| record.mark).collect();
    assert!(marks.iter().copied().eq(front..100));
    assert_eq!(bytes(&reader, 0, 100).len(), (100 - front as usize) * 1000);
}

#[test]
fn readers_on_other_threads_see_whole_records_in_the_order_of_their_marks() {
    const RECORDS: u64 = if cfg!(miri) { 300 } else { 20_000 };
    let log = Log::new(LogConfig::new().segment_bytes(4096).record_bytes(4096).log_bytes(16 << 20)).unwrap();
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let readers: Vec<LogReader<u64>> = (0..2).map(|_| log.reader()).collect();
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..RECORDS / 2 {
                    let len = 1 + next.load(Ordering::Relaxed) as usize * 7 % 150;
                    log.append(&[&[len as u8], &vec![len as u8; len]], || next.fetch_add(1, Ordering::Relaxed))
                        .unwrap();
                }
            });
        }
        for mut reader in readers {
            scope.spawn(move || {
                let mut at = 0;
                while at < RECORDS {
                    reader.refresh();
                    let end = reader.end();
                    assert!(reader.front() <= at, "the log is large enough to lose nothing");
                    assert!(reader.records(at..end).map(|record| record.mark).eq(at..end));
                    let all = bytes(&reader, at, end);
                    let mut rest = &all[..];
                    while let Some(len) = rest.first().map(|len| usize::from(*len)) {
                        let (whole, behind) = rest.split_at(len + 1);
                        assert!(whole.iter().all(|byte| usize::from(*byte) == len));
                        rest = behind;
                    }
                    at = end;
                    reader.trim(at);
                    std::thread::yield_now();
                }
            });
        }
    });
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize),
    Refresh,
    Take(u64),
    Pin,
    Unpin,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1_usize..200).prop_map(Step::Append),
        2 => (1_usize..10_000).prop_map(Step::Append),
        3 => Just(Step::Refresh),
        3 => (0_u64..20).prop_map(Step::Take),
        1 => Just(Step::Pin),
        1 => Just(Step::Unpin),
    ];
    proptest::collection::vec(step, 1..if cfg!(miri) { 40 } else { 200 })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: if cfg!(miri) { 4 } else { 100 }, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_reader_reads_what_was_appended_or_knows_that_it_is_lost(steps in steps()) {
        let log = Log::new(small()).unwrap();
        let mut reader = log.reader();
        let mut written: Vec<Vec<u8>> = Vec::new();
        let mut pins: VecDeque<(LogSlice<u64>, Vec<u8>)> = VecDeque::new();
        let mut at = 0;
        for step in steps {
            match step {
                Step::Append(len) => {
                    let number = written.len() as u64;
                    let all = record(number, len);
                    let (head, tail) = all.split_at(len / 3);
                    log.append(&[head, tail], || number).unwrap();
                    written.push(all);
                }
                Step::Refresh => {
                    reader.refresh();
                    prop_assert_eq!(reader.end(), written.len() as u64);
                }
                Step::Take(count) => {
                    at = at.max(reader.front());
                    let to = (at + count).min(reader.end());
                    prop_assert_eq!(bytes(&reader, at, to), written[at as usize..to as usize].concat());
                    for record in reader.records(at..to) {
                        prop_assert_eq!(record.number, record.mark);
                        prop_assert_eq!(record.bytes, written[record.number as usize].len());
                    }
                    at = to;
                    reader.trim(at);
                    prop_assert!(reader.front() <= at);
                }
                Step::Pin => {
                    let from = at.max(reader.front());
                    let slice = reader.slices(from..from + 3).next();
                    if let Some(slice) = slice {
                        let expected: Vec<u8> = written[from as usize..].concat()[..slice.len()].to_vec();
                        pins.push_back((slice, expected));
                    }
                }
                Step::Unpin => drop(pins.pop_front()),
            }
            for (slice, expected) in &pins {
                prop_assert_eq!(slice.as_ref(), &expected[..]);
            }
        }
        // What the log holds, what the reader holds, what is kept spare and pinned; each segment
        // with its index.
        let bound = 2 * (small().log_bytes + 10_000) + (SPARE_SEGMENTS + 2) * 4096 + pins.len() * 10_000;
        prop_assert!(log.memory() <= 2 * bound, "{} bytes", log.memory());
    }
}
