//! A coarse timer wheel with one entry per key. It is made for a shard's many deadlines, most of
//! which are never reached.
//!
//! Time is divided into ticks of [`TICK`]. An entry waits in a slot of 64 ticks, of 64 times 64,
//! and so on, and moves to a finer level when its slot begins: at most once per level. Inserting,
//! moving and removing take a few steps whatever the number of entries, and allocate nothing after
//! the highest key has been seen.
//!
//! What it promises:
//!
//! - **Never early, hardly late.** A key is due at the first tick that is not before its moment:
//!   less than a [`TICK`] after it.
//! - **One entry per key.** Inserting a key again moves its entry.
//! - **Keys are small numbers**, such as the slots of a table. Each takes 16 bytes, up to the
//!   highest.
//! - **The same calls give the same order**: by tick and, within a tick, in the order in which keys
//!   came to its slot.

use std::time::Duration;

use overlapped::{Time, table::grow};

const TICK_BITS: u32 = 23;
/// The length of a tick: 2^23 nanoseconds, 8.4 ms.
pub(crate) const TICK: Duration = Duration::from_nanos(1 << TICK_BITS);

/// The first tick that begins at or after a moment.
pub(crate) fn tick_at(at: Time) -> u64 {
    at.as_nanos().div_ceil(1 << TICK_BITS)
}

/// When a tick begins. The last ticks of the clock's range count as its end.
pub(crate) fn tick_time(tick: u64) -> Time {
    Time::from_nanos(if tick >> (64 - TICK_BITS) == 0 { tick << TICK_BITS } else { u64::MAX })
}

/// Bits of a tick's number that choose the slot within a level.
const LEVEL_BITS: u32 = 6;
const SLOTS: usize = 1 << LEVEL_BITS;
/// Enough for every moment of the clock: 7 times 6 bits, for the 42 bits of a tick.
const LEVELS: usize = 7;
const NONE: u32 = u32::MAX;

/// An entry in the list of its slot, which is circular. `prev` is `NONE` if the key is not in the
/// wheel.
#[derive(Clone, Copy)]
struct Node {
    prev: u32,
    next: u32,
    tick: u64,
}

const ABSENT: Node = Node { prev: NONE, next: NONE, tick: 0 };

pub(crate) struct Wheel {
    /// By key.
    nodes: Vec<Node>,
    /// The first entry of each slot's list.
    heads: [[u32; SLOTS]; LEVELS],
    /// A bit for each slot that has entries.
    occupied: [u64; LEVELS],
    /// All entries up to this tick have been taken out. An entry is at the level of the highest
    /// digit (to the base 64) in which its tick differs from this one, in the slot of that digit.
    /// So its place follows from its tick alone, and only slots that have not begun are occupied.
    elapsed: u64,
    len: usize,
}

impl Wheel {
    pub(crate) fn new() -> Wheel {
        Wheel { nodes: Vec::new(), heads: [[NONE; SLOTS]; LEVELS], occupied: [0; LEVELS], elapsed: 0, len: 0 }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Enters a key, or moves its entry. If it is due already, the next [`pop_due`](Wheel::pop_due)
    /// returns it.
    pub(crate) fn insert(&mut self, key: u32, at: Time) {
        let index = key as usize;
        if index >= self.nodes.len() {
            grow(&mut self.nodes, index, || ABSENT);
        }
        self.remove(key);
        self.nodes[index].tick = tick_at(at).max(self.elapsed);
        self.link(key);
        self.len += 1;
    }

    /// Removes a key. Returns `false` if it was not in the wheel.
    pub(crate) fn remove(&mut self, key: u32) -> bool {
        match self.nodes.get(key as usize) {
            Some(node) if node.prev != NONE => {
                let (level, slot) = self.place(node.tick);
                self.unlink(key, level, slot);
                self.len -= 1;
                true
            }
            _ => false,
        }
    }

    /// Whether [`pop_due`](Wheel::pop_due) may return something.
    #[inline]
    pub(crate) fn may_have_due(&mut self, now: Time) -> bool {
        let now = now.as_nanos() >> TICK_BITS;
        if self.len == 0 {
            self.elapsed = self.elapsed.max(now);
        }
        self.first().is_some_and(|(_, _, begins)| begins <= now)
    }

    /// Removes a key that is due. Keys may be inserted, the same one too, before the next call.
    #[inline]
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<u32> {
        // The last tick that has begun, so nothing is early.
        let now = now.as_nanos() >> TICK_BITS;
        if self.len == 0 {
            self.elapsed = self.elapsed.max(now);
            return None;
        }
        self.pop_up_to(now)
    }

    fn pop_up_to(&mut self, now: u64) -> Option<u32> {
        loop {
            let Some((level, slot, begins)) = self.first().filter(|(_, _, begins)| *begins <= now) else {
                // No occupied slot begins between the two, so every entry is where it belongs.
                self.elapsed = self.elapsed.max(now);
                return None;
            };
            self.elapsed = begins;
            if level == 0 {
                let key = self.heads[0][slot];
                self.unlink(key, 0, slot);
                self.len -= 1;
                return Some(key);
            }
            self.cascade(level, slot);
        }
    }

    /// A moment before which nothing is due, and at which the wheel must be asked again; `None` if
    /// it is empty. If the first entry is near, that is its tick; if it is far, the beginning of
    /// its slot.
    #[inline]
    pub(crate) fn earliest(&self) -> Option<Time> {
        self.first().map(|(_, _, begins)| tick_time(begins))
    }

    /// The first occupied slot, and the tick at which it begins. All of a finer level comes before
    /// a coarser one.
    #[inline]
    fn first(&self) -> Option<(usize, usize, u64)> {
        if self.len == 0 {
            return None;
        }
        let level = self.occupied.iter().position(|occupied| *occupied != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let shift = level as u32 * LEVEL_BITS;
        let above = self.elapsed >> (shift + LEVEL_BITS) << (shift + LEVEL_BITS);
        Some((level, slot, above | (slot as u64) << shift))
    }

    /// The level and slot of an entry.
    fn place(&self, tick: u64) -> (usize, usize) {
        let differ = (tick ^ self.elapsed) | 1;
        let level = (differ.ilog2() / LEVEL_BITS) as usize;
        let slot = tick >> (level as u32 * LEVEL_BITS) & (SLOTS as u64 - 1);
        (level, slot as usize)
    }

    /// Appends an entry to the list of its slot.
    fn link(&mut self, key: u32) {
        let (level, slot) = self.place(self.nodes[key as usize].tick);
        let head = self.heads[level][slot];
        let (prev, next) = if head == NONE { (key, key) } else { (self.nodes[head as usize].prev, head) };
        if head == NONE {
            self.heads[level][slot] = key;
            self.occupied[level] |= 1 << slot;
        }
        self.nodes[prev as usize].next = key;
        self.nodes[next as usize].prev = key;
        let node = &mut self.nodes[key as usize];
        (node.prev, node.next) = (prev, next);
    }

    fn unlink(&mut self, key: u32, level: usize, slot: usize) {
        let Node { prev, next, .. } = std::mem::replace(&mut self.nodes[key as usize], ABSENT);
        if next == key {
            self.heads[level][slot] = NONE;
            self.occupied[level] &= !(1 << slot);
            return;
        }
        self.nodes[prev as usize].next = next;
        self.nodes[next as usize].prev = prev;
        if self.heads[level][slot] == key {
            self.heads[level][slot] = next;
        }
    }

    /// A coarse slot has begun: its entries move to finer ones.
    fn cascade(&mut self, level: usize, slot: usize) {
        let first = std::mem::replace(&mut self.heads[level][slot], NONE);
        self.occupied[level] &= !(1 << slot);
        let mut key = first;
        loop {
            let next = self.nodes[key as usize].next;
            self.link(key);
            if next == first {
                break;
            }
            key = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const TICK_NANOS: u64 = 1 << TICK_BITS;

    /// A simple model of a wheel.
    #[derive(Default)]
    struct Model {
        at: BTreeMap<u32, Time>,
    }

    impl Model {
        /// Exactly what must be due by now.
        fn due(&mut self, now: Time) -> Vec<u32> {
            let due = self.at.iter().filter(|(_, at)| tick_at(**at) <= now.as_nanos() / TICK_NANOS);
            let due: Vec<u32> = due.map(|(key, _)| *key).collect();
            for key in &due {
                self.at.remove(key);
            }
            due
        }
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32, u64),
        Remove(u32),
        /// Time passes.
        Pass(u64),
        /// Time passes up to the earliest moment that the wheel names.
        Wait,
    }

    /// Near, far, and over all of the clock's range.
    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![
            4 => 0..4 * TICK_NANOS,
            4 => (0_u64..5000).prop_map(|ticks| ticks * TICK_NANOS),
            3 => 0..1_u64 << 42,
            1 => any::<u64>(),
        ]
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40_u32, span()).prop_map(|(key, span)| Step::Insert(key, span)),
            1 => (0..40_u32).prop_map(Step::Remove),
            2 => (0..1_u64 << 36).prop_map(Step::Pass),
            3 => Just(Step::Wait),
        ]
    }

    fn popped(wheel: &mut Wheel, now: Time) -> Vec<u32> {
        let mut keys: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(now)).collect();
        keys.sort_unstable();
        keys
    }

    proptest! {
        #[test]
        fn gives_what_a_list_would_give(began in 0..1_u64 << 50, steps in prop::collection::vec(step(), 1..120)) {
            let (mut wheel, mut model) = (Wheel::new(), Model::default());
            let mut now = Time::from_nanos(began);
            for step in steps {
                match step {
                    Step::Insert(key, span) => {
                        let at = now + Duration::from_nanos(span);
                        wheel.insert(key, at);
                        model.at.insert(key, at);
                    }
                    Step::Remove(key) => prop_assert_eq!(wheel.remove(key), model.at.remove(&key).is_some()),
                    Step::Pass(nanos) => now = now + Duration::from_nanos(nanos),
                    Step::Wait => {
                        if let Some(earliest) = wheel.earliest() {
                            now = now.max(earliest);
                        }
                    }
                }
                if let Some(earliest) = wheel.earliest() {
                    let first = model.at.values().min().expect("the wheel is not empty");
                    prop_assert!(earliest <= tick_time(tick_at((*first).max(now))).max(now), "nobody would wake for {:?}", first);
                }
                let may_have_due = wheel.may_have_due(now);
                let due = popped(&mut wheel, now);
                prop_assert!(may_have_due || due.is_empty());
                prop_assert_eq!(due, model.due(now));
                prop_assert!(!wheel.may_have_due(now));
                prop_assert_eq!(wheel.len(), model.at.len());
                prop_assert_eq!(wheel.earliest().is_none(), model.at.is_empty());
                prop_assert!(wheel.earliest().is_none_or(|earliest| earliest > now || earliest == Time::MAX), "a wait would end at once, for ever");
            }
        }

        #[test]
        fn who_waits_for_the_earliest_moment_is_woken_seven_times_at_most(began in 0..1_u64 << 50, span in span()) {
            let mut wheel = Wheel::new();
            let began = Time::from_nanos(began);
            prop_assert_eq!(wheel.pop_due(began), None);
            let at = (began + Duration::from_nanos(span)).min(Time::from_nanos(u64::MAX - TICK_NANOS));
            wheel.insert(3, at);
            let (mut now, mut woken) = (began, 0);
            let due = loop {
                now = now.max(wheel.earliest().expect("it has an entry"));
                woken += 1;
                if let Some(key) = wheel.pop_due(now) {
                    break key;
                }
            };
            prop_assert_eq!(due, 3);
            prop_assert!(now >= at && now.since(at) < TICK);
            prop_assert!(woken <= LEVELS, "{} times", woken);
        }
    }

    #[test]
    fn keys_of_one_tick_come_in_the_order_in_which_they_came() {
        let mut wheel = Wheel::new();
        for key in [5, 0, 9, 2] {
            wheel.insert(key, Time::from_nanos(10 * TICK_NANOS));
        }
        wheel.insert(0, Time::from_nanos(10 * TICK_NANOS));
        wheel.insert(7, Time::from_nanos(9 * TICK_NANOS));
        let now = Time::from_nanos(11 * TICK_NANOS);
        let order: Vec<u32> = std::iter::from_fn(|| wheel.pop_due(now)).collect();
        assert_eq!(order, [7, 5, 9, 2, 0]);
    }

    #[test]
    fn a_key_that_was_due_can_be_entered_again_while_others_are_taken() {
        let mut wheel = Wheel::new();
        let now = Time::from_nanos(TICK_NANOS * 100);
        wheel.insert(1, now);
        wheel.insert(2, now);
        assert_eq!(wheel.pop_due(now), Some(1));
        wheel.insert(1, now + TICK);
        wheel.insert(3, Time::ZERO);
        assert_eq!(wheel.pop_due(now), Some(2));
        assert_eq!(wheel.pop_due(now), Some(3), "what is long past is due at once");
        assert_eq!(wheel.pop_due(now), None);
        assert_eq!(wheel.earliest(), Some(now + TICK));
        assert_eq!(wheel.pop_due(now + TICK), Some(1));
    }

    #[test]
    fn its_memory_is_that_of_the_highest_key() {
        let mut wheel = Wheel::new();
        wheel.insert(999, Time::ZERO);
        let room = wheel.nodes.capacity();
        for round in 0..1_000_000_u64 {
            wheel.insert((round % 1000) as u32, Time::from_nanos(round * 977 * TICK_NANOS / 100));
            if round % 7 == 0 {
                while wheel.pop_due(Time::from_nanos(round * TICK_NANOS)).is_some() {}
            }
        }
        assert_eq!(wheel.nodes.capacity(), room);
        assert_eq!(size_of::<Node>(), 16);
    }
}
