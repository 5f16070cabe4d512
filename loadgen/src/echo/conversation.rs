//! One connection's messages, and the check of their answers, in order. Knows no socket and no
//! clock.

use proactor::codec::{Assembly, FrameError, Framing};

use super::fault::{Fault, FaultKind};
use super::script::{Expected, Script};

pub(crate) struct Conversation {
    key: u64,
    codec: Framing,
    assembly: Assembly,
    /// Messages said.
    said: u64,
    /// Messages answered, whole.
    answered: u64,
    /// With raw, where a message's answer is counted by its bytes: those of the one that has not
    /// all come.
    within: usize,
}

impl Conversation {
    pub(crate) fn new(script: &Script, connection: usize) -> Conversation {
        Conversation {
            key: script.key(connection),
            codec: script.codec.clone(),
            assembly: Assembly::new(),
            said: 0,
            answered: 0,
            within: 0,
        }
    }

    pub(crate) fn said(&self) -> u64 {
        self.said
    }

    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.said - self.answered
    }

    /// Says the next message: appends its frame.
    pub(crate) fn say(&mut self, script: &Script, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        script.say(self.key, self.said, &mut self.codec, scratch, out);
        self.said += 1;
    }

    /// Takes what has come, and says how many messages are answered by it.
    ///
    /// # Errors
    /// It is not what it should be. The conversation is over then.
    pub(crate) fn hear(&mut self, script: &Script, mut piece: &[u8]) -> Result<u64, Fault> {
        let before = self.answered;
        if let Framing::Raw(_) = self.codec {
            self.hear_bytes(script, piece)?;
            return Ok(self.answered - before);
        }
        loop {
            let packet = match self.assembly.next(&mut self.codec, &mut piece) {
                Ok(Some(packet)) => packet,
                Ok(None) => break,
                Err(error) => return Err(no_answer(script, self.answered, error)),
            };
            if self.answered == self.said {
                return Err(unasked(self.said, "packet"));
            }
            if script.expected == Expected::Echo {
                if packet.len() != script.size {
                    let text =
                        format!("message {} of {} bytes came back with {}", self.answered, script.size, packet.len());
                    return Err(Fault::new(FaultKind::WrongAnswer, text));
                }
                script.check(self.key, self.answered, 0, &packet)?;
            }
            self.answered += 1;
        }
        Ok(self.answered - before)
    }

    fn hear_bytes(&mut self, script: &Script, mut bytes: &[u8]) -> Result<(), Fault> {
        while !bytes.is_empty() {
            if self.answered == self.said {
                return Err(unasked(self.said, "byte"));
            }
            let (now, rest) = bytes.split_at((script.size - self.within).min(bytes.len()));
            script.check(self.key, self.answered, self.within, now)?;
            self.within += now.len();
            if self.within == script.size {
                (self.within, self.answered) = (0, self.answered + 1);
            }
            bytes = rest;
        }
        Ok(())
    }
}

fn unasked(said: u64, what: &str) -> Fault {
    Fault::new(FaultKind::UnaskedAnswer, format!("a {what} came after the answers to all {said} messages"))
}

fn no_answer(script: &Script, message: u64, error: FrameError) -> Fault {
    let text = match error {
        FrameError::TooLarge { .. } if script.expected == Expected::Echo => {
            format!("message {message} of {} bytes came back longer", script.size)
        }
        error => format!("message {message}: {error}"),
    };
    Fault::new(FaultKind::WrongAnswer, text)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proactor::codec::{Fixed, LengthPrefixed, Lines, Raw};

    use super::super::script::Content;
    use super::super::script::tests::script;
    use super::*;

    fn scripts() -> [Script; 5] {
        [
            script(Raw, Content::Random, 100),
            script(Lines::new().max_line(100), Content::Printable, 100),
            script(LengthPrefixed::u32().max_packet(100), Content::Random, 100),
            script(LengthPrefixed::u16().max_packet(100), Content::Random, 100),
            script(Fixed::new(100), Content::Random, 100),
        ]
    }

    /// A conversation that has said so many messages, and what.
    fn after(script: &Script, messages: usize) -> (Conversation, Vec<u8>) {
        let (mut conversation, mut out) = (Conversation::new(script, 1), Vec::new());
        (0..messages).for_each(|_| conversation.say(script, &mut Vec::new(), &mut out));
        (conversation, out)
    }

    #[test]
    fn echoes_in_pieces_of_any_length_answer_every_message_once() {
        for script in scripts() {
            for piece in [1, 3, 99, 100, 101, 250, 10_000] {
                let (mut conversation, out) = after(&script, 20);
                assert_eq!(conversation.under_way(), 20);
                let answers: u64 = out.chunks(piece).map(|piece| conversation.hear(&script, piece).unwrap()).sum();
                assert_eq!((answers, conversation.under_way()), (20, 0), "{:?} in pieces of {piece}", script.codec);
            }
        }
    }

    #[test]
    fn a_wrong_byte_anywhere_is_a_wrong_answer() {
        for script in scripts() {
            let (_, out) = after(&script, 3);
            for at in 0..out.len() {
                let (mut conversation, mut out) = after(&script, 3);
                out[at] ^= 1;
                let heard = conversation.hear(&script, &out);
                // A header may also ask for more than ever comes, which is no answer.
                let kind = heard.as_ref().map_err(|fault| fault.kind);
                assert!(
                    kind == Err(FaultKind::WrongAnswer) || kind.is_ok_and(|answers| *answers < 3),
                    "{:?} at {at}: {heard:?}",
                    script.codec
                );
            }
        }
    }

    #[test]
    fn bytes_beyond_the_messages_are_no_answer() {
        for script in scripts() {
            let (mut conversation, mut out) = after(&script, 2);
            out.extend_from_within(..out.len() / 2);
            let fault = conversation.hear(&script, &out).unwrap_err();
            assert_eq!(fault.kind, FaultKind::UnaskedAnswer, "{fault}");
        }
    }

    #[test]
    fn answers_in_another_order_or_of_another_connection_are_wrong() {
        for script in scripts() {
            let (mut conversation, out) = after(&script, 2);
            let (first, second) = out.split_at(out.len() / 2);
            let fault = conversation.hear(&script, &[second, first].concat()).unwrap_err();
            assert_eq!(fault.kind, FaultKind::WrongAnswer);
            let (mut others, mut of_others) = (Conversation::new(&script, 2), Vec::new());
            others.say(&script, &mut Vec::new(), &mut of_others);
            let (mut conversation, _) = after(&script, 1);
            assert_eq!(conversation.hear(&script, &of_others).unwrap_err().kind, FaultKind::WrongAnswer);
        }
    }

    #[test]
    fn any_answer_will_do_where_that_is_asked_for_but_there_has_to_be_one() {
        let content = Content::Same(Arc::from(*b"PING"));
        let script = Script { expected: Expected::Any, ..script(Lines::new().max_line(100), content, 4) };
        let (mut conversation, out) = after(&script, 2);
        assert_eq!(out, b"PING\nPING\n");
        assert_eq!(conversation.hear(&script, b"PONG\r\n\nx").unwrap(), 2);
        assert_eq!(conversation.hear(&script, b"\n").unwrap_err().kind, FaultKind::UnaskedAnswer);
    }
}
