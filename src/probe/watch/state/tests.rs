use proptest::prelude::*;

use super::*;
use crate::runtime::clock;

const ONE: ProbeId = ProbeId(1);
const OTHER: ProbeId = ProbeId(2);
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// With a connection that was made at `now`.
fn held(now: Instant) -> State {
    let mut state = State::default();
    assert_eq!(
        state.probed(ONE, Some(true), ProbeRate::Normal, now),
        Action::Open
    );
    state.opened(now);
    assert_eq!(state.watching(now), Watching::Connected);
    state
}

#[test]
fn a_connection_is_made_only_while_up_and_closed_after_the_verdict() {
    let now = clock::monotonic();
    let (normal, fast, down) = (ProbeRate::Normal, ProbeRate::Fast, ProbeRate::Down);
    let mut state = State::default();
    for rate in [fast, down] {
        assert_eq!(state.probed(ONE, Some(false), rate, now), Action::Nothing);
        assert_eq!(state.probed(ONE, None, rate, now), Action::Nothing);
        // It rises, and no end of a connection makes that faster.
        assert_eq!(state.probed(ONE, Some(true), rate, now), Action::Nothing);
    }
    assert_eq!(state.up(OTHER, now), Action::Nothing, "it has not passed");
    assert_eq!(state.up(ONE, now), Action::Open);
    assert_eq!(state.up(ONE, now), Action::Nothing);
    assert_eq!(state.probed(ONE, Some(true), normal, now), Action::Nothing);
    state.opened(now);
    assert_eq!(state.probed(ONE, Some(false), normal, now), Action::Nothing);
    assert_eq!(state.probed(ONE, Some(false), fast, now), Action::Nothing);
    assert_eq!(state.watching(now), Watching::Connected);
    assert_eq!(state.probed(ONE, Some(false), down, now), Action::Close);
    assert_eq!(state.watching(now), Watching::NotConnected);
    assert_eq!(state.probed(ONE, Some(true), down, now), Action::Nothing);
    assert_eq!(state.probed(ONE, Some(true), normal, now), Action::Open);
}

#[test]
fn a_probe_that_failed_before_the_end_was_known_is_made_again() {
    let now = clock::monotonic();
    let mut state = held(now);
    let failed = state.probed(ONE, Some(false), ProbeRate::Normal, now);
    assert_eq!(failed, Action::Nothing);
    assert_eq!(state.ended(End::ByServer, now + SHORT), [ONE]);
    assert_eq!(state.ended(End::ByServer, now + SHORT), []);
}

#[test]
fn a_connection_of_two_checks_is_closed_when_both_verdicts_are_down() {
    let now = clock::monotonic();
    let (normal, down) = (ProbeRate::Normal, ProbeRate::Down);
    let mut state = held(now);
    assert_eq!(
        state.probed(OTHER, Some(false), normal, now),
        Action::Nothing
    );
    assert_eq!(
        state.probed(OTHER, Some(true), normal, now),
        Action::Nothing
    );
    assert_eq!(state.probed(ONE, Some(false), down, now), Action::Nothing);
    // Of a probe whose verdict is down there is nothing to find out.
    assert_eq!(state.ended(End::ByServer, now + SHORT), [OTHER]);
    let passed = state.probed(OTHER, Some(true), normal, now + SHORT);
    assert_eq!(passed, Action::Open);
    assert_eq!(state.forget(OTHER), Action::Close);
}

#[test]
fn idle_timeout_of_a_server_makes_one_probe_and_the_next_connection() {
    let mut now = clock::monotonic();
    let mut state = held(now);
    for _ in 0..10 {
        now += SECOND * 60;
        assert_eq!(state.ended(End::ByServer, now), [ONE]);
        assert_eq!(state.ended(End::ByServer, now), []);
        assert_eq!(
            state.probed(ONE, Some(true), ProbeRate::Normal, now),
            Action::Open
        );
        state.opened(now);
        assert_eq!(state.watching(now), Watching::Connected);
    }
}

#[test]
fn a_server_that_ends_each_connection_is_asked_ever_more_seldom_and_shown() {
    let start = clock::monotonic();
    let mut now = start;
    let mut state = State::default();
    let mut opened = Vec::new();
    while now < start + SECOND * 1200 {
        if state.probed(ONE, Some(true), ProbeRate::Normal, now) == Action::Open {
            opened.push((now - start).as_secs());
            state.opened(now);
            assert_eq!(state.ended(End::ByServer, now + MILLISECOND * 100), [ONE]);
        }
        now += SECOND;
    }
    assert_eq!(
        opened,
        [0, 1, 3, 6, 11, 20, 37, 70, 135, 264, 521, 822, 1123]
    );
    assert_eq!(state.watching(now), Watching::EndedByServer);

    // Once it holds a connection, it is well.
    let now = now + LONGEST_WAIT;
    assert_eq!(
        state.probed(ONE, Some(true), ProbeRate::Normal, now),
        Action::Open
    );
    state.opened(now);
    assert_eq!(state.watching(now), Watching::EndedByServer);
    assert_eq!(state.watching(now + SHORT), Watching::Connected);
    assert_eq!(state.ended(End::ByServer, now + SHORT), [ONE]);
    assert_eq!(
        state.probed(ONE, Some(true), ProbeRate::Normal, now + SHORT),
        Action::Open
    );
}

#[test]
fn what_is_shown_says_how_the_connections_ended() {
    for (end, shown) in [
        (End::ByServer, Watching::EndedByServer),
        (End::TooMuch, Watching::TooMuchSent),
        (End::NotMade, Watching::NotMade),
    ] {
        let mut now = clock::monotonic();
        let mut state = State::default();
        for _ in 0..USELESS {
            now += LONGEST_WAIT;
            let action = state.probed(ONE, Some(true), ProbeRate::Normal, now);
            assert_eq!(action, Action::Open);
            state.opened(now);
            state.ended(end, now);
        }
        assert_eq!(state.watching(now), shown);
    }
}

#[test]
fn a_fault_of_this_host_and_too_much_text_make_no_probe() {
    let now = clock::monotonic();
    let mut state = held(now);
    assert_eq!(state.ended(End::TooMuch, now + SECOND * 60), []);
    let mut state = State::default();
    assert_eq!(
        state.probed(ONE, Some(true), ProbeRate::Normal, now),
        Action::Open
    );
    assert_eq!(state.ended(End::NotMade, now), []);
    // Its connection is refused: that is worth a probe.
    assert_eq!(
        state.probed(ONE, Some(true), ProbeRate::Normal, now),
        Action::Open
    );
    assert_eq!(state.ended(End::ByServer, now), [ONE]);
}

#[derive(Debug, Clone)]
enum Event {
    Probed(u32, Option<bool>, ProbeRate),
    Forget(u32),
    Opened,
    Ended(End),
}

fn event() -> impl Strategy<Value = Event> {
    let rate = prop_oneof![
        4 => Just(ProbeRate::Normal),
        1 => Just(ProbeRate::Fast),
        1 => Just(ProbeRate::Down),
    ];
    let end = prop_oneof![Just(End::ByServer), Just(End::TooMuch), Just(End::NotMade)];
    prop_oneof![
        4 => (0_u32..3, prop::option::weighted(0.9, prop::bool::weighted(0.8)), rate)
            .prop_map(|(probe, passed, rate)| Event::Probed(probe, passed, rate)),
        1 => (0_u32..3).prop_map(Event::Forget),
        2 => Just(Event::Opened),
        2 => end.prop_map(Event::Ended),
    ]
}

proptest! {
    /// Whatever comes: a connection is opened only by a pass while up, never a second one beside
    /// it, and each makes at most one probe of each check that has no verdict down. Connections that end at once come
    /// ever more seldom.
    #[test]
    fn each_connection_makes_at_most_one_probe(
        events in prop::collection::vec((0_u32..2_000, event()), 1..300),
    ) {
        let start = clock::monotonic();
        let mut now = start;
        let mut state = State::default();
        let mut not_down = BTreeSet::new();
        let (mut open, mut opened, mut hints) = (false, 0_usize, 0_usize);
        for (wait, event) in events {
            now += MILLISECOND * wait;
            let action = match event {
                Event::Probed(probe, passed, rate) => {
                    match passed {
                        Some(true) => { not_down.insert(ProbeId(probe)); }
                        Some(false) if rate == ProbeRate::Down => {
                            not_down.remove(&ProbeId(probe));
                        }
                        Some(false) | None => {}
                    }
                    let action = state.probed(ProbeId(probe), passed, rate, now);
                    let is_up = rate == ProbeRate::Normal && passed == Some(true);
                    prop_assert!(action != Action::Open || is_up);
                    action
                }
                Event::Forget(probe) => {
                    not_down.remove(&ProbeId(probe));
                    state.forget(ProbeId(probe))
                }
                Event::Opened => {
                    if open {
                        state.opened(now);
                    }
                    Action::Nothing
                }
                Event::Ended(end) => {
                    let probes = state.ended(end, now);
                    prop_assert!(open || probes.is_empty());
                    prop_assert!(probes.iter().all(|probe| not_down.contains(probe)));
                    hints += usize::from(!probes.is_empty());
                    open = false;
                    Action::Nothing
                }
            };
            match action {
                Action::Open => {
                    prop_assert!(!open);
                    open = true;
                    opened += 1;
                }
                Action::Close => {
                    prop_assert!(open);
                    open = false;
                }
                Action::Nothing => {}
            }
            prop_assert!(hints <= opened);
        }
    }
}
