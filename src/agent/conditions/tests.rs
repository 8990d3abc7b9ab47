use super::*;
use crate::status::fixture;

#[test]
fn names_each_capability_that_is_needed_and_missing() {
    let config = fixture::config();
    let subjects = |held, in_kernel| -> Vec<_> {
        let found = missing(&config, Mode::Director, in_kernel, held);
        found
            .into_iter()
            .map(|condition| condition.subject)
            .collect()
    };
    assert_eq!(subjects(CapabilitySet::empty(), true), ["CAP_NET_ADMIN"]);
    assert_eq!(subjects(CapabilitySet::NET_ADMIN, true), [""; 0]);
    assert_eq!(subjects(CapabilitySet::empty(), false), [""; 0]);
}
