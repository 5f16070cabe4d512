//! How a node is, as it tells the others.

use std::time::Duration;

use super::bus::Queued;

/// What a node tells the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) drains: bool,
    /// It ends now: the others forget it.
    pub(crate) ends: bool,
    pub(crate) shards: u16,
    pub(crate) sessions: u32,
    /// Keys that they have.
    pub(crate) keys: u64,
    pub(crate) uptime: Duration,
    pub(crate) lag: Lag,
}

/// How far a node is behind the others, and they behind it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// What waits in its bus, if that knows.
    pub(crate) queued: Option<Queued>,
    /// As in [`ClusterStats`](super::ClusterStats).
    pub(crate) missed: u64,
    pub(crate) unpublished: u64,
    pub(crate) interruptions: u64,
}

const DRAINS: u8 = 1;
const ENDS: u8 = 2;
const KNOWS_QUEUED: u8 = 4;

/// The wire form: a byte of flags, shards in 2 bytes, sessions in 4, then numbers of 8 each, all
/// big-endian: milliseconds since the server has started, the lag, and keys. A later version may
/// have more behind that.
impl Status {
    pub(super) fn encode(&self) -> Vec<u8> {
        let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
        let Lag { queued, missed, unpublished, interruptions } = self.lag;
        let flags = flag(self.drains, DRAINS) | flag(self.ends, ENDS) | flag(queued.is_some(), KNOWS_QUEUED);
        let mut bytes = vec![flags];
        bytes.extend_from_slice(&self.shards.to_be_bytes());
        bytes.extend_from_slice(&self.sessions.to_be_bytes());
        let uptime = u64::try_from(self.uptime.as_millis()).unwrap_or(u64::MAX);
        let queued = queued.unwrap_or_default();
        for number in [uptime, queued.messages, queued.bytes, missed, unpublished, interruptions, self.keys] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        bytes
    }

    /// `None`: no node has made this.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Status> {
        let (flags, rest) = bytes.split_first()?;
        let (shards, rest) = rest.split_first_chunk()?;
        let (sessions, mut rest) = rest.split_first_chunk()?;
        let mut number = || {
            let (number, behind) = rest.split_first_chunk()?;
            rest = behind;
            Some(u64::from_be_bytes(*number))
        };
        let uptime = Duration::from_millis(number()?);
        let queued = Queued { messages: number()?, bytes: number()? };
        let queued = (flags & KNOWS_QUEUED != 0).then_some(queued);
        let lag = Lag { queued, missed: number()?, unpublished: number()?, interruptions: number()? };
        Some(Status {
            drains: flags & DRAINS != 0,
            ends: flags & ENDS != 0,
            shards: u16::from_be_bytes(*shards),
            sessions: u32::from_be_bytes(*sessions),
            // An earlier version does not tell.
            keys: number().unwrap_or(0),
            uptime,
            lag,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_parsed_as_it_was_made_and_no_shorter_one_is() {
        let uptime = Duration::from_millis(90_061_001);
        let queued = Some(Queued { messages: 3, bytes: 1 << 40 });
        let lag = Lag { queued, missed: 5, unpublished: 6, interruptions: 7 };
        let status = Status { drains: true, ends: false, shards: 256, sessions: 500_000, keys: 1 << 33, uptime, lag };
        let bytes = status.encode();
        assert_eq!(Status::parse(&bytes), Some(status));
        assert_eq!(Status::parse(&Status::default().encode()), Some(Status::default()));
        assert_eq!(Status::parse(&[&bytes[..], b"of a later version"].concat()), Some(status));
        let shorter = bytes.len() - 8;
        assert_eq!(Status::parse(&bytes[..shorter]), Some(Status { keys: 0, ..status }), "of an earlier version");
        assert!((0..shorter).all(|len| Status::parse(&bytes[..len]).is_none()));
    }
}
