//! Any conversation is read as it was written, however it is cut; and no bytes make the decoder
//! panic or hold more than it may.

use proptest::prelude::*;

use super::{Answer, Input, KEY, MOST, echo};
use crate::websocket::frame::{self, MessageKind, Opcode};

#[derive(Clone, Debug)]
enum Step {
    /// A message, its fragments' longest length, and a ping behind each fragment.
    Message(MessageKind, Vec<u8>, usize, bool),
    Ping(Vec<u8>),
    Pong,
}

fn step() -> impl Strategy<Value = Step> {
    let text = ".{0,60}".prop_map(|text: String| (MessageKind::Text, text.into_bytes()));
    let bytes = prop::collection::vec(any::<u8>(), 0..300).prop_map(|bytes| (MessageKind::Binary, bytes));
    prop_oneof![
        4 => (prop_oneof![text, bytes], 1..200_usize, any::<bool>())
            .prop_map(|((kind, message), most, pings)| Step::Message(kind, message, most, pings)),
        1 => prop::collection::vec(any::<u8>(), 0..=125).prop_map(Step::Ping),
        1 => Just(Step::Pong),
    ]
}

/// The bytes of steps, and what an echo answers.
fn written(steps: &[Step]) -> (Vec<u8>, Vec<Answer>) {
    let (mut out, mut answers) = (Vec::new(), Vec::new());
    for step in steps {
        match step {
            Step::Message(kind, message, most, pings) => {
                let mut opcode = Opcode::Message(*kind);
                let mut rest = &message[..];
                while rest.len() > *most {
                    frame::append(&mut out, opcode, false, &rest[..*most], Some(KEY));
                    (opcode, rest) = (Opcode::Continuation, &rest[*most..]);
                    if *pings {
                        frame::append(&mut out, Opcode::Ping, true, b"?", Some(KEY));
                        answers.push(super::pong("?"));
                    }
                }
                frame::append(&mut out, opcode, true, rest, Some(KEY));
                answers.push(match kind {
                    MessageKind::Text => Answer::Text(message.clone()),
                    MessageKind::Binary => Answer::Binary(message.clone()),
                });
            }
            Step::Ping(payload) => {
                frame::append(&mut out, Opcode::Ping, true, payload, Some(KEY));
                answers.push(super::pong(payload));
            }
            Step::Pong => frame::append(&mut out, Opcode::Pong, true, b"unasked", Some(KEY)),
        }
    }
    (out, answers)
}

proptest! {
    #[test]
    fn a_conversation_is_read_as_it_was_written(
        steps in prop::collection::vec(step(), 0..12),
        cuts in prop::collection::vec(1..400_usize, 1..20),
    ) {
        let (bytes, answers) = written(&steps);
        let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, behind) = rest.split_at((*cut).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        prop_assert_eq!(echo(pieces, MOST).0, answers);
    }

    #[test]
    fn any_bytes_have_the_same_answers_however_they_are_cut(
        mut bytes in prop::collection::vec(any::<u8>(), 0..200),
        begins_well in any::<bool>(),
        piece in 1..9_usize,
    ) {
        if begins_well {
            bytes = [Input::new().first("begun").0, bytes].concat();
        }
        let (whole, _) = echo([&bytes[..]], 64);
        let (cut, _) = echo(bytes.chunks(piece), 64);
        prop_assert_eq!(whole, cut);
    }
}
