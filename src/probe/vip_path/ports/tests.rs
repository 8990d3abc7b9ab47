use proptest::prelude::*;

use super::*;
use crate::model::{Family, Forwarding};
use crate::runtime::clock;

const ESTABLISHED: Duration = Duration::from_mins(15);

fn ports(range: RangeInclusive<u16>) -> Ports {
    Ports::new(range, ESTABLISHED, 0)
}

fn vip(last: u8) -> SocketAddr {
    ([192, 168, 11, last], 80).into()
}

#[expect(clippy::unnecessary_wraps, reason = "a user that is no canary")]
fn server(last: u8) -> User {
    Some(ProbePath {
        family: Family::Ipv4,
        real_server: [192, 168, 11, last].into(),
        forwarding: Forwarding::Direct,
    })
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_port_rests_for_as_long_as_ipvs_may_know_it() {
    let start = clock::monotonic();
    for (ending, rest) in [
        (Ending::Reset, seconds(12)),
        (Ending::Unusable, seconds(12)),
        (Ending::Unanswered, seconds(65)),
        (Ending::ClosedByPeer, seconds(912)),
        (Ending::UnknownPeer, seconds(65)),
    ] {
        let mut ports = ports(40_000..=40_000);
        assert_eq!(ports.take(vip(200), server(21), start), Some(40_000));
        ports.give_back(vip(200), server(21), 40_000, ending, start);
        let early = start + rest.saturating_sub(Duration::from_millis(1));
        assert_eq!(ports.take(vip(200), server(22), early), None, "{ending:?}");
        assert_eq!(
            ports.take(vip(200), server(22), start + rest),
            Some(40_000),
            "{ending:?}"
        );
    }
}

/// From another port IPVS might count no new connection.
#[test]
fn only_one_that_ended_by_a_reset_is_its_users_again() {
    let now = clock::monotonic();
    for (ending, again) in [
        (Ending::Reset, Some(40_000)),
        (Ending::Unanswered, None),
        (Ending::ClosedByPeer, None),
        (Ending::UnknownPeer, None),
        (Ending::Unusable, None),
    ] {
        let mut ports = ports(40_000..=40_000);
        ports.take(vip(200), server(21), now);
        ports.give_back(vip(200), server(21), 40_000, ending, now);
        assert_eq!(ports.take(vip(200), server(21), now), again, "{ending:?}");
    }
}

#[test]
fn ports_are_counted_for_each_vip_and_port_alone() {
    let now = clock::monotonic();
    let mut ports = ports(40_000..=40_000);
    for target in [vip(200), vip(201), ([192, 168, 11, 200], 443).into()] {
        assert_eq!(ports.take(target, server(21), now), Some(40_000));
        assert_eq!(ports.take(target, server(21), now), None);
    }
}

#[test]
fn all_of_the_range_is_used_from_any_start() {
    let now = clock::monotonic();
    for seed in [0, 7, u32::MAX] {
        let mut ports = Ports::new(40_000..=40_009, ESTABLISHED, seed);
        let taken: BTreeSet<_> = (0..10)
            .map(|_| ports.take(vip(200), server(21), now).unwrap())
            .collect();
        assert_eq!(taken, (40_000..=40_009).collect());
        assert_eq!(ports.take(vip(200), server(21), now), None);
    }
}

/// Or probes of those that are down could leave none for it, and all of them
/// would be unverified.
#[test]
fn the_canary_keeps_its_port_although_all_others_are_taken() {
    let start = clock::monotonic();
    for ending in [Ending::Reset, Ending::Unanswered] {
        let mut ports = ports(40_000..=40_003);
        let own = ports.take(vip(200), None, start).unwrap();
        ports.give_back(vip(200), None, own, ending, start);
        let later = start + seconds(100);
        let others: Vec<_> =
            std::iter::from_fn(|| ports.take(vip(200), server(21), later)).collect();
        assert_eq!(others.len(), 3, "{ending:?}");
        assert_eq!(ports.take(vip(200), None, later), Some(own), "{ending:?}");
    }
}

/// Or it would try in vain for ever.
#[test]
fn the_canary_leaves_a_port_that_others_of_this_host_have() {
    let start = clock::monotonic();
    let mut ports = ports(40_000..=40_003);
    let taken = ports.take(vip(200), None, start).unwrap();
    ports.give_back(vip(200), None, taken, Ending::Unusable, start);
    let other = ports.take(vip(200), None, start).unwrap();
    assert_ne!(other, taken);
}

#[test]
fn the_canarys_port_is_another_users_once_it_has_rested() {
    let start = clock::monotonic();
    let mut ports = ports(40_000..=40_000);
    let own = ports.take(vip(200), None, start).unwrap();
    ports.give_back(vip(200), None, own, Ending::Reset, start);
    let early = start + seconds(119);
    assert_eq!(ports.take(vip(200), server(21), early), None);
    let later = start + seconds(120);
    assert_eq!(ports.take(vip(200), server(21), later), Some(own));
    assert_eq!(ports.take(vip(200), None, later), None, "it is in use");
}

/// 12 ports are enough for a probe each second, for ever.
#[test]
fn rested_ports_are_used_before_new_ones() {
    let start = clock::monotonic();
    let mut ports = ports(32_768..=60_999);
    let mut used = BTreeSet::new();
    for second in 0..10_000 {
        let now = start + seconds(second);
        let port = ports.take(vip(200), server(21), now).unwrap();
        used.insert(port);
        ports.give_back(vip(200), server(21), port, Ending::Reset, now);
    }
    assert_eq!(used.len(), 12);
}

#[test]
fn vips_that_are_asked_no_more_are_forgotten() {
    let start = clock::monotonic();
    let mut ports = ports(40_000..=40_009);
    for last in 0..=255 {
        let now = start + seconds(u64::from(last) * 20);
        let port = ports.take(vip(last), server(21), now).unwrap();
        ports.give_back(vip(last), server(21), port, Ending::Reset, now);
    }
    assert_eq!(ports.targets.len(), 1);
}

#[test]
fn a_vip_from_which_an_answer_may_come_is_not_forgotten() {
    let start = clock::monotonic();
    let mut ports = ports(40_000..=40_000);
    assert!(ports.take(vip(200), server(21), start).is_some());
    let later = start + seconds(1000);
    assert!(ports.take(vip(201), server(21), later).is_some());
    assert_eq!(ports.take(vip(200), server(22), later), None);
}

#[derive(Debug, Clone)]
enum Action {
    Take(u8),
    GiveBack(usize, Ending),
    Wait(u64),
}

fn action() -> impl Strategy<Value = Action> {
    let ending = prop::sample::select(vec![
        Ending::Reset,
        Ending::Unanswered,
        Ending::ClosedByPeer,
        Ending::UnknownPeer,
    ]);
    prop_oneof![
        3 => (0_u8..4).prop_map(Action::Take),
        3 => (any::<usize>(), ending).prop_map(|(which, ending)| Action::GiveBack(which, ending)),
        1 => (0_u64..40).prop_map(Action::Wait),
    ]
}

proptest! {
    /// Whatever happens, no port is had twice at once, and none goes to
    /// another real server within 12 s.
    #[test]
    fn no_port_is_given_to_another_real_server_too_soon(acts in prop::collection::vec(action(), 0..300)) {
        let mut now = clock::monotonic();
        let mut ports = ports(40_000..=40_007);
        let mut held: Vec<(User, u16)> = Vec::new();
        let mut last: BTreeMap<u16, (User, Instant)> = BTreeMap::new();
        for act in acts {
            match act {
                Action::Take(who) => {
                    let user = server(who);
                    let Some(port) = ports.take(vip(200), user, now) else { continue };
                    prop_assert!(held.iter().all(|(_, other)| *other != port));
                    if let Some((before, at)) = last.get(&port) {
                        prop_assert!(*before == user || now - *at >= seconds(12));
                    }
                    held.push((user, port));
                }
                Action::GiveBack(which, ending) if !held.is_empty() => {
                    let (user, port) = held.swap_remove(which % held.len());
                    ports.give_back(vip(200), user, port, ending, now);
                    last.insert(port, (user, now));
                }
                Action::GiveBack(..) => {}
                Action::Wait(wait) => now += seconds(wait),
            }
            let known = ports.targets.values().map(|known| known.resting.len());
            prop_assert!(known.sum::<usize>() + held.len() <= 8);
        }
    }
}
