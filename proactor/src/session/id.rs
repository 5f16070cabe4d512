//! The name of a session.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

use overlapped::table::Key;

/// Names a session of a server: its shard, slot and generation. It never names a later session.
///
/// It is printed as three numbers, and read from what was printed:
///
/// ```
/// use proactor::SessionId;
///
/// let id: SessionId = "0.17.3".parse()?;
/// assert_eq!(id.to_string(), "0.17.3");
/// assert!("0.17".parse::<SessionId>().is_err());
/// # Ok::<(), proactor::SessionIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId {
    shard: u16,
    key: Key,
}

impl SessionId {
    pub(crate) fn new(shard: u16, key: Key) -> SessionId {
        SessionId { shard, key }
    }

    #[inline]
    pub(crate) fn shard(self) -> u16 {
        self.shard
    }

    #[inline]
    pub(crate) fn key(self) -> Key {
        self.key
    }

    #[inline]
    pub(crate) fn slot(self) -> u32 {
        self.key.slot()
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.shard, self.key.slot(), self.key.generation())
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {self}")
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<SessionId, SessionIdError> {
        let mut numbers = text.split('.');
        // `parse` would take a sign.
        let mut next = || numbers.next().filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()));
        let parts = (next(), next(), next());
        let (Some(shard), Some(slot), Some(generation)) = parts else { return Err(SessionIdError) };
        if numbers.next().is_some() {
            return Err(SessionIdError);
        }
        let number = |text: &str| text.parse::<u32>().map_err(|_| SessionIdError);
        let shard = shard.parse().map_err(|_| SessionIdError)?;
        Ok(SessionId { shard, key: Key::new(number(slot)?, number(generation)?) })
    }
}

/// A text that is not the name of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionIdError;

impl fmt::Display for SessionIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the name of a session: write it as it is printed, three numbers such as 0.17.3")
    }
}

impl Error for SessionIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_printed_and_nothing_else_is() {
        for (shard, slot, generation) in [(0, 0, 0), (3, 17, 9), (u16::MAX, u32::MAX, u32::MAX)] {
            let id = SessionId::new(shard, Key::new(slot, generation));
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in
            ["", "1", "1.2", "1.2.3.4", "1.2.", "a.b.c", "-1.2.3", "+1.2.3", "1.2.3 ", "65536.0.0", "0.4294967296.0"]
        {
            assert_eq!(text.parse::<SessionId>(), Err(SessionIdError), "{text:?}");
        }
    }
}
