//! CRC-32C (Castagnoli), as the header's checksum field uses it. Headers are short and few, so no
//! table is worth its place.

/// The checksum of all parts, one after the other.
pub(super) fn crc32c<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let bytes = parts.into_iter().flatten();
    !bytes.fold(!0, |sum: u32, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (POLYNOMIAL & 0u32.wrapping_sub(sum & 1)))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(super::crc32c([&b"1234"[..], b"56789"]), 0xe306_9283);
        assert_eq!(super::crc32c([&[0u8; 32][..]]), 0x8a91_36aa, "RFC 3720, B.4");
    }
}
