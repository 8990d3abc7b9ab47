//! Durations and ages as people read them.

use std::fmt;
use std::time::{Duration, SystemTime};

const NANOSECONDS: u128 = 1_000_000_000;

/// A duration for people, with three significant digits at the most: `1.23ms`,
/// `400ms`, `2.1s`, `2m 5s`, `23h`, `3d 4h`. Exact values belong into JSON and metrics.
pub(crate) fn short_duration(duration: Duration) -> impl fmt::Display {
    Short(duration)
}

/// How long ago `then` was at `now`, to the second: `3d 4h`, `12s`.
pub(crate) fn age(then: SystemTime, now: SystemTime) -> String {
    let age = now.duration_since(then).unwrap_or(Duration::ZERO);
    short_duration(Duration::from_secs(age.as_secs())).to_string()
}

struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = self.0.as_nanos();
        let rounded = three_digits(exact);
        if rounded < 60 * NANOSECONDS {
            return below_a_minute(rounded, f);
        }
        let seconds = self.0.as_secs().max(60);
        let minutes = seconds / 60;
        let (hours, days) = (minutes / 60, minutes / 60 / 24);
        match (days, hours, minutes) {
            (0, 0, _) => two_units(f, minutes, 'm', seconds % 60, 's'),
            (0, ..) => two_units(f, hours, 'h', minutes % 60, 'm'),
            (..730, ..) => two_units(f, days, 'd', hours % 24, 'h'),
            _ => write!(f, "{}y", days / 365),
        }
    }
}

/// Rounded to three digits.
fn three_digits(number: u128) -> u128 {
    let mut unit = 1;
    while number / unit >= 1000 {
        unit *= 10;
    }
    (number + unit / 2) / unit * unit
}

fn below_a_minute(nanoseconds: u128, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (unit, name) = match nanoseconds {
        0 => return f.write_str("0s"),
        1..1_000 => (1, "ns"),
        1_000..1_000_000 => (1_000, "us"),
        1_000_000..NANOSECONDS => (1_000_000, "ms"),
        NANOSECONDS.. => (NANOSECONDS, "s"),
    };
    let (whole, rest) = (nanoseconds / unit, nanoseconds % unit * 1000 / unit);
    let decimals = format!("{rest:03}");
    match decimals.trim_end_matches('0') {
        "" => write!(f, "{whole}{name}"),
        decimals => write!(f, "{whole}.{decimals}{name}"),
    }
}

/// The second unit counts for little beside two digits of the first.
fn two_units(
    f: &mut fmt::Formatter<'_>,
    first: u64,
    first_name: char,
    second: u64,
    second_name: char,
) -> fmt::Result {
    if first >= 10 || second == 0 {
        write!(f, "{first}{first_name}")
    } else {
        write!(f, "{first}{first_name} {second}{second_name}")
    }
}

#[cfg(test)]
mod tests;
