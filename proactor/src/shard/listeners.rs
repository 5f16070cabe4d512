//! What a shard keeps for each listener, once: how the sessions that come by it differ from those
//! of others, and what the logic can learn of it. Further properties of a
//! [`Listener`](crate::Listener) belong here: a session has only the index.

use std::borrow::Cow;
use std::fmt;
use std::hash::Hasher;
use std::sync::Arc;
use std::time::Duration;

use overlapped::Address;
use siphasher::sip::SipHasher24;

use crate::codec::Framing;
use crate::limits::Rates;
#[cfg(feature = "tls")]
use crate::limits::Refusal;
use crate::proxy_protocol::ProxyProtocol;
use crate::resume::Resume;
#[cfg(feature = "tls")]
use crate::tls::Tls;
use crate::transport::layer::Layer;
use crate::transport::{
    Transport,
    opening::{NoTransport, Opening},
};
#[cfg(feature = "websocket")]
use crate::websocket::framing::Settings;

/// What the sessions of one listener are made of.
#[derive(Clone, Debug)]
pub(crate) struct ListenerProfile {
    /// Cloned for each session.
    pub(crate) codec: Framing,
    /// Which of the server's framings that is: groups frame a broadcast once for each.
    pub(crate) framing: u8,
    pub(crate) rates: Rates,
    /// Those that the listener has of its own.
    pub(crate) own_rates: Rates,
    pub(crate) proxy_protocol: Option<ProxyProtocol>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
    pub(crate) resume: Option<Resume>,
    /// What resumes is in the messages of a WebSocket.
    #[cfg(feature = "websocket")]
    pub(crate) tunnel: Option<Arc<Settings>>,
}

impl ListenerProfile {
    /// Whether its connections are over TLS.
    pub(crate) fn is_secure(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        false
    }

    /// What is put between the socket and the session of an accepted connection, if anything is.
    pub(crate) fn transport(&self) -> Option<Result<Transport, NoTransport>> {
        let Some(resume) = &self.resume else { return self.wire() };
        let plain = || {
            let opening = Opening { timeout: Duration::ZERO, _place: None, outbound: None, failure: None };
            Ok(Transport::new(Layer::Plain, opening))
        };
        let resumed = |transport: Transport| {
            #[cfg(feature = "websocket")]
            if let Some(settings) = &self.tunnel {
                return transport.accepting(settings).through_websocket(settings).resumed_by(resume);
            }
            transport.resumed_by(resume)
        };
        Some(self.wire().unwrap_or_else(plain).map(resumed))
    }

    /// As [`transport`](ListenerProfile::transport), below what resumes.
    fn wire(&self) -> Option<Result<Transport, NoTransport>> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            let place = tls.admit().ok_or(NoTransport::Refused(Refusal::TlsHandshakes));
            let transport = place.and_then(|place| tls.accept(place).map_err(NoTransport::Failed));
            #[cfg(feature = "websocket")]
            let transport = match &self.codec {
                Framing::WebSocket(websocket) => transport.map(|transport| transport.accepting(websocket.settings())),
                _ => transport,
            };
            return Some(transport);
        }
        #[cfg(feature = "websocket")]
        if let Framing::WebSocket(websocket) = &self.codec {
            let opening = Opening { timeout: Duration::ZERO, _place: None, outbound: None, failure: None };
            return Some(Ok(Transport::new(Layer::Plain, opening).accepting(websocket.settings())));
        }
        None
    }
}

/// The profiles of all listeners, and that of connections which the server makes itself.
#[derive(Clone, Debug)]
pub(crate) struct Profiles {
    pub(crate) listeners: Vec<ListenerProfile>,
    pub(crate) outbound: ListenerProfile,
}

impl Profiles {
    /// The profile of the sessions that came by a listener.
    pub(crate) fn of(&self, listener: u8) -> &ListenerProfile {
        self.listeners.get(usize::from(listener)).unwrap_or(&self.outbound)
    }

    /// Sessions that begin from now on have these rates, where their listener has none of its own.
    pub(crate) fn set_rates(&mut self, rates: Rates) {
        for profile in self.listeners.iter_mut().chain([&mut self.outbound]) {
            profile.rates = profile.own_rates.or(rates);
        }
    }
}

/// A listener, as the logic sees it: which one a session came by. Cheap to clone.
/// [`Session::listener`](crate::Session::listener) gives it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ListenerInfo {
    index: usize,
    name: Arc<str>,
    address: Address,
}

impl ListenerInfo {
    pub(crate) fn new(index: usize, name: &str, address: Address) -> ListenerInfo {
        ListenerInfo { index, name: name.into(), address }
    }

    /// Its place in the order of [`Builder::listen`](crate::Builder::listen), from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The name that [`Listener::name`](crate::Listener::name) gave it; otherwise empty.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its name, or its address if it has none.
    pub(crate) fn label(&self) -> Cow<'_, str> {
        match &*self.name {
            "" => self.address.to_string().into(),
            name => name.into(),
        }
    }

    /// A number that is the same on all nodes that have the same listeners: its place and its name.
    pub(crate) fn mark(&self) -> u64 {
        let mut hasher = SipHasher24::new();
        hasher.write_u64(self.index as u64);
        hasher.write(self.name.as_bytes());
        hasher.finish()
    }

    /// The address that it listens on, with its real port; the first, if a name or every interface
    /// has several.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

impl fmt::Debug for ListenerInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => write!(f, "listener {} on {}", self.index, self.address),
            name => write!(f, "listener {name:?} on {}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Rate;

    #[test]
    fn other_rates_are_for_listeners_without_rates_of_their_own() {
        let rates = |packets: Option<u32>, bytes: Option<u32>| Rates {
            packets: packets.map(Rate::per_second),
            bytes: bytes.map(Rate::per_second),
        };
        let profile = |own_rates: Rates| ListenerProfile {
            codec: Framing::default(),
            framing: 0,
            rates: own_rates.or(rates(Some(1), Some(2))),
            own_rates,
            proxy_protocol: None,
            #[cfg(feature = "tls")]
            tls: None,
            resume: None,
            #[cfg(feature = "websocket")]
            tunnel: None,
        };
        let mut profiles = Profiles {
            listeners: vec![profile(Rates::default()), profile(rates(None, Some(7)))],
            outbound: profile(Rates::default()),
        };
        profiles.set_rates(rates(Some(3), None));
        for (listener, packets, bytes) in [(0, Some(3), None), (1, Some(3), Some(7)), (9, Some(3), None)] {
            let found = profiles.of(listener).rates;
            let expected = rates(packets, bytes);
            assert_eq!((found.packets, found.bytes), (expected.packets, expected.bytes), "{listener}");
        }
    }
}
