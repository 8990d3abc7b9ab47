use super::*;
use crate::runtime::clock;

fn admit(limiter: &mut LogLimiter, n: usize, common: &str, now: Instant) -> bool {
    let subject = || format!("web/rs{n}");
    let fix = || Some(format!("fix rs{n}"));
    limiter.admit(LineKind::Down, common, subject, fix, now)
}

#[test]
fn first_lines_are_written_and_a_number_stands_for_the_rest() {
    let mut limiter = LogLimiter::default();
    let start = clock::monotonic();
    let at = |millis| start + Duration::from_millis(millis);
    let written = (0..400).filter(|&n| {
        let common = if n % 4 == 3 { "refused" } else { "unreachable" };
        admit(&mut limiter, n, common, at(n as u64 * 2))
    });
    assert_eq!(written.collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(limiter.take_due(at(1797)).is_empty());
    let due = limiter.take_due(at(1798));
    let summary = |common: &str, number, named: &str, first: usize| Summary {
        kind: LineKind::Down,
        common: common.to_owned(),
        number,
        named: named.to_owned(),
        fix: Some(format!("fix rs{first}")),
    };
    assert_eq!(
        due,
        [
            summary("refused", 98, "web/rs11, web/rs15, web/rs19", 11),
            summary("unreachable", 292, "web/rs10, web/rs12, web/rs13", 10),
        ]
    );
    assert!(limiter.take_due(at(60_000)).is_empty());
    assert!(limiter.kinds.is_empty(), "nothing is kept for ever");
}

#[test]
fn kinds_do_not_hide_each_other_and_rare_lines_are_all_written() {
    let mut limiter = LogLimiter::default();
    let start = clock::monotonic();
    for n in 0..100 {
        assert!(admit(
            &mut limiter,
            n,
            "",
            start + Duration::from_secs(n as u64)
        ));
    }
    for n in 0..20 {
        admit(&mut limiter, n, "", start + Duration::from_secs(100));
    }
    let now = start + Duration::from_secs(100);
    assert!(limiter.admit(LineKind::Up, "", String::new, || None, now));
}

#[test]
fn endless_burst_is_told_every_ten_seconds() {
    let mut limiter = LogLimiter::default();
    let start = clock::monotonic();
    let (mut written, mut numbers) = (0, Vec::new());
    for tenth in 0..600_usize {
        let now = start + Duration::from_millis(tenth as u64 * 100);
        written += usize::from(admit(&mut limiter, tenth, "", now));
        numbers.extend(limiter.take_due(now).into_iter().map(|it| it.number));
    }
    assert!((5..=6).contains(&numbers.len()), "{numbers:?}");
    assert!(written < 80, "{written}");
    assert!(numbers.iter().all(|number| *number > 80), "{numbers:?}");
}
