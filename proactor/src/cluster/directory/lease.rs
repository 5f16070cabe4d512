//! The lease of this node: one record, which it renews. While others see it change, what they have
//! of this node's keys holds. Knows no records, only what came of its calls.
//!
//! A node that sees the record unchanged for the time of the lease may delete it, which ends the
//! lease. The node itself goes on for twice that time after the last renewal that it knows of, so
//! that a pause of the network or of the records ends nothing that nobody has taken. So two
//! sessions may have one key for at most the time of the lease.

use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

use super::event::Answer;
use super::farewell::Last;
use crate::cluster::records::{RecordError, Revision};

const VERSION: u8 = 1;

/// What a node has to do for its lease.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Read,
    Write { value: Bytes, expected: Revision },
}

/// What became of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The node has it, in a new epoch.
    Gained,
    /// Another node has ended it, or it was not renewed in time.
    Lost,
}

pub(super) struct Lease {
    time: Duration,
    name: Box<str>,
    /// The one that it has, or wants next. What was claimed in an earlier one is void.
    epoch: u32,
    is_held: bool,
    /// Of the record, as far as is known.
    revision: Revision,
    /// The record may be another than is known.
    is_stale: bool,
    /// When the last renewal that was answered was sent.
    renewed: Time,
    /// When the call that has no answer yet was made.
    asked: Option<Time>,
    next: Time,
}

impl Lease {
    pub(super) fn new(time: Duration, name: &str, now: Time) -> Lease {
        Lease {
            time,
            name: name.into(),
            epoch: 1,
            is_held: false,
            revision: Revision::NONE,
            is_stale: false,
            renewed: now,
            asked: None,
            next: now,
        }
    }

    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// The epoch of the lease that it has.
    pub(super) fn held(&self) -> Option<u32> {
        self.is_held.then_some(self.epoch)
    }

    /// Until when what was claimed in the epoch that it has, or had last, is its own: later,
    /// another node may have had it for the time of a lease.
    pub(super) fn certain_until(&self) -> Time {
        self.renewed + 2 * self.time
    }

    /// What is known of its record, when the node ends.
    pub(super) fn last(&self) -> Last {
        match self.revision {
            _ if self.asked.is_some() => Last::Asked,
            _ if self.is_stale => Last::Unknown,
            Revision::NONE => Last::Nothing,
            revision => Last::Known(revision),
        }
    }

    /// When it has something to do without being told.
    pub(super) fn deadline(&self) -> Time {
        let next = if self.asked.is_some() { Time::MAX } else { self.next };
        if self.is_held { next.min(self.certain_until()) } else { next }
    }

    pub(super) fn turn(&mut self, now: Time) -> (Option<Change>, Option<Deed>) {
        let is_over = self.is_held && now >= self.certain_until();
        let change = is_over.then(|| self.lose());
        if self.asked.is_some() || now < self.next {
            return (change, None);
        }
        self.asked = Some(now);
        let deed = match self.is_stale {
            true => Deed::Read,
            false => Deed::Write { value: self.encode(), expected: self.revision },
        };
        (change, Some(deed))
    }

    fn lose(&mut self) -> Change {
        self.is_held = false;
        self.epoch = self.epoch.wrapping_add(1);
        self.is_stale = true;
        Change::Lost
    }

    pub(super) fn answered(&mut self, answer: Answer, now: Time) -> Option<Change> {
        let asked = self.asked.take()?;
        // Soon again, unless it is renewed.
        self.next = now + self.time / 64;
        match answer {
            Answer::Put(Ok(revision)) => {
                self.revision = revision;
                // One that was lost meanwhile: this was of its epoch.
                if self.is_stale {
                    return None;
                }
                self.renewed = asked;
                self.next = now + self.time / 4;
                return (!std::mem::replace(&mut self.is_held, true)).then_some(Change::Gained);
            }
            Answer::Put(Err(RecordError::Refused)) | Answer::Got(Err(_)) | Answer::Deleted(_) => {}
            Answer::Put(Err(error)) => {
                self.is_stale = true;
                if error == RecordError::Conflict {
                    self.next = now;
                }
            }
            Answer::Got(Ok(record)) => {
                (self.is_stale, self.next) = (false, now);
                let epoch = record.as_ref().and_then(|record| parse(&record.value)).map(|written| written.epoch);
                let acknowledged = self.revision;
                self.revision = record.map_or(Revision::NONE, |record| record.revision);
                // An older one: the records went back, and what was claimed since may be gone.
                let went_back = self.revision < acknowledged;
                if self.is_held && (epoch != Some(self.epoch) || went_back) {
                    let change = self.lose();
                    self.is_stale = false;
                    return Some(change);
                }
            }
        }
        None
    }

    fn encode(&self) -> Bytes {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes.extend_from_slice(&(self.time.as_millis() as u64).to_be_bytes());
        bytes.extend_from_slice(self.name.as_bytes());
        bytes.into()
    }
}

/// What the record of a lease says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) epoch: u32,
    pub(super) time: Duration,
}

/// `None`: no node has written this.
pub(super) fn parse(bytes: &[u8]) -> Option<Written> {
    let (version, rest) = bytes.split_first()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (millis, _) = rest.split_first_chunk()?;
    let time = Duration::from_millis(u64::from_be_bytes(*millis));
    (*version == VERSION).then_some(Written { epoch: u32::from_be_bytes(*epoch), time })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::records::Record;

    const TIME: Duration = Duration::from_secs(16);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn write(lease: &mut Lease, now: Time) -> (u32, Revision) {
        match lease.turn(now) {
            (None, Some(Deed::Write { value, expected })) => (parse(&value).unwrap().epoch, expected),
            other => panic!("{other:?}"),
        }
    }

    fn gained() -> Lease {
        let mut lease = Lease::new(TIME, "a", at(0));
        assert_eq!(write(&mut lease, at(0)), (1, Revision::NONE));
        assert_eq!(lease.turn(at(0)), (None, None), "one call at a time");
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(5))), at(1)), Some(Change::Gained));
        assert_eq!((lease.held(), lease.certain_until()), (Some(1), at(32)), "from when it was sent");
        lease
    }

    #[test]
    fn it_is_renewed_four_times_in_its_time() {
        let mut lease = gained();
        assert_eq!((lease.deadline(), lease.turn(at(4))), (at(5), (None, None)));
        assert_eq!(write(&mut lease, at(5)), (1, Revision(5)));
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(6))), at(6)), None);
        assert_eq!((lease.certain_until(), lease.deadline()), (at(37), at(10)));
    }

    #[test]
    fn one_that_another_node_has_ended_is_taken_again_in_a_new_epoch() {
        let mut lease = gained();
        write(&mut lease, at(5));
        assert_eq!(lease.answered(Answer::Put(Err(RecordError::Conflict)), at(6)), None);
        assert_eq!(lease.turn(at(6)), (None, Some(Deed::Read)));
        assert_eq!(lease.answered(Answer::Got(Ok(None)), at(7)), Some(Change::Lost));
        assert_eq!(lease.held(), None);
        assert_eq!(write(&mut lease, at(7)), (2, Revision::NONE));
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(9))), at(8)), Some(Change::Gained));
        assert_eq!(lease.held(), Some(2));
    }

    #[test]
    fn records_that_went_back_end_it() {
        let mut lease = gained();
        write(&mut lease, at(5));
        assert_eq!(lease.answered(Answer::Put(Err(RecordError::Conflict)), at(6)), None);
        assert_eq!(lease.turn(at(6)), (None, Some(Deed::Read)));
        let value = lease.encode();
        let before = Record { value, revision: Revision(4) };
        assert_eq!(lease.answered(Answer::Got(Ok(Some(before))), at(6)), Some(Change::Lost));
        assert_eq!(write(&mut lease, at(6)), (2, Revision(4)));
    }

    #[test]
    fn a_lost_answer_ends_nothing_if_the_record_is_its_own() {
        let mut lease = gained();
        write(&mut lease, at(5));
        assert_eq!(lease.answered(Answer::Put(Err(RecordError::Unknown)), at(7)), None);
        assert_eq!(lease.turn(at(8)), (None, Some(Deed::Read)));
        let value = lease.encode();
        assert_eq!(lease.answered(Answer::Got(Ok(Some(Record { value, revision: Revision(6) }))), at(8)), None);
        assert_eq!(lease.certain_until(), at(32), "reading is no renewal");
        assert_eq!(write(&mut lease, at(8)), (1, Revision(6)));
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(7))), at(9)), None);
        assert_eq!((lease.held(), lease.certain_until()), (Some(1), at(40)));
    }

    #[test]
    fn without_answers_it_is_lost_after_twice_its_time_and_a_late_answer_is_of_the_old_epoch() {
        let mut lease = gained();
        write(&mut lease, at(5));
        assert_eq!((lease.deadline(), lease.turn(at(31))), (at(32), (None, None)));
        assert_eq!(lease.turn(at(32)), (Some(Change::Lost), None));
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(6))), at(33)), None);
        assert_eq!(lease.held(), None);
        assert_eq!(lease.turn(at(34)), (None, Some(Deed::Read)));
        let value = lease.encode();
        lease.answered(Answer::Got(Ok(Some(Record { value, revision: Revision(6) }))), at(34));
        assert_eq!(write(&mut lease, at(34)), (2, Revision(6)), "its own record is no claim for the new epoch");
        assert_eq!(lease.answered(Answer::Put(Ok(Revision(8))), at(35)), Some(Change::Gained));
    }

    #[test]
    fn what_no_node_has_written_is_no_lease() {
        let value = gained().encode();
        assert_eq!(parse(&value), Some(Written { epoch: 1, time: TIME }));
        assert!((0..13).all(|len| parse(&value[..len]).is_none()));
    }
}
