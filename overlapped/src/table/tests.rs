use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

// A table of operations holds one for each idle session: only the generation may be added.
const _: () = assert!(Table::<(u64, bool)>::BYTES_PER_VALUE == 24);

#[test]
fn a_stale_key_finds_nothing() {
    let mut table = Table::new();
    let old = table.insert(1);
    assert_eq!(table.remove(old), Some(1));
    let new = table.insert(2);
    assert_eq!((new.slot(), new.generation()), (old.slot(), old.generation() + 1));
    assert_eq!(table.get(old), None);
    assert_eq!(table.get_mut(old), None);
    assert_eq!(table.remove(old), None);
    assert!(!table.contains(old) && table.contains(new));
    assert_eq!(table.key_of(new.slot()), Some(new));
}

#[test]
fn a_key_of_a_free_slot_finds_nothing_even_with_its_generation() {
    let mut table = Table::new();
    let key = table.insert(1);
    table.remove(key);
    let next = table.next_key();
    assert_eq!(table.get(next), None);
    assert_eq!(table.remove(next), None);
    assert_eq!(table.at(next.slot()), None);
    assert_eq!(table.insert(2), next);
}

#[test]
fn the_slot_that_was_freed_last_is_used_first() {
    let mut table = Table::new();
    let keys: Vec<Key> = (0..4).map(|value| table.insert(value)).collect();
    table.remove(keys[0]);
    table.remove(keys[2]);
    let reused: Vec<u32> = (0..3).map(|value| table.insert(value).slot()).collect();
    assert_eq!(reused, [2, 0, 4]);
}

#[test]
fn it_has_room_for_a_thirty_second_more_than_it_holds_at_most() {
    let (mut table, mut list) = (Table::new(), Vec::new());
    for number in 0..100_000 {
        table.insert(number);
        grow(&mut list, number, || 0);
        let most = number + 1 + (number / 32).max(LEAST_GROWTH);
        assert!(table.entries.capacity() <= most && list.capacity() <= most, "{number}");
    }
}

#[test]
fn generations_wrap() {
    let mut table = Table::new();
    let first = table.insert(1);
    table.remove(first);
    table.entries[0].generation = u32::MAX;
    let last = table.insert(2);
    assert_eq!(last, Key::new(0, u32::MAX));
    table.remove(last);
    assert_eq!(table.get(last), None);
    assert_eq!(table.insert(3), Key::new(0, 0));
}

#[test]
fn a_lowered_limit_keeps_what_is_there() {
    let mut table = Table::with_limit(2);
    let (first, second) = (table.insert(1), table.insert(2));
    table.set_limit(1);
    assert!(table.is_full() && table.len() == 2);
    table.remove(first);
    assert!(table.is_full());
    table.remove(second);
    assert!(!table.is_full());
}

#[test]
#[should_panic(expected = "a table of 1 values is full")]
fn inserting_into_a_full_table_panics() {
    let mut table = Table::with_limit(1);
    table.insert(1);
    table.insert(2);
}

#[test]
fn a_value_that_panics_when_it_is_dropped_is_gone_all_the_same() {
    struct Panics(bool);
    impl Drop for Panics {
        fn drop(&mut self) {
            assert!(!self.0, "a test asks for a panic");
        }
    }
    let mut table = Table::new();
    let key = table.insert(Panics(true));
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| table.drop_at(key.slot())));
    assert!(dropped.is_err() && table.is_empty() && !table.contains(key));
    assert!(!table.drop_at(key.slot()), "it was dropped already");
    assert_eq!(table.insert(Panics(false)).slot(), key.slot());
}

#[derive(Clone, Debug)]
enum Step {
    Insert(u8),
    /// One of the keys that were ever given out.
    Remove(prop::sample::Index),
    RemoveAt(prop::sample::Index),
    DropAt(prop::sample::Index),
    Change(prop::sample::Index, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<u8>().prop_map(Step::Insert),
        2 => any::<prop::sample::Index>().prop_map(Step::Remove),
        1 => any::<prop::sample::Index>().prop_map(Step::RemoveAt),
        1 => any::<prop::sample::Index>().prop_map(Step::DropAt),
        1 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(key, value)| Step::Change(key, value)),
    ]
}

proptest! {
    #[test]
    fn it_is_a_map_whose_keys_are_never_used_twice(
        limit in 1usize..12,
        steps in prop::collection::vec(step(), 0..200),
    ) {
        let mut table = Table::with_limit(limit);
        let mut model: BTreeMap<Key, u8> = BTreeMap::new();
        let mut given: Vec<Key> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(_) if model.len() == limit => prop_assert!(table.is_full()),
                Step::Insert(value) => {
                    prop_assert!(!table.is_full());
                    let expected = table.next_key();
                    let key = table.insert(value);
                    prop_assert_eq!(key, expected);
                    prop_assert!(!given.contains(&key));
                    given.push(key);
                    model.insert(key, value);
                }
                _ if given.is_empty() => {}
                Step::Remove(key) => {
                    let key = *key.get(&given);
                    prop_assert_eq!(table.remove(key), model.remove(&key));
                }
                Step::RemoveAt(key) => {
                    let slot = key.get(&given).slot();
                    let found = model.keys().find(|key| key.slot() == slot).copied();
                    prop_assert_eq!(table.key_of(slot), found);
                    prop_assert_eq!(table.remove_at(slot), found.and_then(|key| model.remove(&key)));
                }
                Step::DropAt(key) => {
                    let slot = key.get(&given).slot();
                    let found = model.keys().find(|key| key.slot() == slot).copied();
                    prop_assert_eq!(table.drop_at(slot), found.is_some());
                    found.and_then(|key| model.remove(&key));
                }
                Step::Change(key, value) => {
                    let key = *key.get(&given);
                    let entry = table.get_mut(key);
                    prop_assert_eq!(entry.as_deref(), model.get(&key));
                    if let Some(entry) = entry {
                        *entry = value;
                        model.insert(key, value);
                    }
                }
            }
            prop_assert_eq!(table.len(), model.len());
            for key in &given {
                prop_assert_eq!(table.get(*key), model.get(key));
            }
            let found: Vec<(Key, u8)> = table.iter().map(|(key, value)| (key, *value)).collect();
            let expected: Vec<(Key, u8)> = model.iter().map(|(key, value)| (*key, *value)).collect();
            prop_assert_eq!(found, expected);
            prop_assert!(table.slots().len() <= limit);
        }
    }
}
