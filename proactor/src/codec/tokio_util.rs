//! Codecs written for `tokio_util::codec`, as codecs of sessions.

use std::fmt::Display;
use std::marker::PhantomData;

use bytes::{Bytes, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use super::decoded::{Decoded, FrameError, MOST_FRAME_BYTES};
use super::framing::Codec;

/// A decoder and encoder written for [`tokio_util::codec`], as a [`Codec`]. `I` is the type that
/// its encoder takes; [`FromPacket`] makes it from the bytes of a packet.
///
/// It copies: these decoders expect a buffer of their own, and every packet is a separate item. A
/// built-in codec, or your own [`Codec`], costs less. No memory is held while nothing is buffered.
///
/// Errors of the decoder are logged by `tracing`, and close the session with
/// [`CloseReason::Protocol`](crate::CloseReason::Protocol).
///
/// ```
/// use bytes::Bytes;
/// use proactor::codec::{Assembly, Codec, TokioUtil};
/// use tokio_util::codec::{LengthDelimitedCodec, LinesCodec};
///
/// let lines = TokioUtil::<_, String>::new(LinesCodec::new_with_max_length(100), 1024);
/// let frames = TokioUtil::<_, Bytes>::new(LengthDelimitedCodec::new(), 64 * 1024);
/// # let _ = frames;
///
/// let mut codec = lines.into_framing();
/// let (mut assembly, mut piece) = (Assembly::new(), &b"one\ntwo\n"[..]);
/// assert_eq!(&*assembly.next(&mut codec, &mut piece).unwrap().unwrap(), b"one");
/// assert_eq!(&*assembly.next(&mut codec, &mut piece).unwrap().unwrap(), b"two");
/// ```
#[derive(Clone, Debug)]
pub struct TokioUtil<C, I = Bytes> {
    codec: C,
    /// Bytes taken from the stream that the decoder has not consumed.
    taken: BytesMut,
    max_bytes: usize,
    /// The decoder needs more bytes than there are.
    waiting: bool,
    item: PhantomData<fn() -> I>,
}

/// What an encoder of `tokio_util` takes, made from the bytes of a packet.
pub trait FromPacket: Sized + 'static {
    /// The item, or `None` if the bytes are not valid.
    fn from_packet(packet: &[u8]) -> Option<Self>;
}

impl FromPacket for Bytes {
    fn from_packet(packet: &[u8]) -> Option<Bytes> {
        Some(Bytes::copy_from_slice(packet))
    }
}

impl FromPacket for BytesMut {
    fn from_packet(packet: &[u8]) -> Option<BytesMut> {
        Some(BytesMut::from(packet))
    }
}

impl FromPacket for Vec<u8> {
    fn from_packet(packet: &[u8]) -> Option<Vec<u8>> {
        Some(packet.to_vec())
    }
}

impl FromPacket for String {
    fn from_packet(packet: &[u8]) -> Option<String> {
        String::from_utf8(packet.to_vec()).ok()
    }
}

impl<C, I> TokioUtil<C, I> {
    /// Adapts `codec`. At most `max_bytes`, 1 to 1 GiB, are buffered for it: choose the size of its
    /// largest frame, header and end included.
    pub fn new(codec: C, max_bytes: usize) -> TokioUtil<C, I> {
        TokioUtil { codec, taken: BytesMut::new(), max_bytes, waiting: false, item: PhantomData }
    }

    fn decoded<T: Into<Bytes>>(
        &mut self,
        result: Result<Option<T>, impl Display>,
        consumed: usize,
    ) -> Result<Option<Decoded>, FrameError> {
        match result {
            Ok(Some(item)) => Ok(Some(Decoded::Made { packet: item.into(), consumed })),
            Ok(None) => {
                if self.taken.is_empty() {
                    self.taken = BytesMut::new();
                }
                Ok(None)
            }
            Err(error) => {
                tracing::debug!("the decoder refuses what came: {error}");
                Err(FrameError::Malformed("the decoder refuses it"))
            }
        }
    }
}

impl<C, I> Codec for TokioUtil<C, I>
where
    C: Decoder<Item: Into<Bytes>, Error: Display> + Encoder<I, Error: Display> + Clone + Send + 'static,
    I: FromPacket,
{
    fn decode(&mut self, bytes: &[u8]) -> Result<Decoded, FrameError> {
        if bytes.is_empty() && self.waiting {
            return Ok(Decoded::Need(1));
        }
        let consumed = bytes.len().min(self.max_bytes.saturating_sub(self.taken.len()));
        self.taken.extend_from_slice(&bytes[..consumed]);
        let result = self.codec.decode(&mut self.taken);
        if let Some(made) = self.decoded(result, consumed)? {
            self.waiting = false;
            return Ok(made);
        }
        if self.taken.len() >= self.max_bytes {
            return Err(FrameError::TooLarge { limit: self.max_bytes });
        }
        self.waiting = true;
        Ok(if consumed == 0 { Decoded::Need(bytes.len() + 1) } else { Decoded::Skip(consumed) })
    }

    fn encode(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Result<(), FrameError> {
        let item = I::from_packet(packet).ok_or(FrameError::Malformed("the packet is no item of the encoder's"))?;
        let mut frame = BytesMut::new();
        self.codec.encode(item, &mut frame).map_err(|error| {
            tracing::debug!("the encoder refuses a packet: {error}");
            FrameError::Malformed("the encoder refuses it")
        })?;
        out.extend_from_slice(&frame);
        Ok(())
    }

    fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    fn end(&mut self, rest: &[u8]) -> Result<Option<Decoded>, FrameError> {
        self.taken.extend_from_slice(rest);
        let result = self.codec.decode_eof(&mut self.taken);
        self.decoded(result, rest.len())
    }

    fn buffered(&self) -> usize {
        self.taken.len()
    }

    fn check(&self) -> Result<(), String> {
        match self.max_bytes {
            1..=MOST_FRAME_BYTES => Ok(()),
            bytes => Err(format!("a codec with at most {bytes} bytes buffered: must be 1 to {MOST_FRAME_BYTES}")),
        }
    }
}
