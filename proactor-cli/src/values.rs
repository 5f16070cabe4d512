//! Sizes, counts, times and rates, as flags take them. What is said of a bad one is put behind the flag's name by clap.

use std::time::Duration;

use proactor::Rate;

/// The longest time-out that a server has: 180 days.
const LONGEST: Duration = Duration::from_secs(180 * 24 * 60 * 60);

/// The least and the most that may be queued for a session.
const LEAST_OUTBOX: usize = 64 * 1024;
const MOST_OUTBOX: usize = 1 << 30;

const MOST_SHARDS: usize = 256;

/// Bytes: a number, or one of KiB, MiB or GiB.
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
    bytes.ok_or_else(|| "write a number of bytes, as 65536, 64KiB or 1MiB".into())
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

pub(crate) fn shards(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(shards @ 0..=MOST_SHARDS) => Ok(shards),
        _ => Err(format!("write a number from 1 to {MOST_SHARDS}, or 0 for one for every core")),
    }
}

/// A limit on how many there may be.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(count) => Ok(count),
        Err(_) => Err("write a number, as 1000".into()),
    }
}

/// A time that may not be over before it began.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let time = any_time(text)?;
    match time.is_zero() || time > LONGEST {
        true => Err("must be more than nothing and at most 180 days; without the flag there is none".into()),
        false => Ok(time),
    }
}

pub(crate) fn any_time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write a time as 500ms, 10s or 5m"))
}

/// So many a second, and so many at once: `N` or `N:BURST`.
fn rate_of(text: &str, number: impl Fn(&str) -> Result<usize, String>) -> Result<Rate, String> {
    let number = |text| match number(text).map(u32::try_from)? {
        Ok(0) => Err("a rate and its burst must be at least 1; without the flag there is no limit".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err(format!("must be at most {}", u32::MAX)),
    };
    match text.split_once(':') {
        Some((rate, burst)) => Ok(Rate::per_second(number(rate)?).burst(number(burst)?)),
        None => Ok(Rate::per_second(number(text)?)),
    }
}

pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    rate_of(text, |text| {
        text.parse().map_err(|_| "write how many a second, as 100, or with how many at once, as 100:500".into())
    })
}

pub(crate) fn byte_rate(text: &str) -> Result<Rate, String> {
    rate_of(text, |text| {
        bytes(text).map_err(|_| "write bytes a second, as 64KiB, or with how many at once, as 64KiB:1MiB".into())
    })
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
    fn rates_have_a_burst_of_a_second_unless_another_is_said() {
        assert_eq!(rate("100"), Ok(Rate::per_second(100)));
        assert_eq!(rate("100:5"), Ok(Rate::per_second(100).burst(5)));
        assert_eq!(byte_rate("64KiB:1MiB"), Ok(Rate::per_second(65_536).burst(1 << 20)));
        for text in ["", "fast", "0", "5:0", ":5", "5:", "1:2:3", "4294967296"] {
            assert!(rate(text).is_err() && byte_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_a_unit_and_a_longest() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("180days"), Ok(LONGEST));
        for text in ["0s", "181days", "10", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
        assert_eq!(any_time("0s"), Ok(Duration::ZERO));
    }
}
