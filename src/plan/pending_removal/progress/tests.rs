use super::*;
use crate::runtime::clock;

const DEADLINE: Duration = Duration::from_mins(1);

fn facts(on_removal: DirectorRemoval, service: &str) -> RemovalFacts {
    RemovalFacts {
        rule: DrainRule::of(service.parse().unwrap()),
        on_removal,
        has_weight: false,
        is_replaced: true,
        others_have_weight: true,
    }
}

fn tcp(on_removal: DirectorRemoval) -> RemovalFacts {
    facts(on_removal, "tcp 192.0.2.1:80")
}

/// A removal that begins at `now`, with so many active connections.
fn removal(now: Instant, active: u32) -> RemovalProgress {
    let mut progress = RemovalProgress::new(now + DEADLINE);
    progress.connections.active = active;
    progress
}

/// What is due at each of these times.
fn steps(
    mut progress: RemovalProgress,
    facts: RemovalFacts,
    times: &[Instant],
) -> Vec<RemovalStep> {
    let steps = times.iter().map(|now| progress.next_step(facts, *now));
    steps.collect()
}

#[test]
fn real_server_with_a_weight_keeps_it_until_it_is_replaced_or_others_serve_at_the_deadline() {
    let now = clock::monotonic();
    let times = [now, now + DEADLINE];
    for on_removal in [DirectorRemoval::Drain, DirectorRemoval::Remove] {
        for (is_replaced, others_have_weight, expected) in [
            (true, true, [RemovalStep::Quiesce, RemovalStep::Quiesce]),
            (true, false, [RemovalStep::Quiesce, RemovalStep::Quiesce]),
            (false, true, [RemovalStep::Wait, RemovalStep::Quiesce]),
            (false, false, [RemovalStep::Wait, RemovalStep::Overdue]),
        ] {
            let facts = RemovalFacts {
                has_weight: true,
                is_replaced,
                others_have_weight,
                ..tcp(on_removal)
            };
            assert_eq!(steps(removal(now, 0), facts, &times), expected, "{facts:?}");
        }
    }
}

#[test]
fn drained_real_server_leaves_when_its_connections_have_ended_or_at_the_deadline() {
    let now = clock::monotonic();
    let just_before = now + Duration::from_secs(59);
    let times = [now, just_before, now + DEADLINE];
    let wait = RemovalStep::Wait;
    let idle = RemovalStep::Remove(RemovalReason::Idle);
    let late = RemovalStep::Remove(RemovalReason::Deadline);
    for (service, active, expected) in [
        ("tcp 192.0.2.1:80", 1, [wait, wait, late]),
        ("tcp 192.0.2.1:80", 0, [idle, idle, late]),
        ("udp 192.0.2.1:53", 0, [wait, wait, late]),
    ] {
        let facts = facts(DirectorRemoval::Drain, service);
        assert_eq!(
            steps(removal(now, active), facts, &times),
            expected,
            "{service}, {active}"
        );
    }
}

#[test]
fn removed_real_server_has_its_time_for_the_last_answers_from_when_it_has_no_weight() {
    let now = clock::monotonic();
    let mut progress = removal(now, 1);
    let serves = RemovalFacts {
        has_weight: true,
        is_replaced: false,
        ..tcp(DirectorRemoval::Remove)
    };
    assert_eq!(progress.next_step(serves, now), RemovalStep::Wait);
    let begin = now + Duration::from_secs(10);
    let times = [
        begin,
        begin + Duration::from_millis(4_999),
        begin + LAST_ANSWERS,
    ];
    let facts = tcp(DirectorRemoval::Remove);
    let expected = [
        RemovalStep::Wait,
        RemovalStep::Wait,
        RemovalStep::Remove(RemovalReason::Replaced),
    ];
    assert_eq!(steps(progress, facts, &times), expected);
}

#[test]
fn removed_real_server_without_connections_leaves_at_once_also_with_udp() {
    let now = clock::monotonic();
    for service in ["tcp 192.0.2.1:80", "udp 192.0.2.1:53"] {
        let facts = facts(DirectorRemoval::Remove, service);
        let expected = [RemovalStep::Remove(RemovalReason::Idle)];
        assert_eq!(steps(removal(now, 0), facts, &[now]), expected, "{service}");
    }
}
