//! A message between nodes: a header, then what it carries.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | version, 2 |
//! | 1 | kind: 1 a packet, 2 the end of what was published so far, 3 mail, 4 who is in a group |
//! | 8 | the publisher's number, which no other start of a node has; big-endian, as the next two |
//! | 4 | how many groups the publisher had made before this one: counting began anew then |
//! | 8 | the message's number among those of this group since then; for an end, of the next |
//! | 1 | length of the publisher's name, 1 to 64 |
//! | that | the name, in UTF-8 |
//! | the rest | the packet, as the logic broadcast it, without a frame |
//!
//! Mail is for a node, or for all; what is said of groups holds for its addresses. It goes on with
//! a byte that says what it is about. Who is in a group: `proactor/src/group/presence/text.rs`.

use bytes::Bytes;

use super::ledger::MOST_NODE_NAME_BYTES;

const VERSION: u8 = 2;
const PACKET: u8 = 1;
const END: u8 = 2;
const MAIL: u8 = 3;
const PRESENCE: u8 = 4;
const FIXED_BYTES: usize = 23;
/// The longest header.
pub(crate) const HEADER_BYTES: usize = FIXED_BYTES + MOST_NODE_NAME_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Packet,
    /// Nothing is on its way that has a lower number.
    End,
    /// For the node itself.
    Mail,
    /// Who is in a group.
    Presence,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message<'m> {
    pub(crate) kind: Kind,
    pub(crate) publisher: u64,
    pub(crate) incarnation: u32,
    pub(crate) number: u64,
    pub(crate) node: &'m str,
    pub(crate) packet: &'m [u8],
}

impl Message<'_> {
    pub(crate) fn encode(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(FIXED_BYTES + self.node.len() + self.packet.len());
        let kind = match self.kind {
            Kind::Packet => PACKET,
            Kind::End => END,
            Kind::Mail => MAIL,
            Kind::Presence => PRESENCE,
        };
        bytes.extend_from_slice(&[VERSION, kind]);
        bytes.extend_from_slice(&self.publisher.to_be_bytes());
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.number.to_be_bytes());
        bytes.push(self.node.len() as u8);
        bytes.extend_from_slice(self.node.as_bytes());
        bytes.extend_from_slice(self.packet);
        bytes.into()
    }
}

/// `None`: no node has made this.
pub(crate) fn parse(bytes: &[u8]) -> Option<Message<'_>> {
    let ([version, kind], rest) = bytes.split_first_chunk()?;
    let (publisher, rest) = rest.split_first_chunk()?;
    let (incarnation, rest) = rest.split_first_chunk()?;
    let (number, rest) = rest.split_first_chunk()?;
    let (len, rest) = rest.split_first()?;
    let (node, packet) = rest.split_at_checked(usize::from(*len))?;
    let node = std::str::from_utf8(node).ok()?;
    let is_name = !node.is_empty() && node.len() <= MOST_NODE_NAME_BYTES && !node.chars().any(char::is_control);
    if *version != VERSION || !is_name {
        return None;
    }
    let kind = match *kind {
        PACKET => Kind::Packet,
        END if packet.is_empty() => Kind::End,
        MAIL => Kind::Mail,
        PRESENCE => Kind::Presence,
        _ => return None,
    };
    let (publisher, number) = (u64::from_be_bytes(*publisher), u64::from_be_bytes(*number));
    Some(Message { kind, publisher, incarnation: u32::from_be_bytes(*incarnation), number, node, packet })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_parsed_and_every_shorter_piece_of_a_header_is_refused() {
        let message = Message {
            kind: Kind::Packet,
            publisher: 7,
            incarnation: 1 << 30,
            number: u64::MAX,
            node: "eu-1",
            packet: b"hello",
        };
        let bytes = message.encode();
        assert_eq!(parse(&bytes), Some(message));
        let header = bytes.len() - 5;
        assert!((0..header).all(|len| parse(&bytes[..len]).is_none()));
        assert_eq!(parse(&bytes[..header]), Some(Message { packet: b"", ..message }));
    }

    #[test]
    fn what_no_node_has_made_is_refused() {
        let end = Message { kind: Kind::End, publisher: 1, incarnation: 3, number: 2, node: "a", packet: b"" };
        assert_eq!(parse(&end.encode()), Some(end));
        let wrong = |at: usize, byte: u8| {
            let mut bytes = end.encode().to_vec();
            bytes[at] = byte;
            bytes
        };
        for bytes in
            [wrong(0, 1), wrong(1, 0), wrong(1, 5), wrong(22, 0), wrong(22, 2), wrong(23, 0xff), wrong(23, b'\n')]
        {
            assert_eq!(parse(&bytes), None, "{bytes:?}");
        }
        let long = "n".repeat(MOST_NODE_NAME_BYTES + 1);
        assert_eq!(parse(&Message { node: &long, ..end }.encode()), None);
        assert_eq!(parse(&[&end.encode()[..], b"x"].concat()), None, "an end has no packet");
    }
}
