use super::*;
use crate::runtime::clock;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum LineKind {
    Down,
    Up,
}

fn admit(bursts: &mut LogLimiter<LineKind>, n: usize, common: &str, now: Instant) -> bool {
    let subject = || format!("web/rs{n}");
    let fix = || Some(format!("fix rs{n}"));
    bursts.admit(LineKind::Down, common, subject, fix, now)
}

#[test]
fn first_lines_are_written_and_a_number_stands_for_the_rest() {
    let mut bursts = LogLimiter::default();
    let start = clock::monotonic();
    let at = |millis| start + Duration::from_millis(millis);
    let written = (0..400).filter(|&n| {
        let common = if n % 4 == 3 { "refused" } else { "unreachable" };
        admit(&mut bursts, n, common, at(n as u64 * 2))
    });
    assert_eq!(written.collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(bursts.take_due(at(1797)).is_empty());
    let due = bursts.take_due(at(1798));
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
    assert!(bursts.take_due(at(60_000)).is_empty());
    assert!(bursts.kinds.is_empty(), "nothing is kept for ever");
}

#[test]
fn kinds_do_not_hide_each_other_and_rare_lines_are_all_written() {
    let mut bursts = LogLimiter::default();
    let start = clock::monotonic();
    for n in 0..100 {
        assert!(admit(
            &mut bursts,
            n,
            "",
            start + Duration::from_secs(n as u64)
        ));
    }
    for n in 0..20 {
        admit(&mut bursts, n, "", start + Duration::from_secs(100));
    }
    let now = start + Duration::from_secs(100);
    assert!(bursts.admit(LineKind::Up, "", String::new, || None, now));
}

#[test]
fn endless_burst_is_told_every_ten_seconds() {
    let mut bursts = LogLimiter::default();
    let start = clock::monotonic();
    let (mut written, mut numbers) = (0, Vec::new());
    for tenth in 0..600_usize {
        let now = start + Duration::from_millis(tenth as u64 * 100);
        written += usize::from(admit(&mut bursts, tenth, "", now));
        numbers.extend(bursts.take_due(now).into_iter().map(|it| it.number));
    }
    assert!((5..=6).contains(&numbers.len()), "{numbers:?}");
    assert!(written < 80, "{written}");
    assert!(numbers.iter().all(|number| *number > 80), "{numbers:?}");
}
