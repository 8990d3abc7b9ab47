use super::*;

fn seen(result: ProbeResult, reached: Reached, check_changed: bool) -> FreezeReason {
    FreezeReason::Probes(MassFailure {
        result,
        reached,
        with_result: 5,
        example: (result == ProbeResult::Status).then(|| "HTTP 503, expected 200".into()),
        failing: 6,
        check_changed,
    })
}

#[test]
fn fix_blames_the_network_only_if_nobody_answers() {
    let network = "see `ip -brief link` and `ip route` on this host";
    let silent = seen(ProbeResult::Timeout, Reached::Nobody, false);
    assert_eq!(silent.fix(), network);
    assert!(FreezeReason::Link.fix() == network && FreezeReason::NoInterface.fix() == network);
    for (result, reached, expected) in [
        (ProbeResult::Refused, Reached::Host, "listen on the port"),
        (
            ProbeResult::Status,
            Reached::Server,
            "expects the right answer",
        ),
    ] {
        let fix = seen(result, reached, false).fix();
        assert!(fix.starts_with("the network works, as "), "{fix}");
        assert!(fix.contains(expected) && !fix.contains("ip route"), "{fix}");
    }
}

#[test]
fn check_that_a_reload_changed_is_the_first_suspect() {
    let changed = seen(ProbeResult::Status, Reached::Server, true);
    assert_eq!(
        changed.to_string(),
        "most probes of unrelated virtual services began to fail within one interval, 5 of 6 with \
         the result `status` (such as: HTTP 503, expected 200), after a reload changed their checks"
    );
    let other = seen(ProbeResult::Timeout, Reached::Nobody, false).to_string();
    assert!(
        other.ends_with("5 of 6 with the result `timeout`"),
        "{other}"
    );
    let fix = changed.fix();
    let first = "correct the check that the last reload changed, and reload; otherwise ";
    assert!(fix.starts_with(first), "{fix}");
    let unchanged = seen(ProbeResult::Status, Reached::Server, false);
    assert!(!unchanged.to_string().contains("reload"), "{unchanged}");
}
