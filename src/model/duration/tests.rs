use std::time::Duration;

use super::short_duration;

#[test]
fn shows_at_most_three_significant_digits() {
    for (nanoseconds, shown) in [
        (0, "0s"),
        (7, "7ns"),
        (1_234, "1.23us"),
        (437_662, "438us"),
        (999_999, "1ms"),
        (1_200_000, "1.2ms"),
        (97_437_662, "97.4ms"),
        (400_000_000, "400ms"),
        (999_600_000, "1s"),
        (2_097_437_662, "2.1s"),
        (11_817_037_678, "11.8s"),
        (59_960_000_000, "1m"),
    ] {
        let found = short_duration(Duration::from_nanos(nanoseconds)).to_string();
        assert_eq!(found, shown, "{nanoseconds} ns");
    }
    for (seconds, shown) in [
        (60, "1m"),
        (125, "2m 5s"),
        (12 * 60 + 34, "12m"),
        (3_600, "1h"),
        (9 * 3_600 + 59 * 60, "9h 59m"),
        (23 * 3_600 + 59 * 60, "23h"),
        (3 * 86_400 + 4 * 3_600, "3d 4h"),
        (400 * 86_400, "400d"),
        (3 * 365 * 86_400, "3y"),
    ] {
        let found = short_duration(Duration::from_secs(seconds)).to_string();
        assert_eq!(found, shown, "{seconds} s");
    }
}
