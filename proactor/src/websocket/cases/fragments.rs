//! Section 5: fragments, and control frames between them.

use super::{BROKEN, DONE, Input, pong, text};

#[test]
fn section_5_control_frames_have_no_fragments() {
    Input::new().frame(0x09, "fragment1").last("fragment2").gives("5.1", &[BROKEN]);
    Input::new().frame(0x0a, "fragment1").last("fragment2").gives("5.2", &[BROKEN]);
}

#[test]
fn section_5_fragments_are_one_message_and_control_frames_may_come_between() {
    let whole = text("fragment1fragment2");
    let two = Input::new().first("fragment1").last("fragment2");
    two.gives("5.3 to 5.5", std::slice::from_ref(&whole));
    let with_ping = Input::new().first("fragment1").ping("ping").last("fragment2");
    with_ping.gives("5.6 to 5.8", &[pong("ping"), whole.clone()]);
    let with_long_ping = Input::new().first("fragment1").ping([b'p'; 125]).frame(0x8a, "pong").last("fragment2");
    with_long_ping.gives("a long ping between", &[pong([b'p'; 125]), whole.clone()]);

    let pings = Input::new()
        .first("fragment1")
        .next("fragment2")
        .ping("pongme 1!")
        .next("fragment3")
        .next("fragment4")
        .ping("pongme 2!")
        .last("fragment5");
    let all = text("fragment1fragment2fragment3fragment4fragment5");
    pings.gives("5.19 and 5.20", &[pong("pongme 1!"), pong("pongme 2!"), all]);
}

#[test]
fn section_5_a_fragment_needs_a_message_and_a_message_its_end() {
    let hello = "Hello, world!";
    let orphan = Input::new().last("non-continuation payload").text(hello);
    orphan.gives("5.9 to 5.11", &[BROKEN]);
    let orphan = Input::new().next("non-continuation payload").text(hello);
    orphan.gives("5.12 to 5.14", &[BROKEN]);
    let behind = Input::new().first("fragment1").last("fragment2").next("fragment3").text("fragment4");
    behind.gives("5.15", &[text("fragment1fragment2"), BROKEN]);
    for (case, input) in [("5.16", Input::new().next("fragment1")), ("5.17", Input::new().last("fragment1"))] {
        let input = input.first("fragment2").last("fragment3");
        input.gives(case, &[BROKEN]);
    }
    let twice = Input::new().first("fragment1").text("fragment2");
    twice.gives("5.18", &[BROKEN]);
}

#[test]
fn messages_follow_each_other_whatever_their_form() {
    let input = Input::new()
        .text("one")
        .first("")
        .ping("a")
        .last("two")
        .first("th")
        .next("")
        .last("ree")
        .ping("b")
        .text("")
        .first("")
        .last("")
        .close(1000, "");
    let answers = [text("one"), pong("a"), text("two"), text("three"), pong("b"), text(""), text(""), DONE];
    input.gives("mixed", &answers);
}
