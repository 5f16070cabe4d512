//! What nodes tell each other of who is in a group.
//!
//! | bytes | meaning |
//! |---|---|
//! | 1 | 1 changes, 2 all that are there, 3 a question for all that are there |
//!
//! A question goes on with the number of the node that is asked, in 8 bytes, or 0 for all. The
//! others go on with how many members there are, and how many of them have no key, in 4 bytes each;
//! then for each key its length in 2, the key, and in 4 how many members have it: of changes 0 for
//! one that has left. All are big-endian.

use bytes::Bytes;

use super::part::Part;
use crate::registry::MOST_NAME_BYTES;

const CHANGES: u8 = 1;
const ALL: u8 = 2;
const QUESTION: u8 = 3;
/// A page has at most so many bytes of keys.
const MOST_PAGE_BYTES: usize = 384 * 1024;
const HEAD_BYTES: usize = 9;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Text<'t> {
    Changes(Page<'t>),
    All(Page<'t>),
    /// Of a node; 0 for all.
    Question(u64),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'t> {
    pub(super) members: u32,
    pub(super) unnamed: u32,
    /// Keys and counts.
    entries: &'t [u8],
}

impl<'t> Page<'t> {
    pub(super) fn keys(&self) -> impl Iterator<Item = (&'t [u8], u32)> + use<'t> {
        let mut entries = self.entries;
        std::iter::from_fn(move || {
            let (entry, rest) = first_of(entries)?;
            entries = rest;
            Some(entry)
        })
    }
}

type Entry<'t> = (&'t [u8], u32);

fn first_of(entries: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (len, rest) = entries.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*len)))?;
    let (count, rest) = rest.split_first_chunk()?;
    (key.len() <= MOST_NAME_BYTES).then_some(((key, u32::from_be_bytes(*count)), rest))
}

/// `None`: no node has made this.
pub(super) fn parse(text: &[u8]) -> Option<Text<'_>> {
    let (kind, rest) = text.split_first()?;
    if *kind == QUESTION {
        return rest.try_into().ok().map(|node| Text::Question(u64::from_be_bytes(node)));
    }
    let (members, rest) = rest.split_first_chunk()?;
    let (unnamed, entries) = rest.split_first_chunk()?;
    let mut left = entries;
    while !left.is_empty() {
        left = first_of(left)?.1;
    }
    let page = Page { members: u32::from_be_bytes(*members), unnamed: u32::from_be_bytes(*unnamed), entries };
    match *kind {
        CHANGES => Some(Text::Changes(page)),
        ALL => Some(Text::All(page)),
        _ => None,
    }
}

pub(super) fn question(node: u64) -> Vec<u8> {
    [&[QUESTION], &node.to_be_bytes()[..]].concat()
}

/// All of a part, as far as there is room for its keys.
pub(super) fn all(part: &Part, most_bytes: usize) -> Vec<u8> {
    let mut text = head(ALL, part);
    let most = most_bytes.min(MOST_PAGE_BYTES);
    for (key, count) in part.keys() {
        if text.len() + entry_bytes(key) <= most {
            add(&mut text, key, count);
        }
    }
    text
}

/// What became of some keys of a part: as many texts as are needed.
pub(super) fn changes<'k>(part: &Part, keys: impl Iterator<Item = &'k Bytes>, most_bytes: usize) -> Vec<Vec<u8>> {
    let most = most_bytes.min(MOST_PAGE_BYTES);
    let mut texts = vec![head(CHANGES, part)];
    for key in keys {
        if texts.last().is_some_and(|text| text.len() + entry_bytes(key) > most) {
            texts.push(head(CHANGES, part));
        }
        if let Some(text) = texts.last_mut()
            && text.len() + entry_bytes(key) <= most
        {
            add(text, key, part.count_of(key));
        }
    }
    texts
}

fn head(kind: u8, part: &Part) -> Vec<u8> {
    let mut text = Vec::with_capacity(HEAD_BYTES);
    text.push(kind);
    text.extend_from_slice(&part.members().to_be_bytes());
    text.extend_from_slice(&part.unnamed().to_be_bytes());
    text
}

fn entry_bytes(key: &[u8]) -> usize {
    2 + key.len() + 4
}

fn add(text: &mut Vec<u8>, key: &[u8], count: u32) {
    text.extend_from_slice(&(key.len() as u16).to_be_bytes());
    text.extend_from_slice(key);
    text.extend_from_slice(&count.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part() -> Part {
        let mut part = Part::default();
        ["ann", "ben", "ann"].map(Bytes::from).iter().for_each(|key| part.join(Some(key)));
        part.join(None);
        part
    }

    #[test]
    fn what_is_told_is_parsed_and_no_piece_of_it_is() {
        let text = all(&part(), usize::MAX);
        let Some(Text::All(page)) = parse(&text) else { panic!("{text:?}") };
        assert_eq!((page.members, page.unnamed), (4, 1));
        assert_eq!(page.keys().collect::<Vec<_>>(), [(&b"ann"[..], 2), (b"ben", 1)]);
        let whole = [HEAD_BYTES, HEAD_BYTES + entry_bytes(b"ann"), text.len()];
        assert!((0..=text.len()).all(|len| parse(&text[..len]).is_some() == whole.contains(&len)));
        assert_eq!(parse(&question(7)), Some(Text::Question(7)));
        assert!(parse(&question(7)[..8]).is_none() && parse(&[4, 0, 0, 0, 0, 0, 0, 0, 0]).is_none());
        let long = [&text[..HEAD_BYTES], &1025_u16.to_be_bytes(), &[b'x'; 1025], &[0; 4]].concat();
        assert_eq!(parse(&long), None, "no key is so long");
    }

    #[test]
    fn changes_take_as_many_texts_as_they_need_and_what_has_left_counts_zero() {
        let keys = ["ann", "ben", "zoe"].map(Bytes::from);
        let texts = changes(&part(), keys.iter(), HEAD_BYTES + 2 * entry_bytes(b"ann"));
        let of = |text: &Vec<u8>| match parse(text) {
            Some(Text::Changes(page)) => page.keys().map(|(key, count)| (key.to_vec(), count)).collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        let told: Vec<_> = texts.iter().map(of).collect();
        assert_eq!(told, [vec![(b"ann".to_vec(), 2), (b"ben".to_vec(), 1)], vec![(b"zoe".to_vec(), 0)]]);
        assert_eq!(all(&part(), HEAD_BYTES + entry_bytes(b"ann")).len(), HEAD_BYTES + entry_bytes(b"ann"));
    }
}
