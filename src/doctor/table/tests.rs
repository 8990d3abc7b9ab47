use crate::doctor::fixture::{agent_with_unsaved_state, config, facts, lines};
use crate::kernel::KernelError;
use crate::model::Role;

use super::*;

#[test]
fn table_with_own_foreign_old_and_missing_services() {
    let mut facts = facts(Role::Director);
    let keys = |keys: &[&str]| keys.iter().map(|key| key.parse().unwrap()).collect();
    assert_eq!(examine(&config(), &facts), []);
    facts.table = Some(Ok(keys(&["tcp 192.168.11.200:80"])));
    assert_eq!(
        lines(&examine(&config(), &facts)),
        ["ok table IPVS: it holds 1 of 1 virtual services"]
    );
    facts.table = Some(Ok(keys(&[
        "udp 192.168.11.9:53",
        "fwmark 7 ipv6",
        "tcp 192.168.11.201:80",
    ])));
    facts.owned = keys(&["tcp 192.168.11.201:80"]);
    assert_eq!(
        lines(&examine(&config(), &facts)),
        [
            "problem table tcp 192.168.11.200:80: it is configured, and not in the table | start \
             lvs-agent, or: lvs-agent reload",
            "warning table tcp 192.168.11.201:80: the agent has made it, and it is no longer \
             configured | lvs-agent reload",
            "warning table udp 192.168.11.9:53: it is not the agent's, which leaves it alone: \
             remove it only if nobody needs it | ipvsadm -D -u 192.168.11.9:53",
            "warning table fwmark 7 ipv6: it is not the agent's, which leaves it alone: \
             remove it only if nobody needs it | ipvsadm -D -f 7 -6",
        ]
    );
}

#[test]
fn fix_of_an_unreadable_table_depends_on_the_cause() {
    const AGAIN: &str = "ask again: lvs-agent doctor; if it stays so, see whether the kernel \
                         tells others: ipvsadm -Ln";
    for (cause, fix) in [
        (Cause::NotPermitted, "run as root"),
        (
            Cause::NoIpvs,
            "modprobe ip_vs, or boot a kernel that has it",
        ),
        (Cause::Errno(22), AGAIN),
        (Cause::Transport("Invalid argument".to_owned()), AGAIN),
        (Cause::Truncated("its end is missing".to_owned()), AGAIN),
    ] {
        let mut facts = facts(Role::Director);
        let expected = format!("problem table IPVS: cannot list: {cause} | {fix}");
        facts.table = Some(Err(KernelError::new("list", cause)));
        assert_eq!(lines(&examine(&config(), &facts)), [expected]);
    }
}

/// Its running agent may have made it: no removal is advised.
#[test]
fn whose_it_is_cannot_be_told_while_the_agent_does_not_remember() {
    let mut facts = facts(Role::Director);
    let keys = |keys: &[&str]| keys.iter().map(|key| key.parse().unwrap()).collect();
    facts.table = Some(Ok(keys(&[
        "tcp 192.168.11.200:80",
        "tcp 192.168.11.201:80",
        "udp 192.168.11.9:53",
    ])));
    facts.owned = keys(&["tcp 192.168.11.201:80"]);
    facts.agent = agent_with_unsaved_state();
    assert_eq!(
        lines(&examine(&config(), &facts))[1..],
        [
            "warning table tcp 192.168.11.201:80: the agent has made it, and it is no longer \
             configured | lvs-agent reload",
            "warning table udp 192.168.11.9:53: it is not configured, and whether the agent has \
             made it cannot be told while the agent does not remember what it owns: leave it \
             alone | let the agent write its state file, then: lvs-agent doctor",
        ]
    );
}
