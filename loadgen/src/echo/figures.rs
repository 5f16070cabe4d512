//! Numbers for people.

/// With a comma at every thousand.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things that are called so, one by one.
pub fn counted(number: u64, what: &str) -> String {
    format!("{} {what}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// So many a second.
pub fn rate(per_second: f64) -> String {
    if per_second < 100.0 { format!("{per_second:.1}") } else { grouped(per_second.round() as u64) }
}

/// Microseconds, to three digits or more.
pub fn time(us: f64) -> String {
    match us {
        _ if us < 9.95 => format!("{us:.1} µs"),
        _ if us < 999.5 => format!("{us:.0} µs"),
        _ if us < 9_995.0 => format!("{:.2} ms", us / 1e3),
        _ if us < 99_950.0 => format!("{:.1} ms", us / 1e3),
        _ if us < 999_500.0 => format!("{:.0} ms", us / 1e3),
        _ => format!("{:.2} s", us / 1e6),
    }
}

pub fn bytes(bytes: f64) -> String {
    match bytes {
        _ if bytes < 999.5 => format!("{bytes:.0} B"),
        _ if bytes < 999_500.0 => format!("{:.1} kB", bytes / 1e3),
        _ if bytes < 999.5e6 => format!("{:.1} MB", bytes / 1e6),
        _ => format!("{:.2} GB", bytes / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shortened() {
        assert_eq!([0, 12, 999, 1_000, 1_234_567].map(grouped), ["0", "12", "999", "1,000", "1,234,567"]);
        assert_eq!([0.25, 99.94, 123_456.7].map(rate), ["0.2", "99.9", "123,457"]);
        let times = [1.25, 12.3, 999.4, 999.6, 1_234.0, 12_345.0, 123_456.0, 999_600.0, 61e6].map(time);
        assert_eq!(
            times,
            ["1.2 µs", "12 µs", "999 µs", "1.00 ms", "1.23 ms", "12.3 ms", "123 ms", "1.00 s", "61.00 s"]
        );
        assert_eq!([64.0, 1_500.0, 2e6, 5e9].map(bytes), ["64 B", "1.5 kB", "2.0 MB", "5.00 GB"]);
    }
}
