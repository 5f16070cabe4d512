//! A frame on its way into an outbox.

/// Bytes of the longest header.
pub(super) const LONGEST_HEADER: usize = 8;

/// A frame that is a header and a packet. It is written straight into the outbox.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'p> {
    /// The bytes behind the header are not defined.
    header: [u8; LONGEST_HEADER],
    header_len: u8,
    packet: &'p [u8],
}

impl<'p> Frame<'p> {
    #[inline]
    pub(super) fn new(header: [u8; LONGEST_HEADER], header_len: u8, packet: &'p [u8]) -> Frame<'p> {
        Frame { header, header_len, packet }
    }

    /// A frame without a header.
    #[inline]
    pub(crate) fn of(bytes: &'p [u8]) -> Frame<'p> {
        Frame::new([0; LONGEST_HEADER], 0, bytes)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        usize::from(self.header_len) + self.packet.len()
    }

    /// Bytes of memory that it needs while it is written.
    #[inline]
    pub(crate) fn written(&self) -> usize {
        LONGEST_HEADER + self.packet.len()
    }

    #[inline]
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        if self.header_len > 0 {
            // All header bytes, then truncated: a copy whose length the compiler does not know is a
            // call.
            let end = out.len() + usize::from(self.header_len);
            out.extend_from_slice(&self.header);
            out.truncate(end);
        }
        out.extend_from_slice(self.packet);
    }
}
