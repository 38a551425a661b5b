//! Sizes and times as people read them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];

/// A number of bytes: `714 MiB`, `4.2 KiB`, `17 B`.
pub(crate) fn bytes(count: u64) -> String {
    if count < 1024 {
        return format!("{count} B");
    }
    // Whole tenths, so that no rounding of floats decides what is shown.
    let mut tenths = count.saturating_mul(10) / 1024;
    let mut unit = 0;
    while tenths >= 10 * 1024 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("PiB");
    match (tenths / 10, tenths % 10) {
        (whole @ 0..10, tenth) => format!("{whole}.{tenth} {name}"),
        (whole, _) => format!("{whole} {name}"),
    }
}

/// A number with its thousands apart: `28,911`.
pub(crate) fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How long something took: `850 ms`, `2.1s`, `3m 20s`.
pub(crate) fn duration(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{} ms", time.as_millis()),
        s @ 1..10 => format!("{s}.{}s", time.subsec_millis() / 100),
        s @ 10..60 => format!("{s}s"),
        s => format!("{}m {}s", s / 60, s % 60),
    }
}

/// A time as docker writes it beside others: `2026-11-27 22:02:37 +0000 UTC`.
pub(crate) fn docker_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string()
}

/// How long ago, in docker's words: `3 minutes`, `About an hour`, `2 weeks`.
///
/// Source: docker's go-units, `HumanDuration`; scripts and people expect these very words.
pub(crate) fn age(from: Timestamp, now: Timestamp) -> String {
    let age = now.duration_since(from).max(SignedDuration::ZERO);
    let (seconds, minutes, hours) = (age.as_secs(), age.as_mins(), age.as_hours());
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (s @ 2..60, ..) => format!("{s} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, m @ 2..60, _) => format!("{m} minutes"),
        (.., 1) => "About an hour".to_owned(),
        (.., h @ 2..48) => format!("{h} hours"),
        (.., h @ 48..336) => format!("{} days", h / 24),
        (.., h @ 336..1440) => format!("{} weeks", h / 24 / 7),
        (.., h @ 1440..17520) => format!("{} months", h / 24 / 30),
        (.., h) => format!("{} years", h / 24 / 365),
    }
}

/// A time that an image or a record states, if it is one.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.0 KiB");
        assert_eq!(bytes(10 * 1024), "10 KiB");
        assert_eq!(bytes(1_500_000), "1.4 MiB");
        assert_eq!(bytes(714 << 20), "714 MiB");
        assert!(bytes(u64::MAX).ends_with("PiB"));
    }

    #[test]
    fn numbers() {
        assert_eq!(thousands(7), "7");
        assert_eq!(thousands(28_911), "28,911");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }

    #[test]
    fn ages_are_dockers() {
        let ago = |s: i64| age(Timestamp::UNIX_EPOCH, Timestamp::from_second(s).unwrap());
        assert_eq!(ago(0), "Less than a second");
        assert_eq!(ago(59), "59 seconds");
        assert_eq!(ago(60), "About a minute");
        assert_eq!(ago(3600), "About an hour");
        assert_eq!(ago(47 * 3600), "47 hours");
        assert_eq!(ago(72 * 3600), "3 days");
        assert_eq!(ago(21 * 86400), "3 weeks");
        assert_eq!(ago(90 * 86400), "3 months");
        assert_eq!(ago(3 * 365 * 86400), "3 years");
    }

    #[test]
    fn durations() {
        assert_eq!(duration(Duration::from_millis(850)), "850 ms");
        assert_eq!(duration(Duration::from_millis(2_149)), "2.1s");
        assert_eq!(duration(Duration::from_secs(200)), "3m 20s");
    }
}
