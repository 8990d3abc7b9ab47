use crate::doctor::fixture::{facts, lines, mark_rule};
use crate::model::{Family, Role};
use crate::status::fixture;

use super::*;

#[test]
fn rules_that_look_at_the_mark_of_a_service() {
    let config = fixture::config();
    for (rules, clash) in [
        (vec![], false),
        (vec![mark_rule(Family::Ipv6, 10, u32::MAX)], true),
        (vec![mark_rule(Family::Ipv6, 8, 0x8)], true),
        (vec![mark_rule(Family::Ipv6, 11, u32::MAX)], false),
        (vec![mark_rule(Family::Ipv4, 10, u32::MAX)], false),
    ] {
        let mut facts = facts(Role::Director);
        facts.rules.clone_from(&rules);
        let expected = if clash {
            "warning mark marked: the rule of routing 77 sends packets with the mark 10 to table \
             100: IPVS sees them only if that makes them local | ip -6 route show table 100; \
             ip -6 rule del priority 77"
        } else {
            "ok mark marked: no rule of routing looks at the mark 10"
        };
        assert_eq!(lines(&examine(&config, &facts)), [expected], "{rules:?}");
    }
}
