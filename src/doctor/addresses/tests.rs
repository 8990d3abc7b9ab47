use crate::doctor::fixture::{VIP, address, config, facts, held, lines};
use crate::snapshot::Mode;

use super::*;

#[test]
fn where_a_vip_is_and_where_it_should_not_be() {
    let scoped = HostAddress {
        host_scope: true,
        ..held("eth0", VIP, 32)
    };
    for (addresses, expected) in [
        (
            vec![held("eth0", VIP, 32)],
            vec!["ok vip 192.168.11.200: it is on eth0"],
        ),
        (
            vec![],
            vec![
                "problem vip 192.168.11.200: it is not on eth0: clients reach nobody | \
                 ip address add 192.168.11.200/32 dev eth0",
            ],
        ),
        (
            vec![held("eth0", VIP, 24)],
            vec![
                "warning vip 192.168.11.200: it is on eth0 as /24, and configured as /32 | \
                 ip address del 192.168.11.200/24 dev eth0",
            ],
        ),
        (
            vec![held("eth0", VIP, 32), held("lo", VIP, 32)],
            vec![
                "ok vip 192.168.11.200: it is on eth0",
                "warning vip 192.168.11.200: it is on lo, too | \
                 ip address del 192.168.11.200/32 dev lo",
            ],
        ),
        (
            vec![scoped],
            vec![
                "warning vip 192.168.11.200: its scope on eth0 is `host` | \
                 ip address change 192.168.11.200/32 dev eth0 scope global",
            ],
        ),
    ] {
        let mut facts = facts(Mode::Director);
        facts.host.addresses = addresses;
        assert_eq!(lines(&examine(&config(), &facts)), expected);
    }
}

#[test]
fn without_an_interface_any_will_do() {
    let mut config = config();
    config.director.interface = None;
    let mut facts = facts(Mode::Director);
    assert_eq!(
        lines(&examine(&config, &facts)),
        ["ok vip 192.168.11.200: it is on eth0"]
    );
    facts.host.addresses.clear();
    let findings = lines(&examine(&config, &facts));
    assert!(findings[0].starts_with("warning vip"), "{findings:?}");
}

#[test]
fn others_that_answer_for_the_vip() {
    let mut facts = facts(Mode::Director);
    facts.claims = Some([(address(VIP), vec!["02:00:00:00:00:21 (web/rs1)".to_owned()])].into());
    assert_eq!(
        lines(&examine(&config(), &facts))[1],
        "problem duplicate_vip 192.168.11.200: 02:00:00:00:00:21 (web/rs1) answers for it on the \
         link | on that host: lvs-agent doctor --real-server"
    );
    facts.claims = Some([].into());
    assert_eq!(
        lines(&examine(&config(), &facts))[1],
        "ok duplicate_vip 192.168.11.200: nobody else on the link answers for it"
    );
}
