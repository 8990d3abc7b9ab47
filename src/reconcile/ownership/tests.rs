use super::*;

const KEY: &str = "net.ipv4.conf.all.arp_ignore";

#[test]
fn the_first_value_outlives_repairs_and_restarts() {
    let mut owned = Owned::default();
    owned.claim(&sysctl("1"), &sysctl("0"), StateFileStatus::Whole);
    owned.claim(&sysctl("1"), &sysctl("7"), StateFileStatus::Whole);
    owned.claim(&sysctl("2"), &sysctl("1"), StateFileStatus::Whole);
    let [Step::RestoreSysctl { from, to, .. }] =
        &owned.restores(&State::default(), &sysctl("2"))[..]
    else {
        panic!("one step expected");
    };
    assert_eq!((from.as_str(), to.as_str()), ("2", "0"));
}

#[test]
fn value_of_another_program_is_left_alone_and_forgotten() {
    let mut owned = Owned::default();
    owned.claim(&sysctl("1"), &sysctl("0"), StateFileStatus::Whole);
    assert_eq!(owned.restores(&State::default(), &sysctl("8")), vec![]);
    owned.release(&State::default(), &sysctl("8"));
    assert_eq!(owned, Owned::default());
}

#[test]
fn stricter_value_of_others_is_not_owned_and_own_one_is_given_back() {
    let mut owned = Owned::default();
    owned.claim(&sysctl("1"), &sysctl("2"), StateFileStatus::Whole);
    assert_eq!(owned, Owned::default());

    owned.claim(&sysctl("2"), &sysctl("0"), StateFileStatus::Whole);
    owned.claim(&sysctl("1"), &sysctl("2"), StateFileStatus::Whole);
    let restored = owned.restores(&State::default(), &sysctl("2"));
    assert!(
        matches!(&restored[..], [Step::RestoreSysctl { to, .. }] if to == "0"),
        "{restored:?}"
    );
}

#[test]
fn a_value_of_ours_is_no_original_where_memory_was_lost() {
    let mut owned = Owned::default();
    owned.claim(&sysctl("1"), &sysctl("1"), StateFileStatus::Damaged);
    assert_eq!(owned.without_original().count(), 1);
    owned.claim(&sysctl("1"), &sysctl("0"), StateFileStatus::Damaged);
    assert_eq!(owned.restores(&State::default(), &sysctl("1")), vec![]);
    owned.release(&State::default(), &sysctl("1"));
    assert_eq!(owned, Owned::default());

    owned.claim(&sysctl("1"), &sysctl("0"), StateFileStatus::Damaged);
    assert_eq!(owned.without_original().count(), 0);
    let restored = owned.restores(&State::default(), &sysctl("1"));
    assert_eq!(restored.len(), 1, "another's value is one to give back");
}

#[test]
fn objects_that_remain_stay_owned() {
    let address = LocalAddress {
        interface: "lo".into(),
        address: [192, 168, 11, 200].into(),
    };
    let there = State {
        addresses: [address].into(),
        ..State::default()
    };
    let mut owned = Owned::default();
    owned.claim(&there, &State::default(), StateFileStatus::Whole);
    owned.release(&State::default(), &there);
    assert_eq!(
        owned.addresses.len(),
        1,
        "its removal failed: it is still ours to remove"
    );
    owned.release(&State::default(), &State::default());
    assert_eq!(owned, Owned::default());
}

#[test]
fn a_time_out_is_given_back_unless_another_hand_has_set_it() {
    let timeout = |seconds| State {
        timeouts: [(Timeout::Udp, seconds)].into(),
        ..State::default()
    };
    let mut owned = Owned::default();
    owned.claim(&timeout(30), &timeout(300), StateFileStatus::Whole);
    owned.claim(&timeout(40), &timeout(30), StateFileStatus::Whole);
    let restore = Step::RestoreTimeout {
        timeout: Timeout::Udp,
        from: 40,
        to: 300,
    };
    assert_eq!(owned.restores(&State::default(), &timeout(40)), [restore]);
    assert_eq!(owned.restores(&State::default(), &timeout(50)), []);
    owned.release(&State::default(), &timeout(300));
    assert_eq!(owned, Owned::default());
}

fn sysctl(value: &str) -> State {
    State {
        sysctls: [(KEY.parse().unwrap(), value.to_owned())].into(),
        ..State::default()
    }
}
