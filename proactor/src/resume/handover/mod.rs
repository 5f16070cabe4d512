//! Sessions that go from one node of a cluster to another, because their clients came back there.
//!
//! The new node [asks](letter) the one that made the token, again and again until a moment of its
//! own ([`fetches`]). The old node [packs](packed) the session and closes it as `Moved` at once:
//! from then on only what was packed is the session. The parts of that are asked for one by one.
//! Before the last part has left, another node that asks gets the session instead, or the old node
//! itself goes on with it; from then on the old node only says which node was given it. So at any
//! moment one node at most has it.
//!
//! [`HandOvers`] is what all shards of a node know of that.

pub(crate) mod fetches;
pub(crate) mod letter;
pub(crate) mod packed;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use overlapped::Time;

use self::letter::{Answer, Ask};
use super::token::{Name, TOKEN_BYTES, Token};
use super::wire::Afresh;
use crate::session::id::SessionId;

/// The longest session that is handed over.
pub(crate) const MOST_BYTES: usize = 4 << 20;
/// Bytes of sessions that wait here to be fetched. With more, nodes that ask have to ask again.
const MOST_HELD: usize = 64 << 20;
/// How long a node that was given one has to take it, and another may be sure that it waits.
const HOLD: Duration = Duration::from_secs(10);
/// Sessions that were given away and are known. Over it, the oldest are forgotten: a client that
/// still shows the token of one is told that there is no such session.
const MOST_KNOWN: usize = 1 << 17;
/// Bytes of one part.
const MOST_PART: usize = 64 * 1024;

/// Where the session of a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whereabouts {
    /// It came here from another node.
    Here(SessionId),
    /// It is packed, and may be taken back.
    Packed,
    /// This node was given it.
    At(u64),
    /// It came here, and could not go on.
    Nowhere,
}

/// What the shards of a node know of sessions that came or went.
#[derive(Default)]
pub(crate) struct HandOvers(Mutex<Table>);

#[derive(Default)]
struct Table {
    /// Sessions that came, by the tokens that they had elsewhere.
    came: BTreeMap<Name, (Token, SessionId)>,
    /// The names of those.
    names: BTreeMap<SessionId, Vec<Name>>,
    /// Sessions that went, in their order.
    gone: BTreeMap<u64, Gone>,
    /// Those, by their tokens.
    by_token: BTreeMap<Name, (Token, u64)>,
    /// How many went so far.
    count: u64,
    /// Those that are packed, and their bytes.
    waiting: BTreeSet<u64>,
    held: usize,
    /// Until then what is packed is sure to wait.
    hold_until: Time,
    /// Tokens whose sessions are being fetched, and how often. Whole ones: a name can be guessed.
    fetched: BTreeMap<[u8; TOKEN_BYTES], usize>,
}

/// Stands for the node that has a session which is nowhere.
const NOBODY: (u64, u64) = (0, 0);

struct Gone {
    tokens: Vec<Name>,
    /// The node that asked last, and its ticket; or [`NOBODY`].
    to: (u64, u64),
    /// That of the listener which it had. Its client may come to no other.
    mark: u64,
    packed: Option<Bytes>,
    /// How often its last part has left, or leaves at this moment. The node that it is for has it
    /// from the first time on.
    lasts: u32,
    /// It is to go on here, at this moment.
    is_taken_back: bool,
    /// Until then it is sure to wait.
    hold_until: Time,
    /// So much longer its tokens are known, and what nobody was given is there.
    window: Duration,
}

impl HandOvers {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the session of a token is, if it came here or went from here.
    pub(crate) fn find(&self, token: &Token) -> Option<Whereabouts> {
        let table = &*self.lock();
        if let Some((own, id)) = table.came.get(&token.name()) {
            return own.is(token).then_some(Whereabouts::Here(*id));
        }
        let gone = table.gone.get(&table.number(token)?)?;
        Some(match gone.lasts > 0 || gone.packed.is_none() {
            true if gone.to == NOBODY => Whereabouts::Nowhere,
            true => Whereabouts::At(gone.to.0),
            false => Whereabouts::Packed,
        })
    }

    /// A session came that had these tokens elsewhere.
    pub(crate) fn came(&self, tokens: &[Token], id: SessionId) {
        let table = &mut *self.lock();
        for token in tokens {
            // It may have gone from here before.
            table.by_token.remove(&token.name());
            table.came.insert(token.name(), (token.clone(), id));
        }
        table.names.insert(id, tokens.iter().map(Token::name).collect());
    }

    /// A session that came has ended here.
    pub(crate) fn ended(&self, id: SessionId) {
        let table = &mut *self.lock();
        for name in table.names.remove(&id).unwrap_or_default() {
            if table.came.get(&name).is_some_and(|(_, other)| *other == id) {
                table.came.remove(&name);
            }
        }
    }

    /// Makes room for a session of so many bytes to wait, if there is any: what nobody has asked
    /// for of late is forgotten, the oldest first.
    pub(crate) fn make_room(&self, bytes: usize, now: Time) -> bool {
        let table = &mut *self.lock();
        while table.held + bytes > MOST_HELD {
            let oldest = table.waiting.first().copied();
            let Some(number) = oldest.filter(|number| table.gone.get(number).is_none_or(|gone| gone.hold_until <= now))
            else {
                return false;
            };
            table.forget(number);
        }
        true
    }

    /// Whether something is packed that another node may be about to fetch.
    pub(crate) fn is_awaited(&self, now: Time) -> bool {
        let table = self.lock();
        !table.waiting.is_empty() && table.hold_until > now
    }

    /// A session with these tokens is fenced and packed for this node. Its client may show a token
    /// for as long as the window.
    pub(crate) fn went(&self, tokens: &[Token], packed: Vec<u8>, ask: &Ask, from: u64, window: Duration, now: Time) {
        let (to, mark) = ((from, ask.ticket), ask.listener);
        self.lock().goes(tokens, Some(packed.into()), to, mark, window, now);
    }

    /// A session that came with these tokens could not go on. Who asks for it is told so, and not
    /// that another node has it.
    pub(crate) fn dropped(&self, tokens: &[Token], mark: u64, window: Duration, now: Time) {
        self.lock().goes(tokens, None, NOBODY, mark, window, now);
    }

    /// Answers a node that asks for a session that went from here. Says whether it did. `longest`
    /// is the most that the answer may have, and `say` says whether it has left.
    pub(crate) fn answer(
        &self,
        ask: &Ask,
        from: u64,
        longest: usize,
        now: Time,
        say: impl FnOnce(Answer<'_>) -> bool,
    ) -> bool {
        let asks = (from, ask.ticket);
        let (number, packed, at, len) = {
            let mut locked = self.lock();
            let table = &mut *locked;
            let Some(number) = table.number(&ask.token) else { return false };
            let is_fetched = table.fetched.contains_key(&ask.token.0);
            let Some(gone) = table.gone.get_mut(&number) else { return false };
            let packed = gone.packed.clone().filter(|_| gone.lasts == 0 || gone.to == asks);
            let packed = match packed {
                _ if gone.mark != ask.listener => Err(Answer::Refused(Afresh::Unknown)),
                // It is to ask again: who takes it back is not done.
                Some(_) if gone.is_taken_back => return true,
                None if gone.to == NOBODY => Err(Answer::Refused(Afresh::Unknown)),
                // It may be on its way back.
                None if is_fetched => return true,
                None => Err(Answer::Elsewhere(gone.to.0)),
                Some(packed) => Ok(packed),
            };
            let packed = match packed {
                Ok(packed) => packed,
                Err(no) => {
                    drop(locked);
                    say(no);
                    return true;
                }
            };
            (gone.to, gone.hold_until) = (asks, now + HOLD);
            // What it has of another packing is of no use.
            let at = if ask.packing == number { ask.at } else { 0 };
            let rest = packed.len().saturating_sub(at as usize);
            let len = rest.min(MOST_PART).min(longest);
            table.hold_until = now + HOLD;
            // Under the same lock as the choice of the node: from here on no other gets it.
            gone.lasts += u32::from(len == rest && rest > 0);
            (number, packed, at, len)
        };
        let rest = packed.get(at as usize..).unwrap_or_default();
        if rest.is_empty() {
            // Nobody who has parts of it asks for that.
            say(Answer::Refused(Afresh::Unknown));
            return true;
        }
        let total = u32::try_from(packed.len()).unwrap_or(u32::MAX);
        let has_left = say(Answer::Part { packing: number, total, at, bytes: &rest[..len] });
        if len == rest.len() && !has_left {
            self.last_part_stays(number, asks);
        }
        true
    }

    /// The last part was to leave, and did not.
    fn last_part_stays(&self, number: u64, to: (u64, u64)) {
        if let Some(gone) = self.lock().gone.get_mut(&number).filter(|gone| gone.to == to) {
            gone.lasts = gone.lasts.saturating_sub(1);
        }
    }

    /// The node that was given a session by this ticket has all of it, and goes on with it or
    /// cannot. If it cannot, nobody has been given it.
    pub(crate) fn came_there(&self, token: &Token, to: (u64, u64), goes_on: bool) {
        let table = &mut *self.lock();
        if let Some(number) = table.number(token)
            && let Some(gone) = table.gone.get_mut(&number)
            && gone.to == to
            && gone.lasts > 0
        {
            match goes_on {
                true => table.unpack(number),
                false if gone.packed.is_some() => gone.lasts = 0,
                false => {}
            }
        }
    }

    /// Takes back what no other node was given: the session goes on here, if its client has come to
    /// the listener with this mark. Until [`is_back`](HandOvers::is_back) says whether it does,
    /// nobody else gets it. `None`: look again where it is.
    pub(crate) fn take_back(&self, token: &Token, mark: u64) -> Result<Option<(u64, Bytes)>, Afresh> {
        let table = &mut *self.lock();
        let Some(number) = table.number(token) else { return Ok(None) };
        let gone = table.gone.get_mut(&number).filter(|gone| gone.lasts == 0 && !gone.is_taken_back);
        let Some((gone, packed)) = gone.and_then(|gone| gone.packed.clone().map(|packed| (gone, packed))) else {
            return Ok(None);
        };
        if gone.mark != mark {
            return Err(Afresh::Unknown);
        }
        gone.is_taken_back = true;
        Ok(Some((number, packed)))
    }

    /// What was taken back goes on here, or could not.
    pub(crate) fn is_back(&self, number: u64, goes_on: bool) {
        let table = &mut *self.lock();
        match table.gone.get_mut(&number) {
            Some(_) if goes_on => table.forget(number),
            Some(gone) => gone.is_taken_back = false,
            None => {}
        }
    }

    /// This node begins or ends to fetch the session of a token.
    pub(crate) fn fetches(&self, token: &Token, begins: bool) {
        let fetched = &mut self.lock().fetched;
        let count = fetched.entry(token.0).or_default();
        *count = if begins { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            fetched.remove(&token.0);
        }
    }

    /// Whether this node fetches the session of a token: who asks for it is to ask again.
    pub(crate) fn is_fetched(&self, token: &Token) -> bool {
        self.lock().fetched.contains_key(&token.0)
    }

    /// Forgets what is over.
    pub(crate) fn expire(&self, now: Time) {
        let table = &mut *self.lock();
        let (mut given, mut over) = (Vec::new(), Vec::new());
        for (number, gone) in &table.gone {
            if gone.hold_until + gone.window <= now {
                over.push(*number);
            } else if gone.hold_until <= now && gone.lasts > 0 && gone.packed.is_some() {
                given.push(*number);
            }
        }
        given.into_iter().for_each(|number| table.unpack(number));
        over.into_iter().for_each(|number| table.forget(number));
    }
}

impl Table {
    fn goes(
        &mut self,
        tokens: &[Token],
        packed: Option<Bytes>,
        to: (u64, u64),
        mark: u64,
        window: Duration,
        now: Time,
    ) {
        self.count += 1;
        let number = self.count;
        for token in tokens {
            self.came.remove(&token.name());
            self.by_token.insert(token.name(), (token.clone(), number));
        }
        let hold_until = now + HOLD;
        if let Some(packed) = &packed {
            self.held += packed.len();
            self.waiting.insert(number);
            self.hold_until = self.hold_until.max(hold_until);
        }
        let tokens = tokens.iter().map(Token::name).collect();
        self.gone.insert(number, Gone { tokens, to, mark, packed, lasts: 0, is_taken_back: false, hold_until, window });
        while self.gone.len() > MOST_KNOWN
            && let Some(oldest) = self.gone.keys().next().copied()
        {
            self.forget(oldest);
        }
    }

    /// The number of the session that went and has this token.
    fn number(&self, token: &Token) -> Option<u64> {
        let (own, number) = self.by_token.get(&token.name())?;
        own.is(token).then_some(*number)
    }

    /// What was packed is needed no more.
    fn unpack(&mut self, number: u64) {
        if let Some(packed) = self.gone.get_mut(&number).and_then(|gone| gone.packed.take()) {
            self.held -= packed.len();
            self.waiting.remove(&number);
        }
    }

    fn forget(&mut self, number: u64) {
        self.unpack(number);
        for name in self.gone.remove(&number).map(|gone| gone.tokens).unwrap_or_default() {
            if self.by_token.get(&name).is_some_and(|(_, other)| *other == number) {
                self.by_token.remove(&name);
            }
        }
    }
}

#[cfg(test)]
mod tests;
