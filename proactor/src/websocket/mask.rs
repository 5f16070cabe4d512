//! Masking: a client's payload is combined with a key of 4 bytes, over and over.

const WORD: usize = size_of::<u64>();

/// Applies a masking key to bytes in place, so masks or unmasks them. `at` is where in the frame's
/// payload they begin. Says whether all of them are ASCII afterwards: that is told in the same
/// pass, and spares most text a check of its own.
#[inline]
pub(crate) fn apply(bytes: &mut [u8], key: [u8; 4], at: usize) -> bool {
    let key = rotated(key, at);
    let [a, b, c, d] = key;
    let word = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<WORD>();
    let mut high = 0;
    for bytes in words {
        let plain = u64::from_ne_bytes(*bytes) ^ word;
        high |= plain;
        *bytes = plain.to_ne_bytes();
    }
    let mut high = high.to_ne_bytes().into_iter().fold(0, |high, byte| high | byte);
    for (byte, key) in rest.iter_mut().zip(word.to_ne_bytes()) {
        *byte ^= key;
        high |= *byte;
    }
    high < 0x80
}

/// The key for bytes that begin within the payload.
#[inline]
fn rotated(key: [u8; 4], at: usize) -> [u8; 4] {
    u32::from_le_bytes(key).rotate_right(8 * (at % 4) as u32).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_beginning_is_masked_byte_by_byte_and_back() {
        let key = [0x12, 0x80, 0xff, 0x03];
        let plain: Vec<u8> = (0..=255).collect();
        for len in 0..70 {
            for at in 0..9 {
                let mut masked = plain[..len].to_vec();
                apply(&mut masked, key, at);
                let by_hand: Vec<u8> = (0..len).map(|i| plain[i] ^ key[(at + i) % 4]).collect();
                assert_eq!(masked, by_hand, "{len} bytes at {at}");
                assert!(apply(&mut masked, key, at));
                assert_eq!(masked, &plain[..len]);
            }
        }
    }

    #[test]
    fn one_byte_that_is_not_ascii_is_seen_wherever_it_lies() {
        for len in 1..40 {
            for at in 0..len {
                let mut bytes = vec![b'x'; len];
                bytes[at] = 0x80;
                let key = [0x91, 2, 3, 0xf4];
                apply(&mut bytes, key, 0);
                assert!(!apply(&mut bytes, key, 0), "{at} of {len}");
            }
        }
    }
}
