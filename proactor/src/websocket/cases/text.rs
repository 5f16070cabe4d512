//! Section 6: text is UTF-8. Anything else is refused with its first wrong byte.

use super::{Answer, Input, MOST, NOT_TEXT, echo, text};

const GREEK: &str = "κόσμε";

#[test]
fn section_6_1_and_6_2_text_in_any_fragments() {
    Input::new().text("").gives("6.1.1", &[text("")]);
    Input::new().first("").next("").last("").gives("6.1.2", &[text("")]);
    Input::new().first("").next("middle frame payload").last("").gives("6.1.3", &[text("middle frame payload")]);
    let greeting = "Hello-µ@ßöäüàá-UTF-8!!";
    Input::new().text(greeting).gives("6.2.1", &[text(greeting)]);
    let (one, two) = greeting.as_bytes().split_at(12);
    Input::new().first(one).last(two).gives("6.2.2", &[text(greeting)]);
    for (case, whole) in [("6.2.3", greeting), ("6.2.4", GREEK)] {
        let bytes = whole.as_bytes();
        let (last, others) = bytes.split_last().unwrap();
        let mut input = Input::new().first("");
        for byte in others {
            input = input.next([*byte]);
        }
        input.last([*last]).gives(case, &[text(whole)]);
    }
}

#[test]
fn section_6_3_and_6_4_wrong_text_is_refused_at_once() {
    let broken = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64";
    Input::new().text(broken).gives("6.3.1", &[NOT_TEXT]);
    let mut input = Input::new().first("");
    for byte in broken {
        input = input.next([*byte]);
    }
    input.last("").gives("6.3.2", &[NOT_TEXT]);

    let (good, bad) = (GREEK.as_bytes(), b"\xf4\x90\x80\x80");
    let input = Input::new().first(good).next(bad).last("edited");
    input.gives("6.4.1", &[NOT_TEXT]);
    let input = Input::new().first([good, b"\xf4"].concat()).next(b"\x90").last("");
    input.gives("6.4.2", &[NOT_TEXT]);
    // In one frame whose rest does not come: the second byte of the bad character is the first that
    // cannot be, and nothing is waited for.
    let frame = Input::new().text([good, bad, b"edited"].concat()).0;
    let header = frame.len() - good.len() - bad.len() - 6;
    let at = header + good.len() + 1;
    for (case, end) in [("6.4.3", at + 1), ("6.4.4", frame.len())] {
        let (answers, closed) = echo(frame[..end].chunks(1), MOST);
        assert_eq!((&answers[..], closed), (&[NOT_TEXT][..], at), "{case}");
    }
    let (answers, _) = echo(frame[..at].chunks(1), MOST);
    assert!(answers.is_empty(), "what has come so far may be text");
}

#[test]
fn section_6_5_to_6_23_each_kind_of_character_and_of_fault() {
    let valid: &[(&str, &[u8])] = &[
        ("6.5.1", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
        ("6.6.2", b"\xce\xba"),
        ("6.6.5", b"\xce\xba\xe1\xbd\xb9"),
        ("6.6.7", b"\xce\xba\xe1\xbd\xb9\xcf\x83"),
        ("6.6.9", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc"),
        ("6.6.11", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"),
        ("6.7.1", b"\x00"),
        ("6.7.2", b"\xc2\x80"),
        ("6.7.3", b"\xe0\xa0\x80"),
        ("6.7.4", b"\xf0\x90\x80\x80"),
        ("6.9.1", b"\x7f"),
        ("6.9.2", b"\xdf\xbf"),
        ("6.9.3", b"\xef\xbf\xbf"),
        ("6.9.4", b"\xf4\x8f\xbf\xbf"),
        ("6.11.1", b"\xed\x9f\xbf"),
        ("6.11.2", b"\xee\x80\x80"),
        ("6.11.3", b"\xef\xbf\xbd"),
        ("6.11.4", b"\xf4\x8f\xbf\xbf"),
        ("6.22.1", b"\xef\xbf\xbe"),
        ("6.22.2", b"\xef\xbf\xbf"),
        ("6.22.3", b"\xf0\x9f\xbf\xbe"),
        ("6.22.4", b"\xf0\x9f\xbf\xbf"),
        ("6.22.5", b"\xf0\xaf\xbf\xbe"),
        ("6.22.34", b"\xf4\x8f\xbf\xbf"),
        ("6.23.1", b"\xef\xbf\xb9"),
        ("6.23.2", b"\xef\xbf\xba"),
        ("6.23.3", b"\xef\xbf\xbb"),
        ("6.23.4", b"\xef\xbf\xbc"),
        ("6.23.5", b"\xef\xbf\xbd"),
    ];
    for (case, bytes) in valid {
        Input::new().text(bytes).gives(case, &[Answer::Text(bytes.to_vec())]);
    }
    let invalid: &[(&str, &[u8])] = &[
        ("6.6.1", b"\xce"),
        ("6.6.3", b"\xce\xba\xe1"),
        ("6.6.4", b"\xce\xba\xe1\xbd"),
        ("6.6.6", b"\xce\xba\xe1\xbd\xb9\xcf"),
        ("6.6.8", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce"),
        ("6.6.10", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce"),
        ("6.8.1", b"\xf8\x88\x80\x80\x80"),
        ("6.8.2", b"\xfc\x84\x80\x80\x80\x80"),
        ("6.10.1", b"\xf7\xbf\xbf\xbf"),
        ("6.10.2", b"\xfb\xbf\xbf\xbf\xbf"),
        ("6.10.3", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
        ("6.11.5", b"\xf4\x90\x80\x80"),
        ("6.12.1", b"\x80"),
        ("6.12.2", b"\xbf"),
        ("6.12.3", b"\x80\xbf"),
        ("6.12.8", b"\x80\xbf\x80\xbf\x80\xbf\x80\xbf"),
        ("6.13.1", b"\xc0 \xc1 \xc2 \xc3 \xc4 \xc5 \xc6 \xc7 "),
        ("6.13.2", b"\xe0 \xe1 \xe2 \xe3 \xe4 \xe5 \xe6 \xe7 "),
        ("6.13.3", b"\xf0 \xf1 \xf2 \xf3 \xf4 \xf5 \xf6 \xf7 "),
        ("6.13.4", b"\xf8 \xf9 \xfa \xfb "),
        ("6.13.5", b"\xfc \xfd "),
        ("6.14.1", b"\xc0"),
        ("6.14.2", b"\xe0\x80"),
        ("6.14.3", b"\xf0\x80\x80"),
        ("6.14.6", b"\xdf"),
        ("6.14.7", b"\xef\xbf"),
        ("6.14.8", b"\xf7\xbf\xbf"),
        ("6.15.1", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80\xfc\x80\x80\x80\x80\xdf\xef\xbf"),
        ("6.16.1", b"\xfe"),
        ("6.16.2", b"\xff"),
        ("6.16.3", b"\xfe\xfe\xff\xff"),
        ("6.17.1", b"\xc0\xaf"),
        ("6.17.2", b"\xe0\x80\xaf"),
        ("6.17.3", b"\xf0\x80\x80\xaf"),
        ("6.17.4", b"\xf8\x80\x80\x80\xaf"),
        ("6.18.1", b"\xc1\xbf"),
        ("6.18.2", b"\xe0\x9f\xbf"),
        ("6.18.3", b"\xf0\x8f\xbf\xbf"),
        ("6.19.1", b"\xc0\x80"),
        ("6.19.2", b"\xe0\x80\x80"),
        ("6.20.1", b"\xed\xa0\x80"),
        ("6.20.2", b"\xed\xad\xbf"),
        ("6.20.3", b"\xed\xae\x80"),
        ("6.20.4", b"\xed\xaf\xbf"),
        ("6.20.5", b"\xed\xb0\x80"),
        ("6.20.6", b"\xed\xbe\x80"),
        ("6.20.7", b"\xed\xbf\xbf"),
        ("6.21.1", b"\xed\xa0\x80\xed\xb0\x80"),
        ("6.21.8", b"\xed\xaf\xbf\xed\xbf\xbf"),
    ];
    for (case, bytes) in invalid {
        Input::new().text(bytes).gives(case, &[NOT_TEXT]);
        Input::new().binary(bytes).gives(case, &[Answer::Binary(bytes.to_vec())]);
        // The same across two fragments.
        for cut in 1..bytes.len() {
            let (one, two) = bytes.split_at(cut);
            Input::new().first(one).last(two).gives(case, &[NOT_TEXT]);
        }
    }
}
