//! What is offered and accepted: `Sec-WebSocket-Extensions`.

use super::{Agreed, BITS, Deflate};

const NAME: &str = "permessage-deflate";
const SERVER_KEEPS_NOTHING: &str = "server_no_context_takeover";
const CLIENT_KEEPS_NOTHING: &str = "client_no_context_takeover";
const SERVER_WINDOW: &str = "server_max_window_bits";
const CLIENT_WINDOW: &str = "client_max_window_bits";

/// The parameters of one `permessage-deflate`. A window without a value is `Some(None)`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Parameters {
    server_keeps_nothing: bool,
    client_keeps_nothing: bool,
    server_window: Option<Option<u8>>,
    client_window: Option<Option<u8>>,
}

impl Parameters {
    /// Reads one entry of the header. `None`: another extension, or not as the standard has it.
    fn parse(entry: &str) -> Option<Parameters> {
        let mut parts = entry.split(';').map(str::trim);
        if !parts.next()?.eq_ignore_ascii_case(NAME) {
            return None;
        }
        let mut parameters = Parameters::default();
        for part in parts {
            let (name, value) = match part.split_once('=') {
                Some((name, value)) => (name.trim(), Some(value.trim())),
                None => (part, None),
            };
            let is_new = match name.to_ascii_lowercase().as_str() {
                SERVER_KEEPS_NOTHING if value.is_none() => !replace(&mut parameters.server_keeps_nothing),
                CLIENT_KEEPS_NOTHING if value.is_none() => !replace(&mut parameters.client_keeps_nothing),
                SERVER_WINDOW => parameters.server_window.replace(bits(value)?).is_none(),
                CLIENT_WINDOW => parameters.client_window.replace(bits(value)?).is_none(),
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(parameters)
    }
}

fn replace(flag: &mut bool) -> bool {
    std::mem::replace(flag, true)
}

/// A number of bits, if there is a value. The outer `None`: it is none.
fn bits(value: Option<&str>) -> Option<Option<u8>> {
    let Some(value) = value else { return Some(None) };
    let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
    match unquoted.as_bytes() {
        [digit @ b'8'..=b'9'] => Some(Some(digit - b'0')),
        [b'1', digit @ b'0'..=b'5'] => Some(Some(10 + digit - b'0')),
        _ => None,
    }
}

/// The entries of the headers, which a comma within quotes does not end.
fn entries<'h>(headers: impl Iterator<Item = &'h [u8]>) -> Vec<&'h str> {
    let mut entries = Vec::new();
    for header in headers {
        let Ok(mut rest) = str::from_utf8(header) else { continue };
        let mut is_quoted = false;
        let mut at = 0;
        while let Some(byte) = rest.as_bytes().get(at) {
            match byte {
                b'"' => is_quoted = !is_quoted,
                b',' if !is_quoted => {
                    entries.push(rest[..at].trim());
                    (rest, at) = (&rest[at + 1..], 0);
                    continue;
                }
                _ => {}
            }
            at += 1;
        }
        entries.push(rest.trim());
    }
    entries
}

/// What a server agrees on: by the first offer that it can use. And what it answers.
pub(crate) fn accept<'h>(headers: impl Iterator<Item = &'h [u8]>, deflate: &Deflate) -> Option<(Agreed, String)> {
    entries(headers).into_iter().filter_map(Parameters::parse).find_map(|offer| accept_one(&offer, deflate))
}

fn accept_one(offer: &Parameters, deflate: &Deflate) -> Option<(Agreed, String)> {
    // A server's window has a value in an offer.
    let asked = match offer.server_window {
        Some(bits) => bits?,
        None => *BITS.end(),
    };
    if asked < *BITS.start() {
        return None;
    }
    let send_bits = if asked < deflate.window_bits { *BITS.start() } else { deflate.window_bits };
    let receive_bits = match offer.client_window {
        Some(bits) => bits.unwrap_or(*BITS.end()).min(deflate.peer_window_bits),
        // Its window cannot be limited.
        None if deflate.peer_window_bits < *BITS.end() => return None,
        None => *BITS.end(),
    };
    let may_keep = deflate.peer_context && !offer.client_keeps_nothing;
    let kept = if may_keep { deflate.window() } else { None };
    let mut answer = format!("{NAME}; {SERVER_KEEPS_NOTHING}");
    if kept.is_none() {
        answer.push_str(&format!("; {CLIENT_KEEPS_NOTHING}"));
    }
    if offer.server_window.is_some() || send_bits < *BITS.end() {
        answer.push_str(&format!("; {SERVER_WINDOW}={send_bits}"));
    }
    if offer.client_window.is_some() && receive_bits < *BITS.end() {
        answer.push_str(&format!("; {CLIENT_WINDOW}={receive_bits}"));
    }
    Some((Agreed { send_bits, receive_bits: receive_bits.max(*BITS.start()), kept }, answer))
}

/// What a client offers.
pub(crate) fn offer(deflate: &Deflate) -> String {
    let mut offer = format!("{NAME}; {CLIENT_KEEPS_NOTHING}; {CLIENT_WINDOW}");
    if !deflate.peer_context {
        offer.push_str(&format!("; {SERVER_KEEPS_NOTHING}"));
    }
    if deflate.peer_window_bits < *BITS.end() {
        offer.push_str(&format!("; {SERVER_WINDOW}={}", deflate.peer_window_bits));
    }
    offer
}

/// What a client makes of a server's answer. `None`: it does not fit the offer.
pub(crate) fn answered<'h>(headers: impl Iterator<Item = &'h [u8]>, deflate: &Deflate) -> Option<Agreed> {
    let [answer] = entries(headers)[..] else { return None };
    let answer = Parameters::parse(answer)?;
    let receive_bits = match answer.server_window {
        Some(bits) => bits?,
        None => *BITS.end(),
    };
    let send_bits = match answer.client_window {
        Some(bits) => bits?.min(deflate.window_bits),
        None => deflate.window_bits,
    };
    let keeps_too_much = !deflate.peer_context && !answer.server_keeps_nothing;
    if receive_bits > deflate.peer_window_bits || keeps_too_much || send_bits < *BITS.start() {
        return None;
    }
    let kept = if answer.server_keeps_nothing { None } else { Some(deflate.window()?) };
    Some(Agreed { send_bits, receive_bits: receive_bits.max(*BITS.start()), kept })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(offer: &str, deflate: &Deflate) -> Option<(u8, u8, bool, String)> {
        let (agreed, answer) = accept([offer.as_bytes()].into_iter(), deflate)?;
        let short = answer.replace("permessage-deflate", "pmd").replace("_no_context_takeover", "_none");
        Some((agreed.send_bits, agreed.receive_bits, agreed.kept.is_some(), short.replace("_max_window_bits", "_bits")))
    }

    #[test]
    fn a_server_agrees_on_what_both_can() {
        let usual = Deflate::new();
        let both = "pmd; server_none; client_none";
        for (offer, expected) in [
            ("permessage-deflate", (15, 15, both.to_owned())),
            ("permessage-deflate; client_max_window_bits", (15, 15, both.into())),
            ("x-webkit-deflate-frame, Permessage-Deflate", (15, 15, both.into())),
            ("permessage-deflate; server_max_window_bits=15", (15, 15, format!("{both}; server_bits=15"))),
            ("permessage-deflate; server_max_window_bits=12", (9, 15, format!("{both}; server_bits=9"))),
            ("permessage-deflate; server_max_window_bits=\"9\"", (9, 15, format!("{both}; server_bits=9"))),
            ("permessage-deflate; client_max_window_bits=10", (15, 10, format!("{both}; client_bits=10"))),
            ("permessage-deflate; client_max_window_bits=8", (15, 9, format!("{both}; client_bits=8"))),
            ("permessage-deflate; server_max_window_bits=8, permessage-deflate", (15, 15, both.into())),
            ("a; b=\"x, y\", permessage-deflate;server_no_context_takeover", (15, 15, both.into())),
        ] {
            let (send, receive, answer) = expected;
            assert_eq!(accepted(offer, &usual), Some((send, receive, false, answer)), "{offer}");
        }
        let small = Deflate::new().window_bits(11).peer_window_bits(10);
        let answer = "pmd; server_none; client_none; server_bits=11; client_bits=10".to_owned();
        assert_eq!(accepted("permessage-deflate; client_max_window_bits", &small), Some((11, 10, false, answer)));
        assert_eq!(accepted("permessage-deflate", &small), None, "its window cannot be limited");
    }

    #[test]
    fn offers_that_are_not_in_order_are_declined() {
        for offer in [
            "",
            "deflate",
            "permessage-deflate; unknown",
            "permessage-deflate; server_max_window_bits",
            "permessage-deflate; server_max_window_bits=7",
            "permessage-deflate; server_max_window_bits=16",
            "permessage-deflate; server_max_window_bits=09",
            "permessage-deflate; server_max_window_bits=8",
            "permessage-deflate; client_max_window_bits=x",
            "permessage-deflate; server_no_context_takeover=1",
            "permessage-deflate; client_no_context_takeover; client_no_context_takeover",
            "permessage-deflate; client_max_window_bits; client_max_window_bits=9",
            "a; b=\"permessage-deflate, permessage-deflate",
        ] {
            assert_eq!(accepted(offer, &Deflate::new()), None, "{offer}");
        }
    }

    #[test]
    fn a_client_keeps_its_window_if_it_may_and_a_place_is_left() {
        let deflate = Deflate::new().peer_context(true).max_windows(1);
        let accept_one = || accept([&b"permessage-deflate"[..]].into_iter(), &deflate).unwrap();
        let (first, answer) = accept_one();
        assert!(first.kept.is_some());
        assert_eq!(answer, "permessage-deflate; server_no_context_takeover");
        let (second, answer) = accept_one();
        assert!(second.kept.is_none());
        assert_eq!(answer, "permessage-deflate; server_no_context_takeover; client_no_context_takeover");
        drop(first);
        assert!(accept_one().0.kept.is_some(), "its place is free again");
        let nothing = "permessage-deflate; client_no_context_takeover";
        assert!(!accepted(nothing, &deflate).unwrap().2);
    }

    #[test]
    fn our_server_accepts_our_clients_offer_and_it_the_answer() {
        for server in [Deflate::new(), Deflate::new().window_bits(9), Deflate::new().peer_window_bits(9)] {
            for client in [Deflate::new(), Deflate::new().peer_context(true), Deflate::new().peer_window_bits(12)] {
                let offer = offer(&client);
                let (at_server, answer) = accept([offer.as_bytes()].into_iter(), &server).unwrap();
                let at_client = answered([answer.as_bytes()].into_iter(), &client).unwrap();
                assert!(at_server.send_bits <= at_client.receive_bits, "{offer}: {answer}");
                assert!(at_client.send_bits <= at_server.receive_bits, "{offer}: {answer}");
            }
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_the_offer_is_refused() {
        let usual = Deflate::new().peer_window_bits(12);
        let good = "permessage-deflate; server_no_context_takeover; server_max_window_bits=12";
        let is_good = |answer: &str| answered([answer.as_bytes()].into_iter(), &usual).is_some();
        assert!(is_good(good));
        for bad in [
            "permessage-deflate",
            "permessage-deflate; server_no_context_takeover",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=13",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=8",
            "permessage-deflate; server_no_context_takeover; server_max_window_bits=12; more",
            "x-other",
        ] {
            assert!(!is_good(bad), "{bad}");
        }
        assert!(!is_good(&format!("{good}, {good}")), "one extension was offered");
    }
}
