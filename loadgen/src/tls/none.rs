//! No TLS.

/// Nothing: this build has no TLS.
#[derive(Clone, Debug)]
pub enum Tls {}

pub(crate) enum TlsStream {}

impl Tls {
    pub(crate) fn stream(&self) -> Result<TlsStream, String> {
        match *self {}
    }
}

impl TlsStream {
    pub(crate) fn is_open(&self) -> bool {
        match *self {}
    }

    pub(crate) fn has_output(&self) -> bool {
        match *self {}
    }

    pub(crate) fn receive(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<bool, String> {
        match *self {}
    }

    pub(crate) fn seal(&mut self, _: &[u8], _: &mut Vec<u8>) {
        match *self {}
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn shake(&mut self, _: &std::net::TcpStream) -> std::io::Result<()> {
        match *self {}
    }

    pub(crate) fn end(&mut self, _: &mut Vec<u8>) {
        match *self {}
    }
}
