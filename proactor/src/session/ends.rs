//! The ends of a session's two streams: the peer's and ours.

/// How far the ends of a session's streams have come.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    peer: PeerEnd,
    own: OwnEnd,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum PeerEnd {
    #[default]
    Open,
    /// It was cut: its transport was not told of an end.
    Cut,
    Ended,
    /// The handler, or the session's partner, has been told.
    Told,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum OwnEnd {
    #[default]
    Open,
    /// It ends behind what is queued.
    Asked,
    /// The driver has been given the shutdown, behind the last send.
    Started,
    Ended,
}

impl Ends {
    pub(crate) fn peer_ended(&mut self) {
        if self.peer == PeerEnd::Open {
            self.peer = PeerEnd::Ended;
        }
    }

    /// The peer's stream was cut.
    pub(crate) fn peer_cut(&mut self) {
        if self.peer == PeerEnd::Open {
            self.peer = PeerEnd::Cut;
        }
    }

    /// The peer has said that its stream ends, whatever was seen of the connection before.
    #[cfg(feature = "websocket")]
    pub(crate) fn peer_said_end(&mut self) {
        if self.peer < PeerEnd::Ended {
            self.peer = PeerEnd::Ended;
        }
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.peer == PeerEnd::Cut
    }

    /// Whether the peer has ended its stream, and it is whole.
    #[inline]
    pub(crate) fn has_peer_finished(&self) -> bool {
        self.peer >= PeerEnd::Ended
    }

    #[inline]
    pub(crate) fn has_peer_ended(&self) -> bool {
        self.peer != PeerEnd::Open
    }

    /// Notes that the end of the peer's stream is told. Says whether this is the first time.
    pub(crate) fn tell(&mut self) -> bool {
        std::mem::replace(&mut self.peer, PeerEnd::Told) != PeerEnd::Told
    }

    pub(crate) fn is_told(&self) -> bool {
        self.peer == PeerEnd::Told
    }

    /// Whether more may be queued for the peer.
    #[inline]
    pub(crate) fn takes_more(&self) -> bool {
        self.own == OwnEnd::Open
    }

    pub(crate) fn ask_own(&mut self) {
        self.own = OwnEnd::Asked;
    }

    pub(crate) fn is_own_asked(&self) -> bool {
        self.own == OwnEnd::Asked
    }

    pub(crate) fn own_started(&mut self) {
        self.own = OwnEnd::Started;
    }

    pub(crate) fn own_ended(&mut self) {
        self.own = OwnEnd::Ended;
    }

    pub(crate) fn have_both_ended(&self) -> bool {
        self.is_told() && self.own == OwnEnd::Ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_ended_when_the_peers_end_is_told_and_ours_is_done() {
        let mut ends = Ends::default();
        ends.ask_own();
        assert!(!ends.takes_more() && ends.is_own_asked());
        ends.own_started();
        ends.own_ended();
        ends.peer_ended();
        assert!(ends.has_peer_finished() && !ends.have_both_ended(), "nobody has been told");
        assert!(ends.tell() && !ends.tell(), "it is told once");
        ends.peer_ended();
        assert!(ends.have_both_ended());
    }

    #[test]
    fn a_stream_that_was_cut_has_ended_and_is_not_finished() {
        let mut ends = Ends::default();
        ends.peer_cut();
        assert!(ends.is_cut() && ends.has_peer_ended() && !ends.has_peer_finished());
        let mut ends = Ends::default();
        ends.peer_ended();
        ends.peer_cut();
        assert!(!ends.is_cut() && ends.has_peer_finished(), "it had ended before");
    }
}
