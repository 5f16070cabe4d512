//! What is known of a socket, in two bytes: each connection of a server has them.

use crate::flags::Role;

/// What a socket is, and what is known of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Facts {
    pub(super) role: Role,
    marks: u8,
}

/// Something that may be known of a socket.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Mark {
    /// It is a second descriptor of a socket that a driver has. Whether that blocks is the driver's
    /// affair.
    Shared = 1,
    /// It is known to be an IP socket. Without this, that is not known.
    #[cfg(unix)]
    Ip = 1 << 1,
    /// The system made it for us.
    #[cfg(unix)]
    Ours = 1 << 2,
    /// It has, or had, a connection. Only one that was made to be connected has none.
    Connected = 1 << 3,
}

impl Facts {
    /// Of a stream with a connection.
    pub(super) const NEW: Facts = Facts { role: Role::Stream, marks: Mark::Connected as u8 };

    pub(super) fn has(self, mark: Mark) -> bool {
        self.marks & mark as u8 != 0
    }

    pub(super) fn set(&mut self, mark: Mark, has: bool) {
        match has {
            true => self.marks |= mark as u8,
            false => self.marks &= !(mark as u8),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_independent() {
        let mut facts = Facts::NEW;
        assert!(facts.has(Mark::Connected) && !facts.has(Mark::Shared));
        facts.set(Mark::Shared, true);
        facts.set(Mark::Connected, false);
        assert!(facts.has(Mark::Shared) && !facts.has(Mark::Connected));
        facts.set(Mark::Shared, false);
        assert!(!facts.has(Mark::Shared) && facts.role == Role::Stream);
    }
}
