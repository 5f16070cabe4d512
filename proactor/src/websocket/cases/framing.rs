//! Sections 1 (framing), 2 (pings and pongs), 3 (reserved bits), 4 (opcodes) and 7 (close).

use super::{Answer, BROKEN, DONE, Input, NOT_TEXT, pong, text};

const SIZES: [usize; 7] = [0, 125, 126, 127, 128, 65_535, 65_536];

#[test]
fn section_1_messages_of_every_form_of_length() {
    for (index, size) in SIZES.into_iter().enumerate() {
        let payload = vec![b'*'; size];
        let input = Input::new().text(&payload).close(1000, "");
        input.gives(&format!("1.1.{}", index + 1), &[text(&payload), DONE]);
        let payload = vec![0xfe; size];
        let input = Input::new().binary(&payload).close(1000, "");
        input.gives(&format!("1.2.{}", index + 1), &[Answer::Binary(payload.clone()), DONE]);
        input.gives_in_pieces("1.2.8", 997, &[Answer::Binary(payload), DONE]);
    }
    let payload = vec![b'*'; 65_536];
    Input::new().text(&payload).gives_in_pieces("1.1.8", 997, &[text(&payload)]);
}

#[test]
fn section_2_pings_are_answered_and_pongs_are_not() {
    let binary = b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff";
    Input::new().ping("").gives("2.1", &[pong("")]);
    Input::new().ping("Hello, world!").gives("2.2", &[pong("Hello, world!")]);
    Input::new().ping(binary).gives("2.3", &[pong(binary)]);
    Input::new().ping([0xfe; 125]).gives("2.4 and 2.6", &[pong([0xfe; 125])]);
    Input::new().ping([0xfe; 126]).gives("2.5", &[BROKEN]);
    Input::new().frame(0x8a, "").close(1000, "").gives("2.7", &[DONE]);
    Input::new().frame(0x8a, "unasked").close(1000, "").gives("2.8", &[DONE]);
    Input::new().frame(0x8a, "unasked").ping("asked").close(1000, "").gives("2.9", &[pong("asked"), DONE]);
    let (mut input, mut answers) = (Input::new(), Vec::new());
    for index in 0..10 {
        let payload = format!("payload-{index}");
        input = input.ping(&payload);
        answers.push(pong(&payload));
    }
    input.gives("2.10 and 2.11", &answers);
}

#[test]
fn section_3_reserved_bits_are_refused() {
    let hello = "Hello, world!";
    Input::new().frame(0x81 | 0x40, hello).gives("3.1", &[BROKEN]);
    let input = Input::new().text(hello).frame(0x81 | 0x20, hello).ping("");
    input.gives("3.2", &[text(hello), BROKEN]);
    let input = Input::new().text(hello).frame(0x81 | 0x30, hello).ping("");
    input.gives("3.3", &[text(hello), BROKEN]);
    let input = Input::new().text(hello).frame(0x81 | 0x40, hello).ping("");
    input.gives("3.4", &[text(hello), BROKEN]);
    Input::new().frame(0x82 | 0x50, [0xff]).gives("3.5", &[BROKEN]);
    Input::new().frame(0x89 | 0x60, hello).gives("3.6", &[BROKEN]);
    Input::new().frame(0x88 | 0x70, "").gives("3.7", &[BROKEN]);
}

#[test]
fn section_4_reserved_opcodes_are_refused() {
    let hello = "Hello, world!";
    for (section, opcodes) in [(1, [3, 4, 5, 6, 7]), (2, [11, 12, 13, 14, 15])] {
        for (index, opcode) in opcodes.into_iter().enumerate() {
            let case = format!("4.{section}.{}", index + 1);
            Input::new().frame(0x80 | opcode, "").gives(&case, &[BROKEN]);
            let input = Input::new().text(hello).frame(0x80 | opcode, hello).ping("");
            input.gives(&case, &[text(hello), BROKEN]);
        }
    }
}

#[test]
fn section_7_closing() {
    let hello = "Hello, world!";
    Input::new().text(hello).close(1000, "").gives("7.1.1", &[text(hello), DONE]);
    Input::new().close(1000, "").close(1000, "").gives("7.1.2", &[DONE]);
    Input::new().close(1000, "").ping("").gives("7.1.3", &[DONE]);
    Input::new().close(1000, "").text(hello).gives("7.1.4", &[DONE]);
    Input::new().first("fragment1").close(1000, "").last("fragment2").gives("7.1.5", &[DONE]);
    let long = vec![b'*'; 256 * 1024];
    Input::new().text(&long).close(1000, "").ping("").gives("7.1.6", &[text(&long), DONE]);
    Input::new().close(1000, "").frame(0xff, "garbage").gives("after the close", &[DONE]);

    Input::new().frame(0x88, "").gives("7.3.1", &[Answer::Close(None)]);
    Input::new().frame(0x88, "a").gives("7.3.2", &[BROKEN]);
    Input::new().close(1000, "").gives("7.3.3", &[DONE]);
    Input::new().close(1000, hello).gives("7.3.4", &[DONE]);
    Input::new().close(1000, &"*".repeat(123)).gives("7.3.5", &[DONE]);
    Input::new().close(1000, &"*".repeat(124)).gives("7.3.6", &[BROKEN]);

    let broken = b"\x03\xe8\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited";
    Input::new().frame(0x88, broken).gives("7.5.1", &[NOT_TEXT]);

    let valid = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    for (index, code) in valid.into_iter().enumerate() {
        Input::new().close(code, "").gives(&format!("7.7.{}", index + 1), &[Answer::Close(Some(code))]);
    }
    let invalid = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999];
    for (index, code) in invalid.into_iter().enumerate() {
        Input::new().close(code, "").gives(&format!("7.9.{}", index + 1), &[BROKEN]);
    }
    Input::new().close(5000, "").gives("7.13.1", &[BROKEN]);
    Input::new().close(65_535, "").gives("7.13.2", &[BROKEN]);
}

#[test]
fn a_clients_frame_that_is_not_masked_is_refused() {
    Input(b"\x81\x05Hello".to_vec()).gives("unmasked", &[BROKEN]);
    Input(b"\x88\x00".to_vec()).gives("unmasked close", &[BROKEN]);
}

#[test]
fn a_request_behind_the_upgrade_is_no_frame() {
    let request = b"GET /admin HTTP/1.1\r\nHost: internal\r\n\r\n";
    Input(request.to_vec()).gives("smuggled", &[BROKEN]);
    Input(b"POST / HTTP/1.1\r\n\r\n".to_vec()).gives("smuggled", &[BROKEN]);
}
