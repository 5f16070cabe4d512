//! Parsers for sizes, counts, times and rates. clap puts the flag's name before their errors.

use std::time::Duration;

use proactor::{Listener, Rate, ServerError};

/// The longest timeout of a server: 180 days.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// Limits of `--outbox-bytes`.
const LEAST_OUTBOX: usize = 64 * 1024;
const MOST_OUTBOX: usize = 1 << 30;

const LEAST_KEEP_ALIVE: Duration = Duration::from_secs(1);
const MOST_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
const MOST_PROBES: u32 = 127;
const MOST_USER_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

const MOST_SHARDS: usize = 256;

/// A number of bytes, or of KiB, MiB or GiB.
fn bytes(text: &str) -> Result<usize, String> {
    let end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let scale = match unit.trim_start().to_ascii_lowercase().as_str() {
        "" | "b" => Some(1),
        "k" | "kib" => Some(1 << 10),
        "m" | "mib" => Some(1 << 20),
        "g" | "gib" => Some(1 << 30),
        _ => None,
    };
    let number: Option<usize> = number.parse().ok();
    let bytes = number.zip(scale).and_then(|(number, scale)| number.checked_mul(scale));
    bytes.ok_or_else(|| "write a number of bytes: 65536, 64KiB or 1MiB".into())
}

pub(crate) fn at_least_one_byte(text: &str) -> Result<usize, String> {
    match bytes(text)? {
        0 => Err("must be at least 1 byte".into()),
        bytes => Ok(bytes),
    }
}

pub(crate) fn outbox(text: &str) -> Result<usize, String> {
    match bytes(text)? {
        bytes @ LEAST_OUTBOX..=MOST_OUTBOX => Ok(bytes),
        bytes => Err(format!("{bytes} bytes: must be at least 64KiB and at most 1GiB")),
    }
}

/// Where to listen. The text stays one: a listener has a codec, which threads do not share.
pub(crate) fn listener(text: &str) -> Result<String, ServerError> {
    text.parse::<Listener>().map(|_| text.to_owned())
}

pub(crate) fn shards(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(shards @ 0..=MOST_SHARDS) => Ok(shards),
        _ => Err(format!("write a number from 1 to {MOST_SHARDS}, or 0 for one per core")),
    }
}

/// A limit on how many there may be.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("write a number: 1000".into()),
    }
}

/// A timeout: more than zero, at most 180 days.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = any_time(text)?;
    match time.is_zero() || time > LONGEST {
        true => Err("must be more than 0 and at most 180 days; leave the option out for no timeout".into()),
        false => Ok(time),
    }
}

/// A keep-alive time: 1 s to 32,767 s.
pub(crate) fn keep_alive(text: &str) -> Result<Duration, String> {
    match any_time(text)? {
        time if time < LEAST_KEEP_ALIVE || time > MOST_KEEP_ALIVE => Err("must be 1s to 32767s".into()),
        time => Ok(time),
    }
}

/// As [`keep_alive`]; zero turns it off.
pub(crate) fn keep_alive_or_off(text: &str) -> Result<Duration, String> {
    match any_time(text)? {
        time if time.is_zero() => Ok(time),
        _ => keep_alive(text).map_err(|error| format!("{error}, or 0s to turn it off")),
    }
}

pub(crate) fn probes(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(probes @ 1..=MOST_PROBES) => Ok(probes),
        _ => Err(format!("write a number from 1 to {MOST_PROBES}")),
    }
}

/// A user timeout: what the system's number of milliseconds holds.
pub(crate) fn user_timeout(text: &str) -> Result<Duration, String> {
    match time(text)? {
        time if time > MOST_USER_TIMEOUT => Err("must be at most 2147483647ms, which is 24 days".into()),
        time => Ok(time),
    }
}

pub(crate) fn any_time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write a time: 500ms, 10s or 5m"))
}

/// A rate per second with an optional burst: `N` or `N:BURST`.
fn rate_of(text: &str, number: impl Fn(&str) -> Result<usize, String>) -> Result<Rate, String> {
    let number = |text| match number(text).map(u32::try_from)? {
        Ok(0) => Err("a rate and its burst must be at least 1; leave the option out for no limit".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("must be at most {}", u32::MAX)),
    };
    match text.split_once(':') {
        Some((rate, burst)) => Ok(Rate::per_second(number(rate)?).burst(number(burst)?)),
        None => Ok(Rate::per_second(number(text)?)),
    }
}

pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    rate_of(text, |text| text.parse().map_err(|_| "write a number per second: 100, or 100:500 with a burst".into()))
}

pub(crate) fn byte_rate(text: &str) -> Result<Rate, String> {
    rate_of(text, |text| bytes(text).map_err(|_| "write bytes per second: 64KiB, or 64KiB:1MiB with a burst".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units_of_1024() {
        for (text, expected) in
            [("1", 1), ("65536", 65_536), ("64KiB", 65_536), ("64k", 65_536), ("2 MiB", 2 << 20), ("1G", 1 << 30)]
        {
            assert_eq!(bytes(text), Ok(expected), "{text}");
        }
        for text in ["", "KiB", "1.5KiB", "-1", "1kB", "64 k b", "99999999999999999999", "18446744073709551615G"] {
            assert!(bytes(text).unwrap_err().contains("64KiB"), "{text}");
        }
        assert!(at_least_one_byte("0").is_err() && at_least_one_byte("1") == Ok(1));
        assert!(outbox("65535").is_err() && outbox("64KiB") == Ok(65_536));
        assert!(outbox("1GiB").is_ok() && outbox("1025MiB").is_err());
    }

    #[test]
    fn the_default_burst_is_one_second() {
        assert_eq!(rate("100"), Ok(Rate::per_second(100)));
        assert_eq!(rate("100:5"), Ok(Rate::per_second(100).burst(5)));
        assert_eq!(byte_rate("64KiB:1MiB"), Ok(Rate::per_second(65_536).burst(1 << 20)));
        for text in ["", "fast", "0", "5:0", ":5", "5:", "1:2:3", "4294967296"] {
            assert!(rate(text).is_err() && byte_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_need_a_unit_and_have_a_maximum() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("180days"), Ok(LONGEST));
        for text in ["0s", "181days", "10", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(any_time("0s"), Ok(Duration::ZERO));
        assert_eq!(keep_alive_or_off("0s"), Ok(Duration::ZERO));
        assert_eq!(keep_alive_or_off("60s"), keep_alive("1m"));
        for text in ["0s", "999ms", "32768s", "x"] {
            assert!(keep_alive(text).is_err(), "{text}");
        }
        assert!(keep_alive_or_off("1ms").unwrap_err().contains("0s to turn it off"));
        assert!(probes("0").is_err() && probes("128").is_err() && probes("5") == Ok(5));
        assert!(user_timeout("25days").is_err() && user_timeout("30s").is_ok());
    }
}
